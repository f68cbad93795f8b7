use std::sync::Arc;

use tokio::time::Instant;

use super::{
    CachedCatalog, MissReason,
    entry::Entry,
    fault::{self, Fault},
    key::ReadKey,
    loader::Purpose,
    view::View,
};
use crate::domain::{Answer, Flag, Source, Version};

/// What the near cache has for a caller.
pub(super) enum Near {
    Fresh(Answer),
    /// Valid by all that is known, but nobody confirmed that lately.
    Unconfirmed(Arc<Entry>),
    Miss(MissReason, Option<Arc<Entry>>),
}

impl Near {
    /// Has a copy that nobody confirmed loaded anew: it must not be served.
    pub(super) fn refuse_unconfirmed(&mut self) {
        if matches!(self, Self::Unconfirmed(_)) {
            *self = Self::Miss(MissReason::Changed, None);
        }
    }
}

impl CachedCatalog {
    /// A fresh answer for each of `keys`, when the near cache has them all; nothing is waited for.
    ///
    /// Nearly every call ends here, so this is kept free of tasks, timers and boxes.
    pub(super) fn at_hand(
        &self,
        keys: impl ExactSizeIterator<Item = ReadKey>,
        min_version: Option<Version>,
    ) -> Option<Vec<Answer>> {
        if !self.is_on(Flag::NearCache) {
            return None;
        }
        let now = Instant::now();
        let view = self.knowledge.view();
        if let Some(version) = min_version.filter(|_| !fault::is(Fault::IgnoreTicket))
            && !view.version.reaches(version)
        {
            return None;
        }
        let mut answers = Vec::with_capacity(keys.len());
        for key in keys {
            let Near::Fresh(answer) = self.near(&key, now, view) else {
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

    /// What there is for `key`, by what was known when the caller's `view` was taken.
    pub(super) fn near(&self, key: &ReadKey, now: Instant, view: View) -> Near {
        let kept = self.is_on(Flag::NearCache);
        let kept = kept.then(|| self.loader().near.get(key)).flatten();
        let Some(entry) = kept else {
            return Near::Miss(MissReason::Absent, None);
        };
        if now >= entry.expires {
            return Near::Miss(MissReason::Expired, Some(entry));
        }
        // Of another era when a server took over after the view was taken.
        if entry.era != view.era || !self.knowledge.is_valid(key, &entry) {
            return Near::Miss(MissReason::Changed, Some(entry));
        }
        if entry.refresh.is_due(now) {
            self.refresh(key);
        }
        match view.age {
            Some(age) => {
                let version = view.version.shown_by(entry.stamp);
                Near::Fresh(entry.answer(Source::NearCache, version, age, false))
            }
            None => Near::Unconfirmed(entry),
        }
    }

    /// Loads `key` again while its entry is still good, unless it is being loaded.
    fn refresh(&self, key: &ReadKey) {
        if let (_, Some(landing)) = self.flights.join(key) {
            self.stats.early_refreshes.add(1);
            let loader = Arc::clone(self.loader());
            self.tasks
                .spawn(async move { loader.load(vec![landing], Purpose::Refresh).await });
        }
    }
}
