//! What a caller may be given, and what it is told of it.
use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

use super::{
    CachedCatalog,
    entry::Entry,
    flight::{LoadFailure, Loaded},
    key::ReadKey,
};
use crate::domain::{Answer, Error, FieldViolation, Flag, Source, Stamp, Unavailability, Version};

/// A caller waits no longer than this for proof that an entry is current.
pub(super) const CONFIRM_WITHIN: Duration = Duration::from_millis(50);
/// With an older copy at hand, a load is waited for no longer than this once the database is known to be lost.
const LOST_PATIENCE: Duration = Duration::from_millis(100);

/// Who asks, and what would do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    /// When the call came in.
    pub(super) arrived: Instant,
    /// What is read from here on shows all that the caller may expect.
    pub(super) called: Instant,
    /// When the caller gives up.
    pub(super) deadline: Instant,
    /// The oldest commit that will do.
    pub(super) least: Option<Stamp>,
}

impl CachedCatalog {
    /// The answer, if this caller may have what the load brought.
    ///
    /// Two things allow it: the entry is valid and knowledge is fresh; or it
    /// was read after the caller called, so that nothing committed before the
    /// call is missing, whatever was committed since.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when nobody can confirm it, and operators want no stale answers.
    pub(super) async fn accept(
        &self,
        key: &ReadKey,
        loaded: &Loaded,
        caller: Caller,
    ) -> Result<Option<Answer>, Error> {
        let entry = &loaded.entry;
        if let Some(read_from) = loaded
            .read_from
            .filter(|read_from| *read_from >= caller.called)
            // A server that has just restarted shows less than it had told, until commits are numbered again.
            .filter(|_| caller.least.is_none_or(|least| entry.stamp >= least))
        {
            let age = read_from.elapsed();
            if age <= self.knowledge.max_staleness() {
                return Ok(Some(self.answer(key, entry, loaded.source, age, false)));
            }
        }
        if self.knowledge.fresh_age().is_none() {
            self.knowledge.confirm(CONFIRM_WITHIN).await;
        }
        let age = self.knowledge.fresh_age();
        if !self.knowledge.is_valid(key, entry) {
            return Ok(None);
        }
        match age {
            Some(age) => Ok(Some(self.answer(key, entry, loaded.source, age, false))),
            None if self.is_on(Flag::StaleWhileUnavailable) => {
                Ok(Some(self.stale(key, entry, loaded.source)))
            }
            None => Err(Error::datastore("nobody can confirm the copy")),
        }
    }

    /// An older copy in place of a failed load, if there is one that may be served.
    pub(super) fn instead(
        &self,
        key: &ReadKey,
        failure: LoadFailure,
        old: Option<Arc<Entry>>,
        caller: Caller,
    ) -> Result<Answer, Error> {
        let copies = [
            (old, Source::NearCache),
            (failure.stale.clone(), Source::SharedCache),
        ];
        let servable = |(copy, source): (Option<Arc<Entry>>, Source)| {
            let entry = copy?;
            self.may_have_stale(key, &entry, caller)
                .then_some((entry, source))
        };
        let newest = copies
            .into_iter()
            .filter_map(servable)
            .max_by_key(|(entry, _)| entry.stamp);
        match newest {
            Some((entry, source)) => Ok(self.stale(key, &entry, source)),
            None => Err(failure.into_error()),
        }
    }

    /// Whether the caller may have this copy when nothing better is to be had.
    pub(super) fn may_have_stale(&self, key: &ReadKey, entry: &Entry, caller: Caller) -> bool {
        let is_young = entry.current_at.elapsed() <= self.stale_retention;
        let is_new_enough = caller
            .least
            .is_none_or(|least| self.version_shown(key, entry).stamp >= least);
        let may_be_stale = self.is_on(Flag::StaleWhileUnavailable);
        may_be_stale && is_young && is_new_enough && self.knowledge.may_serve_stale(key, entry)
    }

    /// Returns when a caller who could have an older copy should not wait for a load any longer:
    /// the database is known to be lost, or the caller's time runs out.
    pub(super) async fn patience(&self, caller: Caller) {
        let margin = caller.deadline.saturating_duration_since(Instant::now()) / 10;
        let lost = async {
            loop {
                self.knowledge.lost().await;
                sleep(LOST_PATIENCE).await;
                if self.knowledge.is_lost() {
                    return;
                }
            }
        };
        // Whichever comes first.
        let _ = timeout_at(caller.deadline - margin, lost).await;
    }

    pub(super) fn stale(&self, key: &ReadKey, entry: &Arc<Entry>, source: Source) -> Answer {
        self.stats.stale_answers.add(1);
        tracing::debug!(%key, "stale answer");
        let known_for = self
            .knowledge
            .age()
            .filter(|_| self.knowledge.is_valid(key, entry));
        let age = known_for.unwrap_or_else(|| entry.current_at.elapsed());
        self.answer(key, entry, source, age, true)
    }

    /// The newest version that the entry is known to show.
    ///
    /// First what is known, then whether the entry is valid: it may become invalid in between,
    /// and must not be told as the version that made it so.
    fn version_shown(&self, key: &ReadKey, entry: &Entry) -> Version {
        let known = self.knowledge.version();
        if self.knowledge.is_valid(key, entry) {
            known.shown_by(entry.stamp)
        } else {
            Version {
                stamp: entry.stamp,
                ..known
            }
        }
    }

    fn answer(
        &self,
        key: &ReadKey,
        entry: &Entry,
        source: Source,
        bound: Duration,
        stale: bool,
    ) -> Answer {
        entry.answer(source, self.version_shown(key, entry), bound, stale)
    }

    /// Waits until `version` was applied here.
    pub(super) async fn reach(&self, version: Version, deadline: Instant) -> Result<(), Error> {
        let known = self.knowledge.version();
        let foreign = |problem| {
            Err(Error::Invalid(vec![FieldViolation::new(
                "min_version",
                problem,
            )]))
        };
        if version.database != known.database && self.knowledge.era().is_some() {
            return foreign("is a version of another database");
        }
        if version.stamp.timeline < known.stamp.timeline {
            return foreign("is from a history of the database that has ended");
        }
        // A little early, so that the caller hears why instead of running out of time.
        let margin = (deadline - Instant::now()) / 10;
        if self.knowledge.reach(version.stamp, deadline - margin).await {
            return Ok(());
        }
        Err(Error::Unavailable {
            why: Unavailability::VersionNotReached(version),
            retry_after: Duration::from_millis(100),
            source: None,
        })
    }
}
