//! Finds entries in the near cache and classifies them: fresh, unconfirmed or miss. `staleness` decides what is done
//! about those that are not fresh.
use std::sync::Arc;

use tokio::time::Instant;

use super::{
    MissReason,
    entry::{CacheEntry, ReadKey},
    invalidation::Snapshot,
    loader::{Loader, Purpose},
    single_flight::SingleFlight,
};
use crate::domain::{Answer, Flag, Source, Version};

/// What the near cache has for a caller, and whether that may be served.
pub(super) enum Near {
    Fresh(Answer),
    /// Valid, but the last answered poll is older than `max_staleness`.
    Unconfirmed(Arc<CacheEntry>),
    Miss(MissReason, Option<Arc<CacheEntry>>),
}

impl Near {
    /// Turns an unconfirmed copy into a miss, unless it may be served as it is.
    pub(super) fn refuse_unconfirmed_unless(
        &mut self,
        may_serve: impl FnOnce(&CacheEntry) -> bool,
    ) {
        if let Self::Unconfirmed(entry) = self
            && !may_serve(entry)
        {
            *self = Self::Miss(MissReason::Unconfirmed, None);
        }
    }
}

/// Finds near entries, and starts a reload of those that expire soon.
pub(super) struct Lookup {
    loader: Arc<Loader>,
    single_flight: Arc<SingleFlight>,
}

impl Lookup {
    pub(super) fn new(loader: &Arc<Loader>, single_flight: &Arc<SingleFlight>) -> Self {
        Self {
            loader: Arc::clone(loader),
            single_flight: Arc::clone(single_flight),
        }
    }

    /// A fresh answer for each of `keys`, when the near cache has them all; nothing is waited for.
    ///
    /// Nearly every call ends here, so this is kept free of tasks, timers and boxes.
    pub(super) fn try_all_cached(
        &self,
        keys: impl ExactSizeIterator<Item = ReadKey>,
        min_version: Option<Version>,
    ) -> Option<Vec<Answer>> {
        if !self.is_on() {
            return None;
        }
        let now = Instant::now();
        let snapshot = self.loader.invalidation.snapshot();
        if min_version.is_some_and(|version| !snapshot.version.reaches(version)) {
            return None;
        }
        let mut answers = Vec::with_capacity(keys.len());
        for key in keys {
            let Near::Fresh(answer) = self.find(&key, now, snapshot) else {
                return None;
            };
            tracing::debug!(%key, "near hit");
            answers.push(answer);
        }
        let count = answers.len() as u64;
        self.loader.stats.near_hits.add(count);
        self.loader
            .stats
            .hit_latency
            .record_times(count, now.elapsed());
        Some(answers)
    }

    /// What there is for `key`, by what was known when the caller's `snapshot` was taken.
    pub(super) fn find(&self, key: &ReadKey, now: Instant, snapshot: Snapshot) -> Near {
        let kept = self.is_on();
        let kept = kept.then(|| self.loader.near.get(key)).flatten();
        let Some(entry) = kept else {
            return Near::Miss(MissReason::Absent, None);
        };
        if now >= entry.expires {
            return Near::Miss(MissReason::Expired, Some(entry));
        }
        // Of another era when a server took over after the snapshot was taken.
        if entry.era != snapshot.era || !self.loader.invalidation.is_valid(key, &entry) {
            return Near::Miss(MissReason::Changed, Some(entry));
        }
        if entry.refresh.is_due(now) {
            self.refresh(key);
        }
        match snapshot.age {
            Some(age) => {
                let version = snapshot.version.shown_by(entry.stamp);
                Near::Fresh(entry.answer(Source::NearCache, version, age, false))
            }
            None => Near::Unconfirmed(entry),
        }
    }

    /// Whether operators let the near cache be used.
    fn is_on(&self) -> bool {
        self.loader.settings.switches.is_on(Flag::NearCache)
    }

    /// Loads `key` again while its entry is still good, unless it is being loaded.
    fn refresh(&self, key: &ReadKey) {
        if let (_, Some(guard)) = self.single_flight.join(key) {
            self.loader.stats.early_refreshes.add(1);
            let loader = Arc::clone(&self.loader);
            self.loader
                .tasks
                .spawn(async move { loader.load(vec![guard], Purpose::Refresh).await });
        }
    }
}
