//! The cache in Redis that all replicas share: entries under their stamps, and leases to fill them.
use std::{sync::LazyLock, time::Duration};

use bb8_redis::redis::{self, Value};
use bytes::Bytes;
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use super::entry::{Content, SerializedEntry};
use crate::{
    domain::{Etag, FleetKey, Stamp},
    redis::{
        MacKey, RedisClient, RedisClientSettings, RedisClientState, RedisServers, Script,
        first_word,
    },
};

static GET: LazyLock<Script> = LazyLock::new(|| {
    let code = include_str!("lua/get.lua");
    Script::writing_when(code, |answer| first_word(answer) == Some(b"F"))
});
static PUT: LazyLock<Script> = LazyLock::new(|| {
    let code = include_str!("lua/put.lua");
    Script::writing_when(code, |answer| matches!(answer, Value::Int(1)))
});

/// How many answers "there is none" this replica gives to Redis in a second; it keeps the others for itself. Unlike
/// challenges there is no end of them.
const ABSENCES_A_SECOND: u32 = 100;

const NO_ARGUMENTS: &[&str] = &[];
/// How long an entry is kept that was written to find out whether it is.
const TRIAL_LIFE: Duration = Duration::from_secs(1);
/// How many random names are tried to find one that lies in a given part of a cluster.
const TRIES_A_PART: usize = 256;

/// How to reach the shared cache.
#[derive(Clone, Debug)]
pub struct SharedSettings {
    /// Where it is.
    pub servers: RedisServers,
    /// No caller waits longer than this for one command.
    pub timeout: Duration,
    /// Connections; each carries the commands of many tasks at once.
    pub connections: u32,
    /// How long one replica may take to fill an entry before another tries.
    pub lease: Duration,
    /// Tells entries of the fleet from what others left there.
    pub key: FleetKey,
}

/// The cache that the replicas share. Losing it, or what it holds, costs misses only.
pub struct SharedCache {
    client: RedisClient,
    lease: Duration,
    mac: MacKey,
    absences: AbsenceLimit,
}

/// What a look into the shared cache gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SharedLookup {
    /// An entry at or above the floor, and how long Redis will still keep it.
    Hit(SerializedEntry, Duration),
    /// None: fill it, the lease is yours. What lies there, and for how long still, may do as a stale answer.
    Fill {
        lease: FillLease,
        stale: Option<(SerializedEntry, Duration)>,
    },
    /// No entry: another replica fills it, for at most `at_most`.
    Wait {
        at_most: Duration,
        stale: Option<(SerializedEntry, Duration)>,
    },
    /// The shared cache did not answer.
    Unavailable,
}

/// The right to fill one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FillLease(Uuid);

impl SharedCache {
    /// Reads the URL and makes the pool. Connecting is left to its first users:
    /// a Redis that is away must not keep the service from starting.
    ///
    /// # Errors
    ///
    /// A sentence when the URL is not one.
    pub fn connect(settings: &SharedSettings) -> Result<Self, String> {
        let client = RedisClient::connect(&RedisClientSettings {
            name: "shared cache",
            servers: settings.servers.clone(),
            timeout: settings.timeout,
            connections: settings.connections,
        })?;
        Ok(Self {
            client,
            lease: settings.lease,
            mac: MacKey::new(settings.key.bytes()),
            absences: AbsenceLimit::default(),
        })
    }

    /// How long one replica may take to fill an entry.
    pub(super) const fn lease(&self) -> Duration {
        self.lease
    }

    /// Whether Redis may have one more answer "there is none".
    pub(super) fn admits_absence(&self) -> bool {
        self.absences.admits()
    }

    /// Whether a read or write breaker is open.
    #[must_use]
    pub fn is_bypassed(&self) -> bool {
        self.client.has_open_breaker()
    }

    /// Breaker states and counters of the connections.
    #[must_use]
    pub fn redis_state(&self) -> RedisClientState {
        self.client.state()
    }

    /// The same cache for health checks: its breakers refuse none of their commands.
    fn trial(&self) -> Self {
        Self {
            client: self.client.for_health_check(),
            lease: self.lease,
            mac: self.mac.clone(),
            absences: AbsenceLimit::default(),
        }
    }

    /// The latency of reading a missing key; `None` if any part did not answer in time.
    pub async fn try_reads(&self) -> Option<Duration> {
        let (trial, started) = (self.trial(), Instant::now());
        let look = async |key: String| Some(trial.look(&key).await.map(drop)?);
        let looks = join_all(self.trial_keys().iter().map(|key| look(key.clone()))).await;
        let is_answered = looks.iter().all(Option::is_some);
        self.client.log_recovery();
        is_answered.then(|| started.elapsed())
    }

    /// Whether it takes what fills write: a lease, an entry, and its end.
    pub async fn try_writes(&self) -> bool {
        let trial = self.trial();
        let fill = async |key: String| match trial.get_or_lease(&key, Stamp::MAX).await {
            SharedLookup::Fill { lease, .. } => {
                let entry = SerializedEntry {
                    stamp: Stamp::default(),
                    etag: Etag([0; 8]),
                    life: Duration::ZERO,
                    content: Content::Nothing,
                };
                let put = trial.put(&key, &lease, &entry, TRIAL_LIFE).await;
                let removed = trial.client.write("DEL", &key, NO_ARGUMENTS).await;
                put && removed.is_some()
            }
            SharedLookup::Hit(..) | SharedLookup::Wait { .. } => true,
            SharedLookup::Unavailable => false,
        };
        let fills = join_all(self.trial_keys().into_iter().map(fill)).await;
        self.client.log_recovery();
        fills.into_iter().all(|is_taken| is_taken)
    }

    /// Unused keys for health checks: one, and one for each part while a breaker is open.
    fn trial_keys(&self) -> Vec<String> {
        let any = || format!("catalog:try:{{{}}}", Uuid::new_v4());
        let in_parts = self.client.ranges_to_probe().filter_map(|part| {
            let mut keys = std::iter::repeat_with(any).take(TRIES_A_PART);
            keys.find(|key| self.client.is_in_range(part, key))
        });
        std::iter::once(any()).chain(in_parts).collect()
    }

    /// The bytes of memory that Redis uses, and the most that it may use (0 for
    /// no limit); of a cluster, all nodes together. `None` when it does not tell.
    pub async fn memory(&self) -> Option<(u64, u64)> {
        let answer = self.client.info("memory").await?;
        if let Value::Map(nodes) = answer {
            let of_nodes = nodes.into_iter().filter_map(|(_, node)| memory_of(node));
            Some(of_nodes.fold((0, 0), |sum, node| (sum.0 + node.0, sum.1 + node.1)))
        } else {
            memory_of(answer)
        }
    }

    /// Looks `key` up, for an entry at or above `floor`.
    ///
    /// A hit takes two plain commands: through a script, which may also take the lease, it costs
    /// Redis several times as much.
    pub(super) async fn get(&self, key: &str, floor: Stamp) -> SharedLookup {
        let answers = self.look(key).await;
        match answers.map(|answers| self.found(key, answers)) {
            Some(Some((serialized, ttl))) if serialized.stamp >= floor => {
                SharedLookup::Hit(serialized, ttl)
            }
            Some(_) => self.get_or_lease(key, floor).await,
            None => SharedLookup::Unavailable,
        }
    }

    async fn look(&self, key: &str) -> Option<Vec<Value>> {
        // The time to live first: if a newer entry comes in between, it is taken for older than it is.
        let mut look = redis::pipe();
        look.cmd("PTTL").arg(key);
        look.cmd("GETRANGE")
            .arg(key)
            .arg(0)
            .arg(SerializedEntry::MAX_BYTES);
        self.client.read_all(key, look).await
    }

    /// Looks `key` up and takes the lease if it is to be filled; see `lua/get.lua`.
    pub(super) async fn get_or_lease(&self, key: &str, floor: Stamp) -> SharedLookup {
        for _ in 0..2 {
            let lease = FillLease(Uuid::new_v4());
            let arguments = [
                floor.to_string().into_bytes(),
                lease.0.as_bytes().to_vec(),
                self.lease.as_millis().to_string().into_bytes(),
                SerializedEntry::MAX_BYTES.to_string().into_bytes(),
            ];
            let answer = self.client.eval(&GET, &with_lease(key), &arguments).await;
            let Some(answer) = answer else { break };
            if let Some(lookup) = self.lookup(key, answer, lease) {
                return lookup;
            }
            // Another program's value, which looks newer than ours: delete it.
            self.client.write("DEL", key, NO_ARGUMENTS).await;
        }
        SharedLookup::Unavailable
    }

    /// Keeps an entry for `ttl` unless a newer one is there, and gives the lease back. Tells whether Redis answered.
    pub(super) async fn put(
        &self,
        key: &str,
        lease: &FillLease,
        entry: &SerializedEntry,
        ttl: Duration,
    ) -> bool {
        let ttl_ms = ttl.as_millis().max(1);
        let entry = entry.to_bytes(key, &self.mac);
        self.settle(key, lease, ttl_ms, entry).await
    }

    /// Gives the lease back without an entry.
    pub(super) async fn release(&self, key: &str, lease: &FillLease) {
        self.settle(key, lease, 0, Vec::new()).await;
    }

    async fn settle(&self, key: &str, lease: &FillLease, ttl_ms: u128, entry: Vec<u8>) -> bool {
        let token = lease.0.as_bytes().to_vec();
        let arguments = [token, ttl_ms.to_string().into_bytes(), entry];
        // Whether it was kept is no matter: an entry that lost to a newer one is not missed.
        let settled = self.client.eval(&PUT, &with_lease(key), &arguments).await;
        settled.is_some()
    }

    /// Reads what PTTL and GETRANGE returned; `None` when there is no entry.
    fn found(&self, key: &str, answers: Vec<Value>) -> Option<(SerializedEntry, Duration)> {
        let [Value::Int(ttl_ms), entry] = <[Value; 2]>::try_from(answers).ok()? else {
            return None;
        };
        let entry = bytes(entry)?;
        // Our entries always have a time to live and a body. PTTL is -2 for a key that does not exist.
        let serialized = SerializedEntry::read(&entry, key, &self.mac).filter(|_| ttl_ms >= 0);
        if serialized.is_none() && ttl_ms != -2 {
            self.client.count_foreign_entry(key);
        }
        Some((serialized?, millis(ttl_ms)))
    }

    /// Reads what `lua/get.lua` returned; `None` for an entry that is not ours, and for anything else.
    fn lookup(&self, key: &str, answer: Value, lease: FillLease) -> Option<SharedLookup> {
        let Value::Array(parts) = answer else {
            return None;
        };
        let mut parts = parts.into_iter();
        let kind = bytes(parts.next()?)?;
        let entry = parts.next().and_then(bytes);
        let entry = entry.and_then(|entry| SerializedEntry::read(&entry, key, &self.mac));
        let mut times = parts.map(|part| {
            if let Value::Int(time) = part {
                millis(time)
            } else {
                Duration::ZERO
            }
        });
        let ttl = times.next().unwrap_or_default();
        let kept = entry.map(|entry| (entry, ttl));
        match kind.as_ref() {
            b"H" => kept.map(|(entry, ttl)| SharedLookup::Hit(entry, ttl)),
            b"F" => Some(SharedLookup::Fill { lease, stale: kept }),
            b"W" => Some(SharedLookup::Wait {
                at_most: times.next().unwrap_or_default(),
                stale: kept,
            }),
            _ => None,
        }
    }
}

/// Bounds how many answers "there is none" Redis gets in a second.
#[derive(Debug, Default)]
struct AbsenceLimit(Mutex<Option<(Instant, u32)>>);

impl AbsenceLimit {
    fn admits(&self) -> bool {
        let now = Instant::now();
        let mut second = self.0.lock();
        let current = second.filter(|(began, _)| now.duration_since(*began).as_secs() < 1);
        let (began, given) = current.unwrap_or((now, 0));
        let admits = given < ABSENCES_A_SECOND;
        *second = Some((began, given + u32::from(admits)));
        admits
    }
}

/// The entry of this key, and its lease.
fn with_lease(key: &str) -> [String; 2] {
    [key.to_owned(), format!("{key}:lease")]
}

fn memory_of(info: Value) -> Option<(u64, u64)> {
    let text: String = redis::from_redis_value(info).ok()?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.strip_prefix(':')?.trim().parse().ok()
    };
    Some((field("used_memory")?, field("maxmemory").unwrap_or(0)))
}

/// A time that Redis told; none when it is negative, which has meanings of its own.
fn millis(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

fn bytes(value: Value) -> Option<Bytes> {
    if let Value::BulkString(bytes) = value {
        Some(bytes.into())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_second_has_a_hundred_absences_and_the_next_one_as_many() {
        let limit = AbsenceLimit::default();
        for _ in 0..2 {
            let admitted = (0..500).filter(|_| limit.admits()).count();
            assert_eq!(admitted, 100);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
    }
}
