//! Finished tips and recent failures in the memory of this replica.
use std::{sync::Arc, time::Duration};

use quick_cache::{Weighter, sync::Cache};
use tokio::time::Instant;

use super::log::Failed;
use crate::domain::{Tip, TipKey, UnixMicros};

/// What a tip is assumed to take when the map is laid out.
const TYPICAL_TIP_BYTES: u64 = 1 << 10;
/// How many failures are remembered.
const FAILURES: usize = 1_000;
/// How long a failure keeps others from trying, and how much longer at most, so that not all
/// keys that failed together are tried together again.
const RECENT: Duration = Duration::from_secs(15);
const RECENT_JITTER: Duration = Duration::from_secs(45);

/// The finished tips and the failures of a moment ago that this replica knows of.
pub(super) struct TipCache {
    tips: Cache<TipKey, Arc<Tip>, ByBytes>,
    failures: Cache<TipKey, (Instant, Failed)>,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<TipKey, Arc<Tip>> for ByBytes {
    fn weight(&self, _: &TipKey, tip: &Arc<Tip>) -> u64 {
        (size_of::<Tip>() + tip.text.len() + tip.provider.len() + tip.model.len()) as u64
    }
}

impl TipCache {
    /// Tips of at most so many bytes, all together.
    pub(super) fn new(bytes: u64) -> Self {
        let items = usize::try_from(bytes / TYPICAL_TIP_BYTES).unwrap_or(usize::MAX);
        Self {
            tips: Cache::with_weighter(items, bytes, ByBytes),
            failures: Cache::new(FAILURES),
        }
    }

    /// The tip, if it is current.
    pub(super) fn tip(&self, key: TipKey, now: UnixMicros) -> Option<Arc<Tip>> {
        self.tips.get(&key).filter(|tip| now < tip.expires_at)
    }

    pub(super) fn keep(&self, tip: Arc<Tip>) {
        self.failures.remove(&tip.key);
        self.tips.insert(tip.key, tip);
    }

    /// The failure, if it is so young that the next try should wait.
    pub(super) fn failure(&self, key: TipKey) -> Option<Failed> {
        let (until, failed) = self.failures.get(&key)?;
        (Instant::now() < until).then_some(failed)
    }

    pub(super) fn keep_failure(&self, key: TipKey, failed: Failed, pause: Duration) {
        self.failures.insert(key, (Instant::now() + pause, failed));
    }

    /// How long a failure counts as one of a moment ago: 15 to 60 seconds.
    pub(super) fn pause() -> Duration {
        RECENT + RECENT_JITTER.mul_f64(rand::random())
    }
}
