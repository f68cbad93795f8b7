//! What one edge is still to be purged of: now, and again later. Pure: the moment is an argument.
use std::time::Duration;

use tokio::{sync::oneshot, time::Instant};

use super::purge_set::PurgeSet;
use crate::domain::{EdgeFailure, Tag};

/// Repeats that are due closer together than this go together, so that a flood of commits makes few of them.
const REPEAT_WINDOW: Duration = Duration::from_millis(200);

/// Who waits for a purge gets its result.
pub(super) type Waiter = oneshot::Sender<Result<(), EdgeFailure>>;

/// The tags that one edge is still to be purged of.
#[derive(Debug, Default)]
pub(super) struct PurgeQueue {
    now: PurgeSet,
    again: Vec<Repeat>,
    waiters: Vec<Waiter>,
}

/// Tags that are to be purged once more.
#[derive(Debug)]
struct Repeat {
    /// The earliest moment that one of its tags was wanted for.
    first: Instant,
    /// The latest of these, when all of them are purged.
    due: Instant,
    tags: PurgeSet,
}

/// One round of purges.
#[derive(Debug, Default)]
pub(super) struct Round {
    pub(super) tags: PurgeSet,
    pub(super) waiters: Vec<Waiter>,
}

impl PurgeQueue {
    /// Adds tags to purge at once.
    pub(super) fn add(&mut self, tags: &[Tag], hard: bool) {
        self.now.add(tags.iter().copied(), hard);
    }

    /// Adds tags to purge at `due`.
    pub(super) fn add_later(&mut self, tags: &[Tag], hard: bool, due: Instant) {
        let mut repeats = self.again.iter_mut();
        let same =
            |repeat: &&mut Repeat| repeat.first <= due && due <= repeat.first + REPEAT_WINDOW;
        if let Some(repeat) = repeats.find(same) {
            repeat.due = repeat.due.max(due);
            repeat.tags.add(tags.iter().copied(), hard);
            return;
        }
        let mut set = PurgeSet::default();
        set.add(tags.iter().copied(), hard);
        if !set.is_empty() {
            self.again.push(Repeat {
                first: due,
                due,
                tags: set,
            });
        }
    }

    /// Has `waiter` told how the next round ends.
    pub(super) fn await_next(&mut self, waiter: Waiter) {
        // Who went away meanwhile needs no place.
        self.waiters.retain(|waiter| !waiter.is_closed());
        self.waiters.push(waiter);
    }

    /// Takes what is due at `moment`; all there is, where that is `None`.
    pub(super) fn take(&mut self, moment: Option<Instant>) -> Round {
        let is_due = |repeat: &mut Repeat| moment.is_none_or(|moment| repeat.due <= moment);
        let repeats: Vec<_> = self.again.extract_if(.., is_due).collect();
        let mut tags = std::mem::take(&mut self.now);
        for repeat in repeats {
            tags.merge(repeat.tags);
        }
        Round {
            tags,
            waiters: std::mem::take(&mut self.waiters),
        }
    }

    /// Takes back tags whose purge failed.
    pub(super) fn put_back(&mut self, tags: PurgeSet) {
        self.now.merge(tags);
    }

    /// When there is something to do; `None` if there is nothing.
    pub(super) fn next(&self, moment: Instant) -> Option<Instant> {
        if !self.now.is_empty() || !self.waiters.is_empty() {
            return Some(moment);
        }
        self.again.iter().map(|repeat| repeat.due).min()
    }

    /// How many tags are to be purged now.
    pub(super) fn waiting_tags(&self) -> usize {
        self.now.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Difficulty;

    const MS: Duration = Duration::from_millis(1);
    const TAGS: [Tag; 3] = [
        Tag::Difficulty(Difficulty::Beginner),
        Tag::Difficulty(Difficulty::Intermediate),
        Tag::Difficulty(Difficulty::Advanced),
    ];

    #[test]
    fn tags_are_purged_at_once_and_again_when_their_time_has_come() {
        let (mut queue, start) = (PurgeQueue::default(), Instant::now());
        assert_eq!(queue.next(start), None);
        queue.add(&TAGS[..1], false);
        queue.add_later(&TAGS[..1], false, start + 100 * MS);
        assert_eq!(queue.next(start), Some(start));
        assert_eq!(
            queue.take(Some(start)).tags.purges(),
            [(TAGS[..1].to_vec(), false)]
        );
        assert_eq!(queue.next(start), Some(start + 100 * MS));
        assert!(queue.take(Some(start + 99 * MS)).tags.is_empty());
        let again = queue.take(Some(start + 100 * MS)).tags;
        assert_eq!(again.purges(), [(TAGS[..1].to_vec(), false)]);
        assert_eq!(queue.next(start), None, "and no third time");
    }

    #[test]
    fn a_flood_makes_few_repeats_and_puts_none_off() {
        let (mut queue, start) = (PurgeQueue::default(), Instant::now());
        for ms in 0..1_000 {
            queue.add_later(&TAGS[..1], false, start + ms * MS);
        }
        assert!(queue.again.len() <= 5, "{}", queue.again.len());
        assert!(
            queue
                .next(start)
                .is_some_and(|next| next <= start + 200 * MS)
        );
        let late = |repeat: &Repeat| repeat.due - repeat.first > REPEAT_WINDOW;
        assert!(!queue.again.iter().any(late));
    }

    #[test]
    fn who_leaves_takes_all_along() {
        let (mut queue, start) = (PurgeQueue::default(), Instant::now());
        queue.add(&TAGS[..1], false);
        queue.add_later(&TAGS[..1], false, start + 100 * MS);
        queue.add_later(&TAGS[1..], true, start + 2_000 * MS);
        assert_eq!(queue.take(None).tags.len(), 3);
        assert_eq!(queue.next(start), None);
    }

    #[test]
    fn a_waiter_has_a_round_even_without_tags_of_its_own() {
        let (mut queue, start) = (PurgeQueue::default(), Instant::now());
        let (waiter, _receiver) = oneshot::channel();
        queue.await_next(waiter);
        assert_eq!(queue.next(start), Some(start));
        assert_eq!(queue.take(Some(start)).waiters.len(), 1);
        let gone = oneshot::channel().0;
        queue.await_next(gone);
        let (waiter, _receiver) = oneshot::channel();
        queue.await_next(waiter);
        assert_eq!(queue.take(Some(start)).waiters.len(), 1);
    }
}
