//! The connections of tips to Redis, and the names of their keys there.
use std::{fmt, sync::Arc};

use crate::{
    domain::{DatabaseId, TipKey},
    redis::{Listener, MacKey, RedisClient},
};

/// How the replicas reach each other.
pub struct TipRedis {
    /// For commands.
    pub client: Arc<RedisClient>,
    /// For messages.
    pub listener: Arc<Listener>,
    /// The database whose tips they are; it changes when another server takes over.
    pub database: Arc<dyn Fn() -> DatabaseId + Send + Sync>,
    /// Seals what other replicas are to believe.
    pub mac: MacKey,
}

/// The names of all keys of one tip; they share a hash tag, hence a shard.
pub(super) struct RedisKeys {
    pub(super) key: TipKey,
    /// What all of them begin with.
    pub(super) scope: String,
}

/// Changes with what the keys hold.
const FORMAT: u32 = 2;

impl TipRedis {
    /// The name of a key or channel.
    pub(super) fn name(&self, rest: fmt::Arguments<'_>) -> String {
        format!("tip:{FORMAT}:{}:{rest}", (self.database)())
    }

    /// The names for a tip of the database that is read now.
    pub(super) fn keys_of(&self, key: TipKey) -> RedisKeys {
        let tag: String = key.to_string().chars().take(32).collect();
        let scope = self.name(format_args!("{{{tag}}}"));
        RedisKeys { key, scope }
    }

    /// The same for a health check: commands are sent even while a breaker is open.
    pub(super) fn for_health_check(&self) -> Self {
        Self {
            client: Arc::new(self.client.for_health_check()),
            listener: Arc::clone(&self.listener),
            database: Arc::clone(&self.database),
            mac: self.mac.clone(),
        }
    }
}

impl RedisKeys {
    pub(super) fn one(&self, name: &str) -> String {
        format!("{}:{name}", self.scope)
    }

    pub(super) fn all(&self, names: &[&str]) -> Vec<String> {
        names.iter().map(|name| self.one(name)).collect()
    }
}
