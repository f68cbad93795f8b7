//! Entries of a tip's stream in Redis: how they are written, sealed with a MAC, and read.
//!
//! Only entries that a replica of the fleet sealed, whose text keeps to the content policy, are read.
use bb8_redis::redis::{FromRedisValue, Value};

use super::{
    hash::sha256,
    policy::ContentPolicy,
    tip_redis::{RedisKeys, TipRedis},
};
use crate::domain::{Epoch, FallbackCause, ResetCause, Tip, TipKey};

/// No epoch is as high, and a Lua number still holds it.
pub(super) const NO_EPOCH: Epoch = Epoch(1 << 53);

/// One entry of the stream of a tip in Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) at: Position,
    pub(super) entry: StreamEntry,
}

/// The id of an entry: the epoch, and the number within it. Redis keeps entries in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) epoch: Epoch,
    pub(super) number: u64,
}

/// The content of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StreamEntry {
    /// A new epoch: the text so far is void.
    Begin(ResetCause),
    /// More text, from this offset on.
    Text { offset: u64, text: String },
    /// The end: this is the tip.
    Whole(Box<Tip>),
    /// The end: there is no tip.
    Failed(FallbackCause),
}

impl Position {
    /// As Redis spells it.
    pub(super) fn id(self) -> String {
        format!("{}-{}", self.epoch.0, self.number)
    }

    /// Whether nothing lies between `earlier` and this.
    pub(super) fn follows(self, earlier: Self) -> bool {
        self.epoch == earlier.epoch && self.number == earlier.number + 1
    }

    pub(super) fn read(id: &str) -> Option<Self> {
        let (epoch, number) = id.split_once('-')?;
        Some(Self {
            epoch: Epoch(epoch.parse().ok()?),
            number: number.parse().ok()?,
        })
    }
}

impl StreamEntry {
    /// The letter that stands for its kind.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Begin(_) => "R",
            Self::Text { .. } => "D",
            Self::Whole(_) => "E",
            Self::Failed(_) => "X",
        }
    }

    pub(super) const fn offset(&self) -> u64 {
        match self {
            Self::Text { offset, .. } => *offset,
            Self::Begin(_) | Self::Whole(_) | Self::Failed(_) => 0,
        }
    }

    pub(super) fn payload(&self) -> Vec<u8> {
        match self {
            Self::Begin(cause) => cause.as_str().as_bytes().to_vec(),
            Self::Text { text, .. } => text.as_bytes().to_vec(),
            // Numbers and texts can always be written.
            Self::Whole(tip) => serde_json::to_vec(tip).unwrap_or_default(),
            Self::Failed(cause) => cause.as_str().as_bytes().to_vec(),
        }
    }
}

/// Seals entries with a MAC, and reads them.
pub(super) struct FrameCodec<'a> {
    pub(super) redis: &'a TipRedis,
    pub(super) redis_keys: &'a RedisKeys,
    /// No tip is longer, in bytes.
    pub(super) max_bytes: usize,
}

impl FrameCodec<'_> {
    /// The payload of `entry` at `at`, with its MAC before it. Redis writes the first entry of an epoch without one.
    pub(super) fn seal(&self, at: Position, entry: &StreamEntry) -> Vec<u8> {
        let place = match entry {
            StreamEntry::Begin(_) => return entry.payload(),
            StreamEntry::Text { offset, .. } => Some((at, *offset)),
            StreamEntry::Whole(_) | StreamEntry::Failed(_) => None,
        };
        let (payload, place) = (entry.payload(), spelled(place));
        let code = self
            .redis
            .mac
            .code(&self.parts(entry.kind(), &place, &payload));
        [&code, payload.as_slice()].concat()
    }

    /// A finished tip that may be shown.
    pub(super) fn tip(&self, sealed: &[u8]) -> Option<Tip> {
        let tip = deserialize(self.redis_keys.key, self.open("E", None, sealed)?)?;
        let is_clean = ContentPolicy::new(self.max_bytes).read(&tip.text).is_ok();
        (is_clean && tip.epoch < NO_EPOCH).then_some(tip)
    }

    pub(super) fn cause(&self, sealed: &[u8]) -> Option<FallbackCause> {
        let cause = self.open("X", None, sealed)?;
        FallbackCause::named(std::str::from_utf8(cause).ok()?)
    }

    /// Reads a message: `<epoch> <number> <kind> <offset>`, a line break, and the payload.
    pub(super) fn read_message(&self, message: &[u8]) -> Option<Frame> {
        let end = message.iter().position(|byte| *byte == b'\n')?;
        let (head, payload) = message.split_at_checked(end)?;
        let mut words = std::str::from_utf8(head).ok()?.split(' ');
        let id = format!("{}-{}", words.next()?, words.next()?);
        let (kind, offset) = (words.next()?, words.next()?);
        self.frame(&id, kind, offset, payload.get(1..)?)
    }

    /// Reads an entry of the stream: `[id, [k, kind, o, offset, b, payload]]`.
    pub(super) fn read_entry(&self, entry: Value) -> Option<Frame> {
        let (id, fields) = <(String, Vec<Vec<u8>>)>::from_redis_value(entry).ok()?;
        let [_, kind, _, offset, _, payload] = fields.as_slice() else {
            return None;
        };
        let text = |bytes| std::str::from_utf8(bytes).ok();
        self.frame(&id, text(kind)?, text(offset)?, payload)
    }

    fn frame(&self, id: &str, kind: &str, offset: &str, payload: &[u8]) -> Option<Frame> {
        let at = Position::read(id)?;
        let entry = match kind {
            "R" if payload == ResetCause::Restart.as_str().as_bytes() => {
                StreamEntry::Begin(ResetCause::Restart)
            }
            "R" => StreamEntry::Begin(ResetCause::Takeover),
            "D" => {
                let offset = offset.parse().ok()?;
                let text = self.open(kind, Some((at, offset)), payload)?;
                StreamEntry::Text {
                    offset,
                    text: String::from_utf8(text.to_vec()).ok()?,
                }
            }
            "E" => StreamEntry::Whole(Box::new(self.tip(payload)?)),
            "X" => StreamEntry::Failed(self.cause(payload)?),
            _ => return None,
        };
        Some(Frame { at, entry })
    }

    /// The content of an entry of `kind` that a replica of the fleet sealed for this place; `None` for any other.
    fn open<'a>(
        &self,
        kind: &str,
        place: Option<(Position, u64)>,
        sealed: &'a [u8],
    ) -> Option<&'a [u8]> {
        let (code, content) = sealed.split_first_chunk()?;
        let place = spelled(place);
        let parts = self.parts(kind, &place, content);
        self.redis.mac.is_code(code, &parts).then_some(content)
    }

    /// What a MAC is made of. Text means something at its place only; an end means the same everywhere.
    fn parts<'a>(&'a self, kind: &'a str, place: &'a str, content: &'a [u8]) -> [&'a [u8]; 4] {
        let scope = self.redis_keys.scope.as_bytes();
        [content, scope, kind.as_bytes(), place.as_bytes()]
    }
}

fn spelled(place: Option<(Position, u64)>) -> String {
    place.map_or_else(String::new, |(at, offset)| format!("{} {offset}", at.id()))
}

/// A tip from its serialized form; `None` when that is damaged, or another release's.
fn deserialize(key: TipKey, bytes: &[u8]) -> Option<Tip> {
    let tip: Tip = serde_json::from_slice(bytes).ok()?;
    (sha256(&tip.text) == tip.sha256).then_some(Tip { key, ..tip })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        domain::{DatabaseId, Stop, UnixMicros, Usage},
        redis::{Listener, MacKey, RedisClient, RedisClientSettings, RedisNodes, RedisServers},
    };

    const KEY: TipKey = TipKey([7; 32]);

    fn tip() -> Tip {
        Tip {
            key: KEY,
            epoch: Epoch(1_790_000_000_000),
            text: "Sag \"Hallo\".\n👋".to_owned(),
            sha256: sha256("Sag \"Hallo\".\n👋"),
            provider: "anthropic".to_owned(),
            model: "m".to_owned(),
            stop: Stop::StopSequence,
            usage: Usage {
                input_tokens: 3,
                output_tokens: 4,
                is_estimated: true,
            },
            created_at: UnixMicros(5),
            expires_at: UnixMicros(6),
        }
    }

    /// Nothing connects to it.
    fn redis() -> TipRedis {
        let servers: RedisServers =
            RedisNodes::Single("redis://127.0.0.1:1".to_owned().into()).into();
        let timeout = std::time::Duration::from_millis(1);
        let client = RedisClient::connect(&RedisClientSettings {
            name: "test",
            servers: servers.clone(),
            timeout,
            connections: 1,
        });
        TipRedis {
            client: Arc::new(client.unwrap()),
            listener: Arc::new(Listener::new(servers, timeout)),
            database: Arc::new(|| DatabaseId(1)),
            mac: MacKey::new(&[7; 32]),
        }
    }

    #[tokio::test]
    async fn every_entry_is_read_as_it_was_written() {
        let (redis, redis_keys) = (
            redis(),
            RedisKeys {
                key: KEY,
                scope: "tip:{a}".to_owned(),
            },
        );
        let codec = FrameCodec {
            redis: &redis,
            redis_keys: &redis_keys,
            max_bytes: 1_000,
        };
        let at = Position {
            epoch: Epoch(9),
            number: 3,
        };
        assert_eq!(Position::read(&at.id()), Some(at));
        for entry in [
            StreamEntry::Begin(ResetCause::Restart),
            StreamEntry::Begin(ResetCause::Takeover),
            StreamEntry::Text {
                offset: 12,
                text: "two\nlines".to_owned(),
            },
            StreamEntry::Failed(FallbackCause::Rules),
            StreamEntry::Whole(Box::new(tip())),
        ] {
            let (kind, offset) = (entry.kind(), entry.offset().to_string());
            let sealed = codec.seal(at, &entry);
            let read = codec.frame(&at.id(), kind, &offset, &sealed);
            assert_eq!(read, Some(Frame { at, entry }));
        }
    }

    /// Replicas of another release read it.
    #[test]
    fn a_tip_is_written_as_every_release_writes_it() {
        let serde_json::Value::Object(written) = serde_json::to_value(tip()).unwrap() else {
            panic!("an object");
        };
        let names: Vec<_> = written.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "created_at",
                "epoch",
                "expires_at",
                "input_tokens",
                "is_estimated",
                "model",
                "output_tokens",
                "provider",
                "sha256",
                "stop",
                "text",
            ]
        );
        assert_eq!(written["epoch"], 1_790_000_000_000_u64);
        assert_eq!(written["stop"], "stop_sequence");
        assert_eq!(
            (&written["created_at"], &written["input_tokens"]),
            (&5.into(), &3.into())
        );
        let bytes = serde_json::to_vec(&tip()).unwrap();
        assert_eq!(deserialize(KEY, &bytes), Some(tip()));
    }

    #[test]
    fn a_tip_whose_text_was_damaged_is_not_read() {
        let written = serde_json::to_string(&tip()).unwrap();
        assert!(deserialize(KEY, written.as_bytes()).is_some());
        let damaged = written.replace("Hallo", "Hullo");
        assert!(deserialize(KEY, damaged.as_bytes()).is_none());
    }
}
