//! Decides whether an entry may be served to a caller, and as what: fresh, stale, or not at all.
use std::{cmp::Reverse, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

use super::{
    CacheStats, InvalidationState,
    entry::{CacheEntry, ReadKey},
    single_flight::{LoadFailure, LoadedEntry},
};
use crate::domain::{Answer, Error, Flag, Source, Switches, Unavailability, Version};

/// A caller waits no longer than this for proof that an entry is current.
pub(super) const CONFIRM_WITHIN: Duration = Duration::from_millis(50);
/// A caller that has a stale copy waits at most this long for a load: half of what the service config for clients
/// gives a call. Those who wait longer, for a lock say, would keep others from waiting at all.
const COPY_PATIENCE: Duration = Duration::from_secs(1);
/// So long once the database is known to be lost, or the last read to have failed.
const LOST_PATIENCE: Duration = Duration::from_millis(100);

/// A version that lies farther ahead is not waited for. After a crash, numbers begin up to 100 000 later.
const FAR_COMMITS: u64 = 1_000_000;

/// When a caller asked, and what it needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadRequest {
    /// When the call came in.
    pub(super) arrived: Instant,
    /// When `min_version` had been reached. A read sent after this is new enough for the caller.
    pub(super) called: Instant,
    /// When the caller gives up.
    pub(super) deadline: Instant,
    /// The oldest version that will do.
    pub(super) least: Option<Version>,
}

/// Judges entries by what is known of changes, and by how long operators let old ones be served.
pub(super) struct Staleness {
    pub(super) invalidation: Arc<InvalidationState>,
    pub(super) stats: Arc<CacheStats>,
    pub(super) switches: Arc<Switches>,
    pub(super) stale_retention: Duration,
}

impl Staleness {
    /// The answer, if this caller may have what the load brought.
    ///
    /// Two things allow it: the entry is valid and the invalidation state is fresh; or it
    /// was read after the caller called, so that nothing committed before the
    /// call is missing, whatever was committed since. Entries of another history are
    /// refused: the server that they came from was replaced.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when nobody can confirm it, and operators want no stale answers;
    /// [`Error::Invalid`] when the version that the caller asks for is lost.
    pub(super) async fn accept(
        &self,
        key: &ReadKey,
        loaded: &LoadedEntry,
        caller: ReadRequest,
    ) -> Result<Option<Answer>, Error> {
        let entry = &loaded.entry;
        if let Some(version) = self.version_for(key, entry, caller)?
            && let Some(read_from) = loaded.read_from
            && read_from >= caller.called
        {
            let age = read_from.elapsed();
            if age <= self.invalidation.max_staleness() {
                return Ok(Some(entry.answer(loaded.source, version, age, false)));
            }
        }
        if self.invalidation.fresh_age().is_none() {
            self.invalidation.confirm(CONFIRM_WITHIN).await;
        }
        let age = self.invalidation.fresh_age();
        if !self.invalidation.is_valid(key, entry) {
            return Ok(None);
        }
        let Some(version) = self.version_for(key, entry, caller)? else {
            return Ok(None);
        };
        match age {
            Some(age) => Ok(Some(entry.answer(loaded.source, version, age, false))),
            None if self.may_serve_stale(key, entry, caller) => {
                self.build_stale_answer(key, entry, loaded.source, caller)
            }
            None => Err(Error::datastore("nobody can confirm the copy")),
        }
    }

    /// The version that the entry shows, if that will do for the caller.
    ///
    /// A server that has just restarted shows less than it had told, until commits are numbered again.
    fn version_for(
        &self,
        key: &ReadKey,
        entry: &CacheEntry,
        caller: ReadRequest,
    ) -> Result<Option<Version>, Error> {
        let shown = self.invalidation.version_shown(key, entry);
        let Some(least) = caller.least else {
            return Ok(shown);
        };
        check_history(least, self.invalidation.version())?;
        Ok(shown.filter(|shown| shown.reaches(least)))
    }

    /// An older copy in place of a failed load, if there is one that may be served.
    pub(super) fn older_copy_after_failed_load(
        &self,
        key: &ReadKey,
        failure: LoadFailure,
        old: Option<Arc<CacheEntry>>,
        caller: ReadRequest,
    ) -> Result<Answer, Error> {
        let copies = [
            (old, Source::NearCache),
            (failure.stale.clone(), Source::SharedCache),
        ];
        let servable = |(copy, source): (Option<Arc<CacheEntry>>, Source)| {
            let entry = copy?;
            self.may_serve_stale(key, &entry, caller)
                .then_some((entry, source))
        };
        let newest = copies
            .into_iter()
            .filter_map(servable)
            .max_by_key(|(entry, _)| (entry.stamp, Reverse(self.age_of(key, entry))));
        let Some((entry, source)) = newest else {
            return Err(failure.into_error());
        };
        let answer = self.build_stale_answer(key, &entry, source, caller)?;
        answer.ok_or_else(|| failure.into_error())
    }

    /// Whether the caller may get this copy, marked stale, because nobody confirmed it lately or a load failed.
    pub(super) fn may_serve_stale(
        &self,
        key: &ReadKey,
        entry: &CacheEntry,
        caller: ReadRequest,
    ) -> bool {
        let is_young = self.age_of(key, entry) <= self.stale_retention;
        let is_new_enough = matches!(self.version_for(key, entry, caller), Ok(Some(_)));
        let may_be_stale = self.switches.is_on(Flag::StaleWhileUnavailable);
        may_be_stale && is_young && is_new_enough && !self.invalidation.is_revoked(key, entry)
    }

    /// Returns when a caller who could have an older copy should not wait for a load any longer:
    /// the database is known to be lost, loads fail, or the load takes long.
    pub(super) async fn patience(&self, caller: ReadRequest, loads_fail: bool) {
        let longest = if loads_fail {
            LOST_PATIENCE
        } else {
            COPY_PATIENCE
        };
        let now = Instant::now();
        let margin = caller.deadline.saturating_duration_since(now) / 10;
        let until = (now + longest).min(caller.deadline - margin);
        let lost = async {
            loop {
                self.invalidation.lost().await;
                sleep(LOST_PATIENCE).await;
                if self.invalidation.is_lost() {
                    return;
                }
            }
        };
        // Whichever comes first.
        let _ = timeout_at(until, lost).await;
    }

    /// The entry as a stale answer; none if it is older than the version that the caller asks for.
    pub(super) fn build_stale_answer(
        &self,
        key: &ReadKey,
        entry: &Arc<CacheEntry>,
        source: Source,
        caller: ReadRequest,
    ) -> Result<Option<Answer>, Error> {
        let age = self.age_of(key, entry);
        let Some(version) = self.version_for(key, entry, caller)? else {
            return Ok(None);
        };
        self.stats.stale_answers.add(1);
        tracing::debug!(%key, "stale answer");
        Ok(Some(entry.answer(source, version, age, true)))
    }

    /// How long ago the entry was current for certain, by polls or by its read.
    fn age_of(&self, key: &ReadKey, entry: &CacheEntry) -> Duration {
        let by_read = entry.current_at;
        let by_polls = self.invalidation.current_at(key, entry);
        by_polls.map_or(by_read, |at| at.max(by_read)).elapsed()
    }

    /// Waits until `version` was applied here.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when it is not in time; [`Error::Invalid`] when it never will be.
    pub(super) async fn wait_for(&self, version: Version, deadline: Instant) -> Result<(), Error> {
        // A little early, so that the caller hears why instead of running out of time.
        let called = Instant::now();
        let until = deadline - (deadline - called) / 10;
        let is_known = self.invalidation.known().is_some();
        if is_known && is_far(version, self.invalidation.version()) {
            return Err(not_reached(version));
        }
        // A server may have taken over of which this replica has not heard: a poll tells.
        if is_known
            && check_history(version, self.invalidation.version()).is_err()
            && self.invalidation.confirm(until - called).await
        {
            check_history(version, self.invalidation.version())?;
        }
        if self.invalidation.reach(version, until).await {
            return Ok(());
        }
        Err(not_reached(version))
    }
}

fn not_reached(version: Version) -> Error {
    let why = Unavailability::VersionNotReached(version);
    Error::unavailable(why, Duration::from_millis(100))
}

/// Whether `version` is too far ahead to be real: the numbers of commits never jump so far.
fn is_far(version: Version, known: Version) -> bool {
    version.database == known.database
        && version.stamp.timeline == known.stamp.timeline
        && version.stamp.seq.saturating_sub(known.stamp.seq) > FAR_COMMITS
}

/// Refuses a version that is of another history than the one that is `known`.
pub(super) fn check_history(version: Version, known: Version) -> Result<(), Error> {
    let problem = if version.database != known.database {
        "is a version of another database, or of a history of it that has ended"
    } else if version.stamp.timeline < known.stamp.timeline {
        "is from a history of the database that has ended"
    } else {
        return Ok(());
    };
    Err(Error::invalid("min_version", problem))
}
