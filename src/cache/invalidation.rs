//! Knows which commits were applied and when the last poll was answered: the two halves of the proof that an answer is
//! current. Every read looks here; only the feed writes, by what polls bring and other replicas tell.
use std::{
    sync::atomic::{
        AtomicBool, AtomicU32, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout_at},
};

use super::{
    entry::{CacheEntry, ReadKey},
    generations::Generations,
    tag_versions::{ApplyOutcome, MergeOutcome, TagVersions},
};
use crate::domain::{Announcement, Changes, FeedPage, Stamp, Tag, Version};

/// What this replica knows of the catalog's changes, and since when.
///
/// An entry is *valid* when no commit known here, newer than the entry's own
/// stamp, changed what the entry depends on. The state is *fresh* while the
/// last poll that confirmed it was sent at most `max_staleness` ago. Valid and
/// fresh together prove: every change committed before that poll was sent is
/// in the answer. No clock of another machine takes part, and no message.
#[derive(Debug)]
pub struct InvalidationState {
    max_staleness: Duration,
    versions: RwLock<TagVersions>,
    /// Grows with everything that could make an entry invalid. Starts at 1.
    generation: AtomicU64,
    ended: Mutex<Generations>,
    feed_state: watch::Sender<FeedState>,
    /// Microseconds from `origin` to the sending of the last poll that was
    /// answered, plus 1; 0 before the first. What `feed_state` holds, for the hot path.
    confirmed_us: AtomicU64,
    origin: Instant,
    poll_wanted: Notify,
    /// The newest commit that may have changed flags or settings.
    flags: watch::Sender<Version>,
    /// Whether the last poll found this replica in the registry.
    registered: AtomicBool,
    /// How many other replicas there are.
    others: AtomicU32,
}

/// Whether the last poll was answered, and when it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FeedState {
    /// No poll was answered yet.
    Never,
    /// The poll sent at this moment was answered.
    At(Instant),
    /// The last poll failed; the one before that was sent at this moment.
    Disconnected(Option<Instant>),
}

/// What is known at one moment. An entry that is found valid *afterwards* shows all of `version`, and is at most
/// `age` old; asked for in the other order, a commit could come between and be claimed without being shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Snapshot {
    /// The age of what is known, while that is fresh.
    pub(super) age: Option<Duration>,
    /// The newest version applied here.
    pub(super) version: Version,
    /// The era of `version`: an entry of another era shows nothing of it.
    pub(super) era: u64,
}

impl InvalidationState {
    /// Knows nothing yet. An answer may be called fresh for `max_staleness` after a poll was sent.
    #[must_use]
    pub fn new(max_staleness: Duration) -> Self {
        Self {
            max_staleness,
            versions: RwLock::default(),
            generation: AtomicU64::new(1),
            ended: Mutex::default(),
            feed_state: watch::Sender::new(FeedState::Never),
            confirmed_us: AtomicU64::new(0),
            origin: Instant::now(),
            poll_wanted: Notify::new(),
            flags: watch::Sender::new(Version::default()),
            registered: AtomicBool::new(false),
            others: AtomicU32::new(0),
        }
    }

    /// Takes in what a poll sent at `sent` was told.
    ///
    /// A replica that is not in the registry learns what changed, but confirms
    /// nothing: whoever waits for a receipt does not wait for it. Nor does a list that is not whole.
    pub(super) fn apply(&self, page: &FeedPage, sent: Instant) -> ApplyOutcome {
        let applied = self.update(|versions| {
            let applied = versions.apply(page);
            let has_changes = applied != ApplyOutcome::InOrder || !is_empty(&page.changes);
            (applied, has_changes)
        });
        self.registered.store(page.registered, Release);
        if let Some(place) = page.place {
            self.others.store(place.others, Relaxed);
        }
        // Commits without a number may precede this poll, and are missing from the list.
        if !page.registered || !page.is_whole {
            self.feed_state.send_modify(|_| {});
            return applied;
        }
        let since_origin = sent.saturating_duration_since(self.origin).as_micros();
        let confirmed_us = u64::try_from(since_origin)
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        self.confirmed_us.store(confirmed_us, Release);
        self.feed_state.send_replace(FeedState::At(sent));
        applied
    }

    /// Takes in what another replica found. It confirms nothing, as only a poll of one's own does.
    pub(super) fn merge_announcement(&self, announcement: &Announcement) -> MergeOutcome {
        let merged = self.update(|versions| {
            let merged = versions.merge_announcement(announcement);
            (merged, merged == MergeOutcome::Changes)
        });
        self.feed_state.send_modify(|_| {});
        merged
    }

    /// Notes that a poll failed.
    pub(super) fn mark_disconnected(&self) {
        self.feed_state.send_if_modified(|feed_state| {
            let (before, is_changed) = match *feed_state {
                FeedState::Never => (None, true),
                FeedState::At(sent) => (Some(sent), true),
                FeedState::Disconnected(sent) => (sent, false),
            };
            *feed_state = FeedState::Disconnected(before);
            is_changed
        });
    }

    /// How long ago the last answered poll was sent, if there was one.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.confirmed_at().map(|sent| sent.elapsed())
    }

    /// When the last answered poll was sent, if there was one.
    fn confirmed_at(&self) -> Option<Instant> {
        let sent_us = self.confirmed_us.load(Acquire).checked_sub(1)?;
        Some(self.origin + Duration::from_micros(sent_us))
    }

    /// The age, while it is small enough to call answers fresh.
    #[must_use]
    pub fn fresh_age(&self) -> Option<Duration> {
        self.age().filter(|age| *age <= self.max_staleness)
    }

    /// What can be said of entries that are found valid after this.
    pub(super) fn snapshot(&self) -> Snapshot {
        // First the age, then what it vouches for.
        let age = self.fresh_age();
        let (version, era) = self.version_and_era();
        Snapshot { age, version, era }
    }

    /// How old an answer may be and still be called fresh.
    pub(super) fn max_staleness(&self) -> Duration {
        self.max_staleness
    }

    /// Whether no known commit since the entry's stamp changed what it depends on.
    ///
    /// Ask for the age *before* this: then the changes that the age vouches for are looked at.
    pub(super) fn is_valid(&self, key: &ReadKey, entry: &CacheEntry) -> bool {
        let generation = self.generation.load(Acquire);
        if entry.valid_in.load(Acquire) == generation {
            return true;
        }
        let versions = self.versions.read();
        // Under the lock the generation stands still.
        let generation = self.generation.load(Acquire);
        let valid = versions.is_valid(key, entry.stamp, entry.era);
        if valid {
            entry.valid_in.store(generation, Release);
        }
        valid
    }

    /// When the entry was current for certain, as far as polls tell: by the last one if that left it valid, else by the last
    /// one before the change after which it was not valid any more.
    pub(super) fn current_at(&self, key: &ReadKey, entry: &CacheEntry) -> Option<Instant> {
        // First the time, then what it vouches for.
        let confirmed_at = self.confirmed_at();
        if self.is_valid(key, entry) {
            return confirmed_at;
        }
        let valid_in = entry.valid_in.load(Acquire);
        self.ended.lock().confirmed_at(valid_in)
    }

    /// Whether the entry must not be served even as a stale one: a hard invalidation named it, or its history is another.
    pub(super) fn is_revoked(&self, key: &ReadKey, entry: &CacheEntry) -> bool {
        self.versions.read().is_revoked(key, entry.stamp, entry.era)
    }

    /// The lowest stamp that an entry of `key` can have and be valid.
    pub(super) fn floor(&self, key: &ReadKey) -> Stamp {
        let versions = self.versions.read();
        Stamp {
            timeline: versions.applied.timeline,
            seq: versions.last_change(key),
        }
    }

    /// The newest version applied here. Its database is 0 before the first poll.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version_and_era().0
    }

    /// The newest version applied here, and the era that it is of.
    fn version_and_era(&self) -> (Version, u64) {
        let versions = self.versions.read();
        (versions.version(), versions.era)
    }

    /// The newest version that the entry is known to show; none when it is of another history than
    /// that of which something is known here.
    pub(super) fn version_shown(&self, key: &ReadKey, entry: &CacheEntry) -> Option<Version> {
        let versions = self.versions.read();
        if entry.era != versions.era {
            return None;
        }
        let known = versions.version();
        Some(if versions.is_valid(key, entry.stamp, entry.era) {
            known.shown_by(entry.stamp)
        } else {
            Version {
                stamp: entry.stamp,
                ..known
            }
        })
    }

    /// The newest version applied here, and the era that reads begin in now; `None` before the first poll.
    pub(super) fn known(&self) -> Option<(Version, u64)> {
        Some(self.version_and_era()).filter(|(_, era)| *era > 0)
    }

    /// Tells the newest commit that may have changed flags or settings, whenever it is another one.
    #[must_use]
    pub fn flag_changes(&self) -> watch::Receiver<Version> {
        self.flags.subscribe()
    }

    /// Updates the versions. Where `update` tells of changes, entries must be checked again, and who follows flags
    /// learns of the newest commit that may have changed them.
    fn update<T>(&self, update: impl FnOnce(&mut TagVersions) -> (T, bool)) -> T {
        let mut versions = self.versions.write();
        let (result, has_changes) = update(&mut versions);
        if has_changes {
            let generation = self.generation.fetch_add(1, Release);
            // What this poll confirms is not confirmed yet.
            self.ended.lock().end(generation, self.confirmed_at());
            let mut newest = versions.version();
            newest.stamp.seq = versions.newest_of(Tag::Flags);
            self.flags
                .send_if_modified(|known| std::mem::replace(known, newest) != newest);
        }
        result
    }

    /// Asks the feed for a poll and waits until it is answered and the state is fresh again, but
    /// no longer than `within`, and not at all while the database is known to be lost.
    pub(super) async fn confirm(&self, within: Duration) -> bool {
        let asked = Instant::now();
        let mut feed_state = self.feed_state.subscribe();
        if matches!(*feed_state.borrow(), FeedState::Disconnected(_)) {
            return false;
        }
        self.poll_wanted.notify_one();
        let answered = feed_state.wait_for(|feed_state| match feed_state {
            FeedState::At(sent) => *sent >= asked,
            FeedState::Disconnected(_) => true,
            FeedState::Never => false,
        });
        let is_answered = timeout_at(asked + within, answered)
            .await
            .is_ok_and(|told| told.is_ok_and(|told| matches!(*told, FeedState::At(_))));
        is_answered && self.fresh_age().is_some()
    }

    /// Waits until `version` was applied here, up to `deadline`. Tells whether it was.
    pub(super) async fn reach(&self, version: Version, deadline: Instant) -> bool {
        if self.version().reaches(version) {
            return true;
        }
        let mut feed_state = self.feed_state.subscribe();
        self.poll_wanted.notify_one();
        let reached = feed_state.wait_for(|_| self.version().reaches(version));
        matches!(timeout_at(deadline, reached).await, Ok(Ok(_)))
    }

    /// Whether the last poll found this replica in the registry.
    pub(super) fn is_registered(&self) -> bool {
        self.registered.load(Acquire)
    }

    /// How long one replica waits so that the fleet acts once per `interval`.
    pub(super) fn share(&self, interval: Duration) -> Duration {
        interval.saturating_mul(self.others.load(Relaxed).saturating_add(1))
    }

    /// Waits until a poll was answered for the first time: what is read before is not kept.
    pub async fn first_poll(&self) {
        let mut feed_state = self.feed_state.subscribe();
        // The sender lives as long as `self`.
        let _ = feed_state
            .wait_for(|feed_state| matches!(feed_state, FeedState::At(_)))
            .await;
    }

    /// Waits until somebody wants a poll now.
    pub(super) async fn poll_wanted(&self) {
        self.poll_wanted.notified().await;
    }

    /// Makes the next poll come now.
    pub(super) fn want_poll(&self) {
        self.poll_wanted.notify_one();
    }

    /// Waits until a poll has failed, unless the last one has.
    pub(super) async fn lost(&self) {
        let mut feed_state = self.feed_state.subscribe();
        let lost =
            feed_state.wait_for(|feed_state| matches!(feed_state, FeedState::Disconnected(_)));
        // The sender lives as long as `self`, so there is always something to wait for.
        drop(lost.await);
    }

    /// Whether the last poll failed.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(*self.feed_state.borrow(), FeedState::Disconnected(_))
    }
}

fn is_empty(changes: &Changes) -> bool {
    match changes {
        Changes::All(all) => all.is_empty(),
        Changes::Lost => false,
    }
}
