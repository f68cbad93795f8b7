//! When a replica looks after a hint.
//!
//! All of the fleet hear a hint. The replica that stands first looks, and tells the others what it found; each
//! of these looks too when that takes longer than it should. So a commit costs the database about one look,
//! however many replicas there are.
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::Place;

/// A look after a hint comes so long after the one before; under hints without a pause, [`STEADY_GAP`].
const HINT_GAP: Duration = Duration::from_millis(20);
/// So a flood of commits costs the database no more than about 20 looks a second.
const STEADY_GAP: Duration = Duration::from_millis(45);
/// How much longer each replica waits than the one before it.
const STEP: Duration = Duration::from_millis(15);
/// No replica waits longer than the one at this place: the first ones may all be gone.
const LAST_PLACE: u32 = 5;

/// When the next look after a hint is due.
#[derive(Debug)]
pub(super) struct PollSchedule {
    /// When this replica last looked, or was told what another one found.
    looked: Instant,
    gap: Duration,
    due: Option<Instant>,
    /// Whether a hint came within the gap since then.
    is_hurried: bool,
    place: Option<Place>,
}

impl PollSchedule {
    /// Of a replica that has not looked yet.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            looked: now,
            gap: HINT_GAP,
            due: None,
            is_hurried: false,
            place: None,
        }
    }

    /// Takes in where the replica stands.
    pub(super) fn stand(&mut self, place: Place) {
        self.place = Some(place);
    }

    /// Whether anybody else has to be told.
    pub(super) fn has_others(&self) -> bool {
        self.place.is_some_and(|place| place.others > 0)
    }

    /// Notes that at `at` a poll was sent, or another replica told what it found: this answers all earlier hints.
    pub(super) fn looked(&mut self, at: Instant) {
        self.gap = if self.is_hurried {
            STEADY_GAP
        } else {
            HINT_GAP
        };
        self.looked = at;
        self.due = None;
        self.is_hurried = false;
    }

    /// Notes a hint.
    pub(super) fn hint(&mut self, now: Instant) {
        let before = self.place.map_or(0, |place| place.before);
        self.look_after(now, STEP * before.min(LAST_PLACE));
    }

    /// Notes that this replica has to look, whoever else does.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.look_after(now, Duration::ZERO);
    }

    /// When to poll; `None` if no hint is pending.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    fn look_after(&mut self, now: Instant, turn: Duration) {
        let free = self.looked + self.gap;
        self.is_hurried |= now < free;
        let due = now.max(free) + turn;
        self.due = Some(self.due.map_or(due, |before| before.min(due)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn schedule(before: u32) -> (PollSchedule, Instant) {
        let now = Instant::now();
        let mut schedule = PollSchedule::new(now);
        schedule.stand(Place { before, others: 9 });
        (schedule, now)
    }

    #[test]
    fn each_replica_gives_those_before_it_time_to_look() {
        for (before, wait) in [(0, 0), (1, 15), (4, 60), (5, 75), (3_000, 75)] {
            let (mut schedule, start) = schedule(before);
            let now = start + 100 * MS;
            schedule.hint(now);
            assert_eq!(schedule.due(), Some(now + wait * MS), "{before}");
        }
    }

    #[test]
    fn what_another_replica_found_is_not_looked_for_again() {
        let (mut schedule, start) = schedule(3);
        schedule.hint(start + 100 * MS);
        schedule.looked(start + 104 * MS);
        assert_eq!(schedule.due(), None);
    }

    #[test]
    fn looks_keep_a_gap_that_grows_while_hints_do_not_pause() {
        let (mut schedule, start) = schedule(0);
        schedule.hint(start + MS);
        assert_eq!(schedule.due(), Some(start + HINT_GAP));
        schedule.looked(start + HINT_GAP);
        schedule.hint(start + HINT_GAP + MS);
        assert_eq!(schedule.due(), Some(start + HINT_GAP + STEADY_GAP));
        schedule.looked(start + HINT_GAP + STEADY_GAP);
        let late = start + 1_000 * MS;
        schedule.hint(late);
        assert_eq!(schedule.due(), Some(late));
        schedule.looked(late);
        schedule.hint(late + MS);
        assert_eq!(schedule.due(), Some(late + HINT_GAP));
    }

    #[test]
    fn a_further_hint_puts_nothing_off() {
        let (mut schedule, start) = schedule(2);
        schedule.hint(start + 100 * MS);
        schedule.hint(start + 108 * MS);
        assert_eq!(schedule.due(), Some(start + 130 * MS));
    }
}
