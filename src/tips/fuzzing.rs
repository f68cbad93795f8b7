//! What the targets in `fuzz/` try of this module: how it reads what lies in Redis, and checks what providers write.
//!
//! It is always compiled, so that the targets are built from the same crate as all tests. The product calls none of it.
use std::{sync::Arc, time::Duration};

use super::{
    frame::{FrameCodec, Position, StreamEntry},
    policy::ContentPolicy,
    tip_redis::{RedisKeys, TipRedis},
};
use crate::{
    domain::{DatabaseId, TipKey},
    redis::{Listener, MacKey, RedisClient, RedisClientSettings, RedisNodes, RedisServers},
};

/// Text that comes in these pieces, as it is shown, and the word for the violation that ends it.
#[must_use]
pub fn shown<'a>(
    pieces: impl Iterator<Item = &'a str>,
    max_bytes: usize,
) -> (String, Option<&'static str>) {
    let mut policy = ContentPolicy::new(max_bytes);
    let mut shown = String::new();
    for piece in pieces {
        match policy.read(piece) {
            Ok(more) => shown.push_str(&more),
            Err(violation) => return (shown, Some(violation.as_str())),
        }
    }
    match policy.finish() {
        Ok(rest) => (shown + &rest, None),
        Err(violation) => (shown, Some(violation.as_str())),
    }
}

/// Reads the messages that replicas send each other about one tip.
pub struct TipMessages {
    redis: TipRedis,
    keys: RedisKeys,
}

impl TipMessages {
    /// Sealed with `mac`; nothing is connected. `None` where no client can be made.
    #[must_use]
    pub fn new(mac: MacKey) -> Option<Self> {
        let nodes = RedisNodes::Single("redis://127.0.0.1:1".to_owned().into());
        let servers: RedisServers = nodes.into();
        let timeout = Duration::from_millis(1);
        let client = RedisClient::connect(&RedisClientSettings {
            name: "fuzzing",
            servers: servers.clone(),
            timeout,
            connections: 1,
        });
        let redis = TipRedis {
            client: Arc::new(client.ok()?),
            listener: Arc::new(Listener::new(servers, timeout)),
            database: Arc::new(|| DatabaseId(1)),
            mac,
        };
        let keys = redis.keys_of(TipKey([7; 32]));
        Some(Self { redis, keys })
    }

    /// What the names of all keys of the tip begin with; a part of each seal.
    #[must_use]
    pub fn scope(&self) -> &str {
        &self.keys.scope
    }

    /// A message that was read, as it is written again.
    #[must_use]
    pub fn reread(&self, message: &[u8]) -> Option<Vec<u8>> {
        let codec = FrameCodec {
            redis: &self.redis,
            redis_keys: &self.keys,
            max_bytes: 1_000,
        };
        let frame = codec.read_message(message)?;
        let Position { epoch, number } = frame.at;
        let (kind, offset) = (frame.entry.kind(), frame.entry.offset());
        let head = format!("{} {number} {kind} {offset}\n", epoch.0);
        Some([head.into_bytes(), codec.seal(frame.at, &frame.entry)].concat())
    }

    /// The text of a message, if it carries a piece of text.
    #[must_use]
    pub fn text(&self, message: &[u8]) -> Option<String> {
        let codec = FrameCodec {
            redis: &self.redis,
            redis_keys: &self.keys,
            max_bytes: 1_000,
        };
        match codec.read_message(message)?.entry {
            StreamEntry::Text { text, .. } => Some(text),
            StreamEntry::Whole(tip) => Some(tip.text),
            StreamEntry::Begin(_) | StreamEntry::Failed(_) => None,
        }
    }
}
