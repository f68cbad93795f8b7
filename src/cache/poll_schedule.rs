//! When a replica polls after a notification.
//!
//! All of the fleet get a notification. The replica in the first place polls, and announces to the others what it found;
//! each of these polls too when that takes longer than it should. So a commit costs the database about one poll,
//! however many replicas there are.
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::FleetPlace;

/// Shortest time between two polls that notifications cause; [`STEADY_GAP`] while notifications do not pause.
const FIRST_GAP: Duration = Duration::from_millis(20);
/// The same while notifications do not pause: a flood of commits costs the database about 20 polls a second.
const STEADY_GAP: Duration = Duration::from_millis(45);
/// How much longer each replica waits than the one before it.
const STEP: Duration = Duration::from_millis(15);
/// No replica waits longer than the one at this place: the first ones may all be gone.
const LAST_PLACE: u32 = 5;

/// When the next poll after a notification is due.
#[derive(Debug)]
pub(super) struct PollSchedule {
    /// When this replica last polled, or got the announcement of another one.
    last_poll: Instant,
    gap: Duration,
    due: Option<Instant>,
    /// Whether a notification came within the gap since then.
    is_hurried: bool,
    place: Option<FleetPlace>,
}

impl PollSchedule {
    /// Of a replica that has not polled yet.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            last_poll: now,
            gap: FIRST_GAP,
            due: None,
            is_hurried: false,
            place: None,
        }
    }

    /// Sets the place of the replica in the fleet.
    pub(super) fn set_place(&mut self, place: FleetPlace) {
        self.place = Some(place);
    }

    /// Whether there are others to announce to.
    pub(super) fn has_others(&self) -> bool {
        self.place.is_some_and(|place| place.others > 0)
    }

    /// Whether this replica is one of the two that stand first, as far as it knows.
    pub(super) fn is_among_first(&self) -> bool {
        self.place.is_none_or(|place| place.before < 2)
    }

    /// Records that at `at` a poll was sent, or an announcement came, which answers all earlier notifications.
    pub(super) fn record_poll(&mut self, at: Instant) {
        self.gap = if self.is_hurried {
            STEADY_GAP
        } else {
            FIRST_GAP
        };
        self.last_poll = at;
        self.due = None;
        self.is_hurried = false;
    }

    /// Notes a notification.
    pub(super) fn notified(&mut self, now: Instant) {
        let before = self.place.map_or(0, |place| place.before);
        self.poll_after(now, STEP * before.min(LAST_PLACE));
    }

    /// Notes that this replica has to poll, whoever else does.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.poll_after(now, Duration::ZERO);
    }

    /// When to poll; `None` if no notification is pending.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    fn poll_after(&mut self, now: Instant, turn: Duration) {
        let free = self.last_poll + self.gap;
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
        schedule.set_place(FleetPlace { before, others: 9 });
        (schedule, now)
    }

    #[test]
    fn each_replica_gives_those_before_it_time_to_poll() {
        for (before, wait) in [(0, 0), (1, 15), (4, 60), (5, 75), (3_000, 75)] {
            let (mut schedule, start) = schedule(before);
            let now = start + 100 * MS;
            schedule.notified(now);
            assert_eq!(schedule.due(), Some(now + wait * MS), "{before}");
        }
    }

    #[test]
    fn what_another_replica_found_is_not_polled_for_again() {
        let (mut schedule, start) = schedule(3);
        schedule.notified(start + 100 * MS);
        schedule.record_poll(start + 104 * MS);
        assert_eq!(schedule.due(), None);
    }

    #[test]
    fn polls_keep_a_gap_that_grows_while_notifications_do_not_pause() {
        let (mut schedule, start) = schedule(0);
        schedule.notified(start + MS);
        assert_eq!(schedule.due(), Some(start + FIRST_GAP));
        schedule.record_poll(start + FIRST_GAP);
        schedule.notified(start + FIRST_GAP + MS);
        assert_eq!(schedule.due(), Some(start + FIRST_GAP + STEADY_GAP));
        schedule.record_poll(start + FIRST_GAP + STEADY_GAP);
        let late = start + 1_000 * MS;
        schedule.notified(late);
        assert_eq!(schedule.due(), Some(late));
        schedule.record_poll(late);
        schedule.notified(late + MS);
        assert_eq!(schedule.due(), Some(late + FIRST_GAP));
    }

    #[test]
    fn a_further_notification_puts_nothing_off() {
        let (mut schedule, start) = schedule(2);
        schedule.notified(start + 100 * MS);
        schedule.notified(start + 108 * MS);
        assert_eq!(schedule.due(), Some(start + 130 * MS));
    }
}
