use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Why the near cache had no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissReason {
    /// It never had one, or dropped it for want of room.
    Absent,
    /// Its time was over.
    Expired,
    /// The catalog changed since.
    Changed,
}

impl MissReason {
    /// The word for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Expired => "expired",
            Self::Changed => "changed",
        }
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// What the cache did since the process started.
        #[derive(Debug, Default)]
        pub struct CacheStats { $($(#[$doc])* pub $name: Counter,)+ }
    };
}

counters! {
    /// Answers from the near cache that were fresh.
    near_hits,
    /// Near misses: nothing there.
    near_absent,
    /// Near misses: too old.
    near_expired,
    /// Near misses: the catalog changed since.
    near_changed,
    /// Loads that the shared cache answered.
    shared_hits,
    /// Loads that the shared cache could not answer.
    shared_misses,
    /// Commands to the shared cache that failed or took too long.
    shared_errors,
    /// Loads that waited for another replica's fill.
    lease_waits,
    /// Statements that loads sent to the database.
    database_reads,
    /// Statements that failed.
    database_errors,
    /// Fills that the catalog had outrun when they were done; never kept.
    fills_outrun,
    /// Answers that were marked stale.
    stale_answers,
}

impl CacheStats {
    /// Counts a near miss.
    pub fn near_miss(&self, reason: MissReason) {
        match reason {
            MissReason::Absent => self.near_absent.add(1),
            MissReason::Expired => self.near_expired.add(1),
            MissReason::Changed => self.near_changed.add(1),
        }
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts `n` more.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// The number so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
