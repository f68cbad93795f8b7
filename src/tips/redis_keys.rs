//! The names of the keys that a tip has in Redis.
use crate::domain::TipKey;

/// The names of all that belongs to one tip; they share a hash tag, hence a shard.
pub(super) struct RedisKeys {
    pub(super) key: TipKey,
    /// What all of them begin with.
    pub(super) scope: String,
}

impl RedisKeys {
    pub(super) fn key(&self) -> TipKey {
        self.key
    }

    pub(super) fn one(&self, name: &str) -> String {
        format!("{}:{name}", self.scope)
    }

    pub(super) fn all<const N: usize>(
        &self,
        redis_keys: [&str; N],
        with_channel: bool,
    ) -> Vec<String> {
        let channel = with_channel.then_some("w");
        let redis_keys = redis_keys.into_iter().chain(channel);
        redis_keys.map(|name| self.one(name)).collect()
    }
}
