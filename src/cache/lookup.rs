//! Finds entries in the near cache; `staleness` decides what a caller may be given of them.
use std::sync::Arc;

use tokio::time::Instant;

use super::{
    CachedCatalog, MissReason,
    entry::Entry,
    fault::{self, Fault},
    invalidation::Snapshot,
    key::ReadKey,
    loader::Purpose,
};
use crate::domain::{Answer, Flag, Source, Version};

/// What the near cache has for a caller, and whether that may be served.
pub(super) enum Near {
    Fresh(Answer),
    /// Valid by all that is known, but no poll confirmed that lately.
    Unconfirmed(Arc<Entry>),
    Miss(MissReason, Option<Arc<Entry>>),
}

impl Near {
    /// Makes a copy that no poll confirmed a miss: it must not be served.
    pub(super) fn refuse_unconfirmed(&mut self) {
        if matches!(self, Self::Unconfirmed(_)) {
            *self = Self::Miss(MissReason::Unconfirmed, None);
        }
    }
}

impl CachedCatalog {
    /// A fresh answer for each of `keys`, when the near cache has them all; nothing is waited for.
    ///
    /// Nearly every call ends here, so this is kept free of tasks, timers and boxes.
    pub(super) fn try_all_cached(
        &self,
        keys: impl ExactSizeIterator<Item = ReadKey>,
        min_version: Option<Version>,
    ) -> Option<Vec<Answer>> {
        if !self.is_on(Flag::NearCache) {
            return None;
        }
        let now = Instant::now();
        let snapshot = self.invalidation.snapshot();
        if let Some(version) = min_version.filter(|_| !fault::is(Fault::IgnoreTicket))
            && !snapshot.version.reaches(version)
        {
            return None;
        }
        let mut answers = Vec::with_capacity(keys.len());
        for key in keys {
            let Near::Fresh(answer) = self.near(&key, now, snapshot) else {
                return None;
            };
            tracing::debug!(%key, "near hit");
            answers.push(answer);
        }
        let count = answers.len() as u64;
        self.stats.near_hits.add(count);
        self.stats.hit_latency.record_times(count, now.elapsed());
        Some(answers)
    }

    /// What there is for `key`, by what was known when the caller's `snapshot` was taken.
    pub(super) fn near(&self, key: &ReadKey, now: Instant, snapshot: Snapshot) -> Near {
        let kept = self.is_on(Flag::NearCache);
        let kept = kept.then(|| self.loader().near.get(key)).flatten();
        let Some(entry) = kept else {
            return Near::Miss(MissReason::Absent, None);
        };
        if now >= entry.expires {
            return Near::Miss(MissReason::Expired, Some(entry));
        }
        // Of another era when a server took over after the snapshot was taken.
        if entry.era != snapshot.era || !self.invalidation.is_valid(key, &entry) {
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

    /// Loads `key` again while its entry is still good, unless it is being loaded.
    fn refresh(&self, key: &ReadKey) {
        if let (_, Some(guard)) = self.single_flight.join(key) {
            self.stats.early_refreshes.add(1);
            let loader = Arc::clone(self.loader());
            self.tasks
                .spawn(async move { loader.load(vec![guard], Purpose::Refresh).await });
        }
    }
}
