//! A cached answer with its stamp, and the answer that a caller gets of it.
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;

use super::key::ReadKey;
use crate::domain::{Answer, Etag, Freshness, Source, Stamp, UnixMicros, Version};

/// A cached answer and what is known of it.
#[derive(Debug)]
pub(super) struct Entry {
    /// The encoded body; `None` when the database said that there is nothing.
    pub(super) body: Option<Bytes>,
    /// Names the body.
    pub(super) etag: Etag,
    /// The last commit that the read saw.
    pub(super) stamp: Stamp,
    /// The era of [`super::InvalidationState`] that the read began in.
    pub(super) era: u64,
    /// It was current at this moment, or later.
    pub(super) current_at: Instant,
    /// From here on it counts as a miss.
    pub(super) expires: Instant,
    /// The same moment for people and callers.
    pub(super) expires_at: UnixMicros,
    /// When it is to be loaded again before its time is over.
    pub(super) refresh: Refresh,
    /// The generation of [`super::InvalidationState`] that it was last found valid in; 0 for none.
    pub(super) valid_in: AtomicU64,
}

/// The moment from which one caller is asked to load the entry again, in the
/// background, while all are still served from it; so nobody waits for a hot key.
///
/// It is drawn once, in the last tenth of the entry's time, but not in its last twentieth: a key
/// that is read at least once in that is always loaded early. `XFetch` (Vattani et al., VLDB 2015)
/// draws at every read, around the time that a load takes; our loads take milliseconds, in which
/// a key may well go unread.
#[derive(Debug)]
pub(super) struct Refresh {
    from: Instant,
    taken: AtomicBool,
}

impl Refresh {
    /// For an entry that lives for `ttl` from now.
    pub(super) fn within(ttl: Duration) -> Self {
        let from = Instant::now() + ttl.mul_f64(rand::random_range(0.9..0.95));
        Self {
            from,
            taken: AtomicBool::new(false),
        }
    }

    /// True for one caller, once it is time.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.from && !self.taken.swap(true, Relaxed)
    }
}

/// What an entry takes beside its bytes: three allocations, the map's slot, and what these are
/// rounded up to. Measured as the resident memory of a full cache of small entries (row N of
/// `make bench`), so that the bound in the settings holds for the process.
const ENTRY_OVERHEAD_BYTES: usize = 288;

impl Entry {
    /// The answer that this entry makes, `bound` old at most.
    pub(super) fn answer(
        &self,
        source: Source,
        version: Version,
        bound: Duration,
        stale: bool,
    ) -> Answer {
        Answer {
            body: self.body.clone(),
            etag: self.etag,
            expires_at: Some(self.expires_at),
            freshness: Freshness {
                version,
                source,
                stale,
                staleness_bound: bound,
            },
        }
    }

    /// How many bytes the entry takes under `key`.
    pub(super) fn weight(&self, key: &ReadKey) -> u64 {
        let body = self.body.as_ref().map_or(0, Bytes::len);
        (key.weight() + size_of::<Self>() + ENTRY_OVERHEAD_BYTES + body) as u64
    }
}
