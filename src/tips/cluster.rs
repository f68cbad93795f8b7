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
    frame::{Frame, FrameCodec, Position, StreamEntry},
    policy::ContentPolicy,
    tip_redis::RedisKeys,
};
use crate::{
    domain::{Epoch, FallbackCause, Tip, TipKey},
    redis::{Channel, RedisClient, Script, first_word},
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

/// How long a lease lasts without a renewal; then its leader counts as lost.
pub(super) const LEASE: Duration = Duration::from_secs(3);
/// How long Redis keeps a stream after its last entry.
const LOG_LIFE: Duration = Duration::from_mins(2);
/// How long a replica counts as a follower after it last read the stream.
const FOLLOWER_LIFE: Duration = Duration::from_secs(3);
/// How many leaders of one tip may be lost in a minute before no replica tries it.
const TAKEOVERS_A_MINUTE: u32 = 2;
/// How many entries one command reads at most.
const BATCH: usize = 500;
/// No tip with what belongs to it is longer, nor is a failure.
const DONE_MAX_BYTES: u64 = 256 << 10;
const NO_ARGUMENTS: &[&str] = &[];

/// The replicas that write tips together, by way of Redis.
pub(super) struct TipCluster {
    redis: Arc<TipRedis>,
    /// Names this replica.
    node: Arc<str>,
    /// No tip is longer.
    max_bytes: usize,
}

/// One tip in Redis: who leads, and what was written.
///
/// A stream holds the truth, and messages only announce it sooner. Its ids are `<epoch>-<number>`; Redis
/// takes no id below the last one, so the first entry of an epoch shuts out all earlier leaders.
pub(super) struct ClusterTip {
    pub(super) redis: Arc<TipRedis>,
    pub(super) redis_keys: RedisKeys,
    node: Arc<str>,
    max_bytes: usize,
}

/// The right to write a tip, as long as it is renewed.
#[derive(Clone, Debug)]
pub(super) struct LeaderLease {
    owner: String,
    pub(super) epoch: Epoch,
    /// When the request for it was sent.
    pub(super) requested_at: Instant,
}

/// What this replica has to do for a tip, as [`ClusterTip::join`] found out.
#[derive(Debug)]
pub(super) enum JoinOutcome {
    /// Redis has the finished tip.
    Done(Box<Tip>),
    /// A generation failed lately, for this cause.
    Recent(FallbackCause),
    /// Another replica writes it.
    Follow,
    /// Too many replicas died while they wrote this tip; none tries it for a minute.
    TooManyTakeovers,
    /// This replica has the lease to write it.
    Lead(LeaderLease),
}

/// The result of one attempt to join.
enum JoinAttempt {
    Joined(JoinOutcome),
    /// Under our key of this name is an entry that no replica of the fleet wrote.
    ForeignEntry(&'static str),
}

/// The result of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AppendResult {
    /// The entry is in the stream; `followers` other replicas read it.
    Yes { followers: usize },
    /// There is a newer leader.
    Lost,
    /// Redis lost the stream.
    Gone,
}

/// The entries after a position.
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
            node: Uuid::new_v4().simple().to_string().into(),
        }
    }

    pub(super) fn client(&self) -> &RedisClient {
        &self.redis.client
    }

    /// The same for a health check: commands are sent even while a breaker is open.
    pub(super) fn for_health_check(&self) -> Self {
        Self::new(Arc::new(self.redis.for_health_check()), self.max_bytes)
    }

    /// The tip of this key, in the database that is read now.
    pub(super) fn tip(&self, key: TipKey) -> ClusterTip {
        ClusterTip {
            redis: Arc::clone(&self.redis),
            redis_keys: self.redis.keys_of(key),
            node: Arc::clone(&self.node),
            max_bytes: self.max_bytes,
        }
    }
}

impl ClusterTip {
    /// A policy for the text of one epoch.
    pub(super) fn policy(&self) -> ContentPolicy {
        ContentPolicy::new(self.max_bytes)
    }

    /// Reads and writes the entries of this tip.
    pub(super) fn codec(&self) -> FrameCodec<'_> {
        FrameCodec {
            redis: &self.redis,
            redis_keys: &self.redis_keys,
            max_bytes: self.max_bytes,
        }
    }

    /// Finds out which replica writes the tip, and takes the lease when none does. A finished tip of
    /// an epoch below `floor` will not do. `None` when Redis does not answer.
    pub(super) async fn join(&self, floor: Epoch) -> Option<JoinOutcome> {
        for _ in 0..3 {
            match self.try_join(floor).await? {
                JoinAttempt::Joined(outcome) => return Some(outcome),
                // Another program's entry would be found again and again.
                JoinAttempt::ForeignEntry(name) => {
                    let name = self.redis_keys.one(name);
                    self.redis.client.count_foreign_entry(&name);
                    self.redis.client.write("DEL", &name, NO_ARGUMENTS).await?;
                }
            }
        }
        None
    }

    async fn try_join(&self, floor: Epoch) -> Option<JoinAttempt> {
        let names = ["lease", "ep", "log", "done", "neg", "att", "subs", "w"];
        let owner = format!("{}:{}", self.node, Uuid::new_v4().simple());
        let requested_at = Instant::now();
        let arguments = [
            owner.clone().into_bytes(),
            millis(LEASE),
            millis(LOG_LIFE),
            number(floor.0),
            number(TAKEOVERS_A_MINUTE.into()),
            self.publish(),
            number(DONE_MAX_BYTES),
        ];
        let answer = self.eval(&JOIN, &names, &arguments).await?;
        if has_foreign_entries(&answer) {
            let scope = &self.redis_keys.scope;
            self.redis.client.count_foreign_entry(scope);
        }
        let (kind, detail) = split_answer(answer)?;
        let detail = || detail.and_then(|detail| Vec::<u8>::from_redis_value(detail).ok());
        Some(JoinAttempt::Joined(match kind.as_str() {
            "H" => match self.codec().tip(&detail()?) {
                Some(tip) => JoinOutcome::Done(Box::new(tip)),
                None => return Some(JoinAttempt::ForeignEntry("done")),
            },
            "N" => match self.codec().cause(&detail()?) {
                Some(cause) => JoinOutcome::Recent(cause),
                None => return Some(JoinAttempt::ForeignEntry("neg")),
            },
            "F" => JoinOutcome::Follow,
            "P" => JoinOutcome::TooManyTakeovers,
            "L" => JoinOutcome::Lead(LeaderLease {
                owner,
                epoch: Epoch(String::from_utf8(detail()?).ok()?.parse().ok()?),
                requested_at,
            }),
            _ => return None,
        }))
    }

    /// The value under the key of the finished tip; empty for none.
    pub(super) async fn read_done(&self) -> Option<Vec<u8>> {
        let (name, range) = (self.redis_keys.one("done"), [0, DONE_MAX_BYTES]);
        let answer = self.redis.client.read("GETRANGE", &name, &range).await?;
        Vec::<u8>::from_redis_value(answer).ok()
    }

    /// The finished tip, if Redis has it.
    pub(super) async fn done(&self) -> Option<Tip> {
        let done = self.read_done().await?;
        let epoch_ends = done.iter().position(|byte| *byte == b' ')?;
        self.codec().tip(done.get(epoch_ends + 1..)?)
    }

    /// Adds an entry, or only renews the lease. `None` when Redis does not answer: then the outcome
    /// is unknown, and the same entry may be sent again.
    pub(super) async fn append(
        &self,
        lease: &LeaderLease,
        epoch: Epoch,
        entry: Option<(u64, &StreamEntry)>,
    ) -> Option<AppendResult> {
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
                self.codec().seal(Position { epoch, number: at }, entry),
            ]),
            None => arguments.extend([const { Vec::new() }; 4]),
        }
        let names = ["lease", "log", "ep", "subs", "w"];
        let answer = self.eval(&APPEND, &names, &arguments).await?;
        let (kind, followers) = split_answer(answer)?;
        let followers = followers.and_then(|count| usize::from_redis_value(count).ok());
        append_result(&kind, followers.unwrap_or(0))
    }

    /// Ends the generation for the fleet; what ended it is kept for `keep`.
    pub(super) async fn close(
        &self,
        lease: &LeaderLease,
        at: Position,
        end: &StreamEntry,
        keep: Duration,
    ) -> Option<AppendResult> {
        let arguments = [
            lease.owner.clone().into_bytes(),
            number(at.epoch.0),
            number(at.number),
            end.kind().into(),
            self.codec().seal(at, end),
            millis(keep),
            millis(LOG_LIFE),
            self.publish(),
        ];
        let names = ["lease", "log", "ep", "done", "neg", "w"];
        let answer = self.eval(&CLOSE, &names, &arguments).await?;
        append_result(&split_answer(answer)?.0, 0)
    }

    /// Gives the lease back, so that a follower may go on at once. Without an answer it expires.
    pub(super) async fn release(&self, lease: &LeaderLease) -> Option<Value> {
        let arguments = [lease.owner.clone().into_bytes(), self.publish()];
        self.eval(&RELEASE, &["lease", "att", "w"], &arguments)
            .await
    }

    /// The entries after `from`, all for `None`. Reports that this replica follows.
    pub(super) async fn tail(&self, from: Option<Position>) -> Option<Tail> {
        let arguments = [
            self.node.as_bytes().to_vec(),
            millis(FOLLOWER_LIFE),
            from.map(|from| from.id().into_bytes()).unwrap_or_default(),
            number(BATCH as u64),
            millis(LEASE),
        ];
        let names = ["lease", "log", "subs"];
        let answer = self.eval(&TAIL, &names, &arguments).await?;
        let (has_leader, entries) = <(bool, Vec<Value>)>::from_redis_value(answer).ok()?;
        let frames = entries.into_iter().map(|entry| {
            let frame = self.codec().read_entry(entry);
            if frame.is_none() {
                let log = self.redis_keys.one("log");
                self.redis.client.count_foreign_entry(&log);
            }
            frame
        });
        Some(Tail {
            has_leader,
            // Entries of other programs are skipped: text that goes on behind them does not fit any more.
            frames: frames.flatten().collect(),
        })
    }

    /// Reports that this replica follows no more. Without an answer its entry expires.
    pub(super) async fn stop_following(&self) -> Option<Value> {
        let (client, followers) = (&self.redis.client, self.redis_keys.one("subs"));
        client.write("ZREM", &followers, &[&*self.node]).await
    }

    /// Subscribes to messages about the tip. Some may be lost; see [`crate::redis::Listener`].
    pub(super) fn subscribe(&self) -> Channel {
        self.redis.listener.open(&self.redis_keys.one("w"))
    }

    async fn eval(&self, script: &Script, names: &[&str], arguments: &[Vec<u8>]) -> Option<Value> {
        let keys = self.redis_keys.all(names);
        self.redis.client.eval(script, &keys, arguments).await
    }

    fn publish(&self) -> Vec<u8> {
        self.redis.client.publish_command().into()
    }
}

fn number(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

fn millis(duration: Duration) -> Vec<u8> {
    duration.as_millis().to_string().into_bytes()
}

fn append_result(kind: &str, followers: usize) -> Option<AppendResult> {
    match kind {
        "K" | "R" => Some(AppendResult::Yes { followers }),
        "L" => Some(AppendResult::Lost),
        "G" => Some(AppendResult::Gone),
        _ => None,
    }
}

/// Whether an answer ends with a count of entries that other programs left.
fn has_foreign_entries(answer: &Value) -> bool {
    if let Value::Array(parts) = answer
        && let Some(Value::Int(count)) = parts.get(2)
    {
        return *count > 0;
    }
    false
}

/// The letter that an answer begins with, and what follows it.
fn split_answer(answer: Value) -> Option<(String, Option<Value>)> {
    let Value::Array(parts) = answer else {
        return None;
    };
    let mut parts = parts.into_iter();
    let kind = String::from_redis_value(parts.next()?).ok()?;
    Some((kind, parts.next()))
}
