//! Seals what goes into Redis for a tip, and checks what comes back: only entries that a replica of the fleet sealed, whose
//! text keeps to the content policy, are read.
use bb8_redis::redis::{FromRedisValue, Value};

use super::{
    cluster::{NO_EPOCH, TipCluster},
    frame::{Entry, Frame, Position, unpack},
    redis_keys::RedisKeys,
};
use crate::domain::{FallbackCause, Tip};

impl TipCluster {
    /// A finished tip that a replica of the fleet sealed, and that may be shown.
    pub(super) fn tip(&self, redis_keys: &RedisKeys, sealed: &[u8]) -> Option<Tip> {
        let packed = self.redis.open(&redis_keys.scope, "E", None, sealed)?;
        let tip = unpack(redis_keys.key, packed)?;
        let is_clean = self.policy().read(&tip.text).is_ok() && tip.epoch < NO_EPOCH;
        is_clean.then_some(tip)
    }

    pub(super) fn cause(&self, redis_keys: &RedisKeys, sealed: &[u8]) -> Option<FallbackCause> {
        let cause = self.redis.open(&redis_keys.scope, "X", None, sealed)?;
        FallbackCause::named(std::str::from_utf8(cause).ok()?)
    }

    /// An entry of the stream that a replica of the fleet sealed; `None` for any other.
    fn frame(
        &self,
        redis_keys: &RedisKeys,
        id: &str,
        kind: &str,
        offset: &str,
        payload: &[u8],
    ) -> Option<Frame> {
        let at = Position::read(id)?;
        if kind == "E" {
            let entry = Entry::Whole(Box::new(self.tip(redis_keys, payload)?));
            return Some(Frame { at, entry });
        }
        let place = (kind == "D").then_some((at, offset.parse().ok()?));
        let payload = match kind {
            // Redis writes the first entry of an epoch by itself.
            "R" => payload,
            _ => self.redis.open(&redis_keys.scope, kind, place, payload)?,
        };
        Frame::read(at, kind, offset, payload)
    }

    /// Reads a message: `<epoch> <number> <kind> <offset>`, a line break, and the payload.
    pub(super) fn read_message(&self, redis_keys: &RedisKeys, message: &[u8]) -> Option<Frame> {
        let end = message.iter().position(|byte| *byte == b'\n')?;
        let (head, payload) = message.split_at_checked(end)?;
        let mut words = std::str::from_utf8(head).ok()?.split(' ');
        let id = format!("{}-{}", words.next()?, words.next()?);
        let (kind, offset) = (words.next()?, words.next()?);
        self.frame(redis_keys, &id, kind, offset, payload.get(1..)?)
    }

    pub(super) fn seal(&self, redis_keys: &RedisKeys, at: Position, entry: &Entry) -> Vec<u8> {
        let place = match entry {
            Entry::Begin(_) => return entry.payload(),
            Entry::Text { offset, .. } => Some((at, *offset)),
            Entry::Whole(_) | Entry::Failed(_) => None,
        };
        self.redis
            .seal(&redis_keys.scope, entry.kind(), place, &entry.payload())
    }

    /// Reads `[id, [k, kind, o, offset, b, payload]]`.
    pub(super) fn read_entry(&self, redis_keys: &RedisKeys, entry: Value) -> Option<Frame> {
        let (id, fields) = <(String, Vec<Vec<u8>>)>::from_redis_value(entry).ok()?;
        let [_, kind, _, offset, _, payload] = fields.as_slice() else {
            return None;
        };
        let text = |bytes| std::str::from_utf8(bytes).ok();
        self.frame(redis_keys, &id, text(kind)?, text(offset)?, payload)
    }
}
