use std::sync::{Mutex, PoisonError, atomic::AtomicU64};

use super::{
    latency::Histogram,
    window::{Answers, Window},
};
use crate::telemetry::Counter;

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
        pub struct CacheStats {
            $($(#[$doc])* pub $name: Counter,)+
            /// How long answers from the near cache took.
            pub(super) hit_latency: Histogram,
            /// How long loads took, from a caller's question to its answer.
            pub(super) load_latency: Histogram,
            /// How many microseconds the last poll took that was answered; 0 before the first.
            pub(super) poll_us: AtomicU64,
            /// The hit ratios of the last minutes.
            pub(super) window: Window,
            last_error: Mutex<String>,
        }
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
    /// Leases to fill that this replica got.
    leases,
    /// Entries that were pushed out of the near cache for want of room.
    evictions,
    /// Entries that were loaded again before their time was over.
    early_refreshes,
    /// Entries that were read again to be checked.
    audit_checked,
    /// Entries that were called valid and differed from the database.
    audit_violations,
    /// Questions to the database for what changed.
    polls,
    /// Those that were not answered.
    polls_failed,
    /// Times that another replica told what it had found, before this one asked.
    news,
    /// Times that the list of changes had gaps, so that everything counted as changed.
    resyncs,
    /// Times that another database or history answered; the first is the start.
    eras,
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

impl CacheStats {
    /// All answers so far, and those of them that came from a cache.
    pub(super) fn answers(&self) -> Answers {
        let misses = [&self.near_absent, &self.near_expired, &self.near_changed];
        let misses: u64 = misses.map(Counter::get).iter().sum();
        let (near, shared) = (self.near_hits.get(), self.shared_hits.get());
        Answers {
            from_cache: near + shared.min(misses),
            all: near + misses,
        }
    }

    /// Keeps what a dependency said last; the text has no secrets.
    pub(super) fn note_error(&self, error: String) {
        *self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = error;
    }

    /// What a dependency said last; empty when none did.
    #[must_use]
    pub fn last_error(&self) -> String {
        self.last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
