//! The status of a replica's caches, and the port that reports it.
use std::time::Duration;

use async_trait::async_trait;

use super::{Tag, UnixMicros, Version};

/// What a replica can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheMode {
    /// All is well.
    Normal,
    /// Redis does not answer, there is none, or operators switched it off.
    RedisBypassed,
    /// The database does not answer, or cannot be read; copies are served, marked stale.
    DatabaseLost,
}

/// The status of one replica's caches. Counts are since its start.
#[derive(Clone, Debug, PartialEq)]
pub struct CacheStatus {
    /// When this was so.
    pub at: UnixMicros,
    /// When the replica started.
    pub started_at: UnixMicros,
    /// The newest version that it applied.
    pub version: Version,
    /// How long ago it last confirmed that it knows everything.
    pub confirmation_age: Option<Duration>,
    /// What it can do.
    pub mode: CacheMode,
    /// Its near cache.
    pub near: NearStatus,
    /// The cache in Redis, where there is one.
    pub shared: Option<SharedStatus>,
    /// The database.
    pub database: DatabaseStatus,
    /// Answers from a cache by all answers.
    pub hit_ratio: HitRatio,
    /// How long hits took, since the start.
    pub hit_latency: Latency,
    /// How long loads took, since the start.
    pub load_latency: Latency,
    /// How long hits took over the last minute.
    pub hit_latency_1m: Latency,
    /// How long loads took over the last minute.
    pub load_latency_1m: Latency,
    /// Answers that were marked stale.
    pub stale_answers: u64,
    /// Entries that were read again to be checked.
    pub audit_checked: u64,
    /// Entries that were called valid and differed from the database.
    pub audit_violations: u64,
    /// The last error of a dependency, without secrets; empty when there was none.
    pub last_error: String,
}

/// The near cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NearStatus {
    /// How many entries it has.
    pub entries: u64,
    /// How many bytes they take.
    pub bytes: u64,
    /// How many bytes they may take.
    pub capacity_bytes: u64,
    /// Answers from it.
    pub hits: u64,
    /// Misses because it had nothing.
    pub misses_absent: u64,
    /// Misses because the entry's time was over.
    pub misses_expired: u64,
    /// Misses because the catalog had changed.
    pub misses_changed: u64,
    /// Misses because the entry was not confirmed lately, while stale answers are switched off.
    pub misses_unconfirmed: u64,
    /// Entries that were pushed out for want of room.
    pub evictions: u64,
    /// Entries that were loaded again before their time was over.
    pub early_refreshes: u64,
}

/// The shared cache, as one replica sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SharedStatus {
    /// Whether it answers.
    pub available: bool,
    /// Loads that it answered.
    pub hits: u64,
    /// Loads that it could not answer.
    pub misses: u64,
    /// Commands that failed or took too long.
    pub errors: u64,
    /// Leases that this replica got.
    pub leases: u64,
    /// Times this replica waited for another one's fill.
    pub lease_waits: u64,
    /// How long a ping takes; `None` when it does not answer.
    pub ping: Option<Duration>,
    /// The memory that Redis uses; 0 when unknown.
    pub used_memory_bytes: u64,
    /// The memory that Redis may use; 0 for no limit, or when unknown.
    pub max_memory_bytes: u64,
}

/// The database, as one replica sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatabaseStatus {
    /// Whether the last poll was answered, and reads work.
    pub available: bool,
    /// Statements that loads sent.
    pub reads: u64,
    /// Those that failed.
    pub errors: u64,
    /// Fills that the catalog had outrun when they were done.
    pub fills_superseded: u64,
    /// How long the last poll took; `None` when it was not answered.
    pub ping: Option<Duration>,
    /// Connections that are open.
    pub pool_open: u32,
    /// Those of them that are idle.
    pub pool_idle: u32,
    /// The most that may be open.
    pub pool_max: u32,
}

/// Answers from a cache by all answers, 0 to 1; none where there was no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HitRatio {
    /// Since the start.
    pub since_start: Option<f64>,
    /// Over the last minute.
    pub last_1m: Option<f64>,
    /// Over the last five minutes.
    pub last_5m: Option<f64>,
    /// Over the last fifteen minutes.
    pub last_15m: Option<f64>,
}

/// How long something took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// How often it was measured.
    pub count: u64,
    /// Half took at most this long.
    pub p50: Duration,
    /// 95 of 100 took at most this long.
    pub p95: Duration,
    /// 99 of 100 took at most this long.
    pub p99: Duration,
}

/// The caches of this replica, as operators see them.
#[async_trait]
pub trait CacheStatusSource: Send + Sync {
    /// How the caches do; asks the dependencies, each for half a second at most.
    async fn status(&self) -> CacheStatus;

    /// How many entries of the near cache depend on one of `tags`.
    fn count(&self, tags: &[Tag]) -> u64;

    /// Drops the entries of the near cache that depend on one of `tags`, and tells how many there were.
    fn drop_copies(&self, tags: &[Tag]) -> u64;

    /// Asks for word of the newest changes now.
    fn hurry(&self);

    /// How old an answer of any replica may be and still be called fresh.
    fn max_staleness(&self) -> Duration;
}

/// How many connections there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolState {
    /// Open ones.
    pub open: u32,
    /// Those of them that are idle.
    pub idle: u32,
    /// The most that may be open.
    pub max: u32,
}

/// The database, as operators see it.
pub trait DatabaseProbe: Send + Sync {
    /// The connections for reads.
    fn pool(&self) -> PoolState;
}
