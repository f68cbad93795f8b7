//! The replicas that write tips together by way of Redis: roles, leases, and the stream of entries.
use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use bb8_redis::redis::{FromRedisValue, Value};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    TipRedis,
    frame::{Entry, Frame, Position},
    policy::ContentPolicy,
    redis_keys::RedisKeys,
};
use crate::{
    domain::{Epoch, FallbackCause, Tip, TipKey},
    redis::{Channel, Link, Script, first_word},
};

static JOIN: LazyLock<Script> = LazyLock::new(|| {
    let code = include_str!("lua/join.lua");
    Script::writing_when(code, |answer| first_word(answer) == Some(b"L"))
});
static APPEND: LazyLock<Script> = LazyLock::new(|| {
    let code = include_str!("lua/append.lua");
    Script::writing_when(code, |answer| first_word(answer) == Some(b"K"))
});
static CLOSE: LazyLock<Script> = LazyLock::new(|| {
    let code = include_str!("lua/close.lua");
    Script::writing_when(code, |answer| first_word(answer) == Some(b"K"))
});
static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    let code = include_str!("lua/release.lua");
    Script::writing_when(code, |answer| matches!(answer, Value::Int(1)))
});
static TAIL: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/tail.lua")));

/// A leader that was not heard of for so long is lost.
pub(super) const LEASE: Duration = Duration::from_secs(3);
/// A log without an end is kept so long, and one with an end so long after it.
const LOG_LIFE: Duration = Duration::from_mins(2);
/// A replica that follows says so at least this often.
const FOLLOWER_LIFE: Duration = Duration::from_secs(3);
/// A tip that lost more leaders in a minute is left alone.
const TAKEOVERS_A_MINUTE: u32 = 2;
/// So many entries are read at once.
const BATCH: usize = 500;
/// No epoch is as high, and a Lua number still holds it.
pub(super) const NO_EPOCH: Epoch = Epoch(1 << 53);
/// No tip with what belongs to it is longer, nor is a failure.
const DONE_MAX_BYTES: u64 = 256 << 10;
const NO_ARGUMENTS: &[&str] = &[];

/// The replicas that write tips together, by way of Redis: who leads, and what was written.
///
/// A stream holds the truth, and messages hurry it along. Its ids are `<epoch>-<number>`; Redis
/// takes no id below the last one, so the first entry of an epoch shuts out all earlier leaders.
pub(super) struct TipCluster {
    pub(super) redis: Arc<TipRedis>,
    /// Names this replica.
    node: String,
    /// No tip is longer.
    pub(super) max_bytes: usize,
}

/// The right to write, as long as it is renewed.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    owner: String,
    pub(super) epoch: Epoch,
    /// When it was asked for.
    pub(super) asked: Instant,
}

/// What a replica is to a tip.
#[derive(Debug)]
pub(super) enum Role {
    Done(Box<Tip>),
    Recent(FallbackCause),
    Follow,
    /// It lost too many leaders.
    Poisoned,
    Lead(Lease),
}

/// What an attempt to take part came to.
enum Joined {
    As(Role),
    /// Something in the place of our key of this name that no replica of the fleet wrote.
    Found(&'static str),
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AppendResult {
    /// It stands, and so many other replicas follow.
    Yes { followers: usize },
    /// There is a newer leader.
    Lost,
    /// Redis forgot the log.
    Gone,
}

/// What there is after a position.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) has_leader: bool,
    pub(super) frames: Vec<Frame>,
}

impl TipCluster {
    pub(super) fn new(redis: Arc<TipRedis>, max_bytes: usize) -> Self {
        Self {
            redis,
            max_bytes,
            node: Uuid::new_v4().simple().to_string(),
        }
    }

    /// The way to Redis.
    pub(super) fn link(&self) -> &Link {
        &self.redis.link
    }

    /// The names for a tip of the database that is read now.
    pub(super) fn keys_of(&self, key: TipKey) -> RedisKeys {
        let tag: String = key.to_string().chars().take(32).collect();
        RedisKeys {
            key,
            scope: self.redis.name(format_args!("{{{tag}}}")),
        }
    }

    /// The keys of a tip; those of one that no cluster shares have no scope.
    pub(super) fn keys_in(cluster: Option<&Self>, key: TipKey) -> RedisKeys {
        let scope = String::new();
        cluster.map_or(RedisKeys { key, scope }, |cluster| cluster.keys_of(key))
    }

    /// For what is read of a tip as it is written.
    pub(super) fn policy(&self) -> ContentPolicy {
        ContentPolicy::new(self.max_bytes)
    }

    /// Finds out who writes the tip, and takes the lease when nobody does. A finished tip of
    /// an epoch below `floor` will not do. `None` when Redis does not answer.
    pub(super) async fn join(&self, redis_keys: &RedisKeys, floor: Epoch) -> Option<Role> {
        for _ in 0..3 {
            match self.ask_to_join(redis_keys, floor).await? {
                Joined::As(part) => return Some(part),
                // Somebody else's: it would be found again and again.
                Joined::Found(name) => {
                    let name = redis_keys.one(name);
                    self.redis.link.note_foreign_entry(&name);
                    self.redis.link.change("DEL", &name, NO_ARGUMENTS).await?;
                }
            }
        }
        None
    }

    async fn ask_to_join(&self, redis_keys: &RedisKeys, floor: Epoch) -> Option<Joined> {
        let keys = redis_keys.all(["lease", "ep", "log", "done", "neg", "att", "subs"], true);
        let owner = format!("{}:{}", self.node, Uuid::new_v4().simple());
        let asked = Instant::now();
        let arguments = [
            owner.clone().into_bytes(),
            millis(LEASE),
            millis(LOG_LIFE),
            number(floor.0),
            number(TAKEOVERS_A_MINUTE.into()),
            self.publish(),
            number(DONE_MAX_BYTES),
        ];
        let answer = self.redis.link.eval(&JOIN, &keys, &arguments).await?;
        if has_strangers(&answer) {
            self.redis.link.note_foreign_entry(&redis_keys.scope);
        }
        let (kind, word) = word_and(answer)?;
        let word = || word.and_then(|word| Vec::<u8>::from_redis_value(word).ok());
        Some(Joined::As(match kind.as_str() {
            "H" => match self.tip(redis_keys, &word()?) {
                Some(tip) => Role::Done(Box::new(tip)),
                None => return Some(Joined::Found("done")),
            },
            "N" => match self.cause(redis_keys, &word()?) {
                Some(cause) => Role::Recent(cause),
                None => return Some(Joined::Found("neg")),
            },
            "F" => Role::Follow,
            "P" => Role::Poisoned,
            "L" => {
                let epoch = String::from_utf8(word()?).ok()?.parse().ok()?;
                let epoch = Epoch(epoch);
                Role::Lead(Lease {
                    owner,
                    epoch,
                    asked,
                })
            }
            _ => return None,
        }))
    }

    /// What Redis has in the place of a finished tip; empty for nothing.
    pub(super) async fn look(&self, redis_keys: &RedisKeys) -> Option<Vec<u8>> {
        let (name, range) = (redis_keys.one("done"), [0, DONE_MAX_BYTES]);
        let answer = self.redis.link.ask("GETRANGE", &name, &range).await?;
        Vec::<u8>::from_redis_value(answer).ok()
    }

    /// The finished tip, if Redis has it.
    pub(super) async fn done(&self, redis_keys: &RedisKeys) -> Option<Tip> {
        let done = self.look(redis_keys).await?;
        let epoch_ends = done.iter().position(|byte| *byte == b' ')?;
        self.tip(redis_keys, done.get(epoch_ends + 1..)?)
    }

    /// Adds an entry, or only renews the lease. `None` when Redis does not answer: then the entry
    /// may stand or not, and the same one may be sent again.
    pub(super) async fn append(
        &self,
        redis_keys: &RedisKeys,
        lease: &Lease,
        epoch: Epoch,
        entry: Option<(u64, &Entry)>,
    ) -> Option<AppendResult> {
        let keys = redis_keys.all(["lease", "log", "ep", "subs"], true);
        let mut arguments = vec![
            lease.owner.clone().into_bytes(),
            millis(LEASE),
            millis(LOG_LIFE),
            self.publish(),
            number(epoch.0),
        ];
        match entry {
            Some((at, entry)) => arguments.extend([
                number(at),
                entry.kind().into(),
                number(entry.offset()),
                self.seal(redis_keys, Position { epoch, number: at }, entry),
            ]),
            None => arguments.extend([const { Vec::new() }; 4]),
        }
        let answer = self.redis.link.eval(&APPEND, &keys, &arguments).await?;
        let (kind, followers) = word_and(answer)?;
        let followers = followers.and_then(|count| usize::from_redis_value(count).ok());
        kept(&kind, followers.unwrap_or(0))
    }

    /// Ends the generation for the fleet; what ended it is kept for so long.
    pub(super) async fn close(
        &self,
        redis_keys: &RedisKeys,
        lease: &Lease,
        at: Position,
        end: &Entry,
        keep: Duration,
    ) -> Option<AppendResult> {
        let keys = redis_keys.all(["lease", "log", "ep", "done", "neg"], true);
        let arguments = [
            lease.owner.clone().into_bytes(),
            number(at.epoch.0),
            number(at.number),
            end.kind().into(),
            self.seal(redis_keys, at, end),
            millis(keep),
            millis(LOG_LIFE),
            self.publish(),
        ];
        let answer = self.redis.link.eval(&CLOSE, &keys, &arguments).await?;
        kept(&word_and(answer)?.0, 0)
    }

    /// Gives the lease back, so that a follower may go on at once. Without an answer it runs out by itself.
    pub(super) async fn release(&self, redis_keys: &RedisKeys, lease: &Lease) -> Option<Value> {
        let keys = redis_keys.all(["lease", "att"], true);
        let arguments = [lease.owner.clone().into_bytes(), self.publish()];
        self.redis.link.eval(&RELEASE, &keys, &arguments).await
    }

    /// What follows `from`, the beginning for `None`; and tells that this replica follows.
    pub(super) async fn tail(
        &self,
        redis_keys: &RedisKeys,
        from: Option<Position>,
    ) -> Option<Tail> {
        let keys = redis_keys.all(["lease", "log", "subs"], false);
        let arguments = [
            self.node.clone().into_bytes(),
            millis(FOLLOWER_LIFE),
            from.map(|from| from.id().into_bytes()).unwrap_or_default(),
            number(BATCH as u64),
            millis(LEASE),
        ];
        let answer = self.redis.link.eval(&TAIL, &keys, &arguments).await?;
        let (has_leader, entries) = <(bool, Vec<Value>)>::from_redis_value(answer).ok()?;
        let frames = entries.into_iter().map(|entry| {
            let frame = self.read_entry(redis_keys, entry);
            if frame.is_none() {
                self.redis.link.note_foreign_entry(&redis_keys.one("log"));
            }
            frame
        });
        Some(Tail {
            has_leader,
            // What is not ours is passed over: text that goes on behind it does not fit any more.
            frames: frames.flatten().collect(),
        })
    }

    /// Tells that this replica follows no more.
    /// Without an answer it is forgotten after a while.
    pub(super) async fn leave(&self, redis_keys: &RedisKeys) -> Option<Value> {
        let link = &self.redis.link;
        link.change("ZREM", &redis_keys.one("subs"), &[&self.node])
            .await
    }

    /// Messages about the tip. They are hints; see [`crate::redis::Listener`].
    pub(super) fn hints(&self, redis_keys: &RedisKeys) -> Channel {
        self.redis.listener.open(&redis_keys.one("w"))
    }

    fn publish(&self) -> Vec<u8> {
        self.redis.link.publish_command().into()
    }
}

fn number(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

fn millis(duration: Duration) -> Vec<u8> {
    duration.as_millis().to_string().into_bytes()
}

fn kept(kind: &str, followers: usize) -> Option<AppendResult> {
    match kind {
        "K" | "R" => Some(AppendResult::Yes { followers }),
        "L" => Some(AppendResult::Lost),
        "G" => Some(AppendResult::Gone),
        _ => None,
    }
}

/// Whether an answer ends with a count of what others had left.
fn has_strangers(answer: &Value) -> bool {
    if let Value::Array(parts) = answer
        && let Some(Value::Int(count)) = parts.get(2)
    {
        return *count > 0;
    }
    false
}

/// The word that an answer begins with, and what follows it.
fn word_and(answer: Value) -> Option<(String, Option<Value>)> {
    let Value::Array(parts) = answer else {
        return None;
    };
    let mut parts = parts.into_iter();
    let word = String::from_redis_value(parts.next()?).ok()?;
    Some((word, parts.next()))
}
