//! Keeps the newest commit of every tag, and thereby decides whether an entry is valid. Pure: no I/O and no clock.
use std::collections::HashMap;

use super::entry::ReadKey;
use crate::domain::{Announcement, Change, Changes, DatabaseId, FeedPage, Stamp, Tag, Version};

/// Which commit last touched what.
#[derive(Debug, Default)]
pub(super) struct TagVersions {
    pub(super) database: DatabaseId,
    /// The newest commit that was applied.
    pub(super) applied: Stamp,
    /// Counts databases and timelines; entries of another era are never valid.
    pub(super) era: u64,
    /// Entries from before this commit are never valid.
    floor: u64,
    changed: HashMap<Tag, u64>,
    /// Like `floor` and `changed`, for entries that must not even be served as stale.
    hard_floor: u64,
    hard_changed: HashMap<Tag, u64>,
}

/// How many tags are remembered one by one; with more, the floor is raised.
const TAGS_MAX: usize = 1 << 16;

/// What one poll changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ApplyOutcome {
    /// Nothing, or what was listed.
    InOrder,
    /// The list had gaps: everything from before counts as changed.
    Resynced,
    /// Another database or timeline answered, or commits are gone from this one.
    NewEra,
}

/// What the announcement of another replica changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MergeOutcome {
    /// They are applied.
    Changes,
    /// All of it was known, or it is of another history.
    Nothing,
    /// Something between what is known here and the announcement is not known.
    Gap,
}

impl TagVersions {
    pub(super) fn apply(&mut self, page: &FeedPage) -> ApplyOutcome {
        let same_history = self.era > 0
            && page.database == self.database
            && page.head.timeline == self.applied.timeline
            && page.head.seq >= self.applied.seq;
        if !same_history {
            let era = self.era + 1;
            *self = Self {
                era,
                database: page.database,
                ..Self::default()
            };
            self.forget_all_before(page.head);
            return ApplyOutcome::NewEra;
        }
        let changes = match &page.changes {
            Changes::All(changes) => changes,
            Changes::Lost => {
                self.forget_all_before(page.head);
                return ApplyOutcome::Resynced;
            }
        };
        self.note_all(changes, page.head);
        ApplyOutcome::InOrder
    }

    /// Takes in what another replica found: it says nothing of the moment, but what it tells did happen.
    pub(super) fn merge_announcement(&mut self, announcement: &Announcement) -> MergeOutcome {
        let is_ours = self.era > 0
            && announcement.head.database == self.database
            && announcement.head.stamp.timeline == self.applied.timeline;
        if !is_ours || announcement.head.stamp.seq <= self.applied.seq {
            return MergeOutcome::Nothing;
        }
        if announcement.after_seq > self.applied.seq {
            return MergeOutcome::Gap;
        }
        self.note_all(&announcement.changes, announcement.head.stamp);
        MergeOutcome::Changes
    }

    fn note_all(&mut self, changes: &[Change], head: Stamp) {
        for change in changes {
            self.note(*change);
        }
        self.applied = head;
        if self.changed.len() > TAGS_MAX {
            self.floor = self.newest_change();
            self.changed.clear();
        }
        if self.hard_changed.len() > TAGS_MAX {
            self.hard_floor = self
                .hard_changed
                .values()
                .copied()
                .fold(self.hard_floor, u64::max);
            self.hard_changed.clear();
        }
    }

    /// The changes up to `head` are not known one by one. So entries older than `head` are invalid, and are not
    /// served stale either: a change among them may have been a hard invalidation.
    fn forget_all_before(&mut self, head: Stamp) {
        self.applied = head;
        self.floor = head.seq;
        self.hard_floor = head.seq;
        self.changed.clear();
        self.hard_changed.clear();
    }

    fn note(&mut self, change: Change) {
        let raise = |changed: &mut HashMap<Tag, u64>| {
            let seq = changed.entry(change.tag).or_default();
            *seq = change.seq.max(*seq);
        };
        raise(&mut self.changed);
        if change.hard {
            raise(&mut self.hard_changed);
        }
    }

    /// The newest version that was applied.
    pub(super) fn version(&self) -> Version {
        Version {
            database: self.database,
            stamp: self.applied,
        }
    }

    fn newest_change(&self) -> u64 {
        self.changed.values().copied().fold(self.floor, u64::max)
    }

    /// The newest commit that touched `tag`, or may have.
    pub(super) fn newest_of(&self, tag: Tag) -> u64 {
        let changed = self.changed.get(&tag).copied().unwrap_or(0);
        changed.max(self.floor)
    }

    /// The newest commit that touched what `key` depends on, or may have.
    pub(super) fn last_change(&self, key: &ReadKey) -> u64 {
        last_of(&self.changed, key).max(self.floor)
    }

    pub(super) fn is_valid(&self, key: &ReadKey, stamp: Stamp, era: u64) -> bool {
        era == self.era
            && stamp.timeline == self.applied.timeline
            && stamp.seq >= self.last_change(key)
    }

    /// Whether a hard invalidation, or another history, forbids to serve the entry even as a stale one.
    pub(super) fn is_revoked(&self, key: &ReadKey, stamp: Stamp, era: u64) -> bool {
        let hard = last_of(&self.hard_changed, key).max(self.hard_floor);
        era != self.era || stamp.timeline != self.applied.timeline || stamp.seq < hard
    }
}

/// The newest commit in `changed` that touched what `key` depends on.
fn last_of(changed: &HashMap<Tag, u64>, key: &ReadKey) -> u64 {
    let (tags, count) = key.tags();
    let of = |tag| changed.get(tag).copied().unwrap_or(0);
    tags.iter()
        .take(count)
        .map(of)
        .fold(of(&Tag::Everything), u64::max)
}
