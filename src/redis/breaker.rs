//! A circuit breaker for one kind of access to one part of Redis.
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Keeps the cost of a Redis that fails away from callers.
///
/// Closed: every command is sent. After [`RedisBreaker::FAILURES`] failures in a row it
/// opens: for a pause none is sent. Then one command at a time is sent as a probe; its
/// success closes the breaker, its failure doubles the pause up to the longest.
///
/// Redis refuses by command: a server that is full still removes. So where a command was refused, only that command
/// shows that Redis works again, and the results of others say nothing.
#[derive(Debug)]
pub(super) struct RedisBreaker {
    state: Mutex<BreakerState>,
}

#[derive(Clone, Copy, Debug)]
struct BreakerState {
    failures: u32,
    /// The command that failed last, where it was refused.
    refused: Option<&'static str>,
    pause: Duration,
    /// While open: when the next probe may start. A probe moves it on, so that there is one.
    probe_from: Option<Instant>,
}

/// What an admitted command is to the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommandRole {
    /// One of many, while the breaker is closed.
    Normal,
    /// The only one while the breaker is open; its outcome decides whether it closes.
    Probe,
}

/// How a command ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CommandOutcome {
    Worked,
    /// Redis answered, but that does not show whether reads (or writes) work.
    Inconclusive,
    /// Redis answered with this error.
    Refused(String),
    /// Redis did not answer, for this reason.
    Unanswered(String),
}

/// What an outcome changed in the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transition {
    /// The breaker is open, since now or before.
    IsOpen,
    /// The breaker closed: Redis works again.
    Closed,
    /// The breaker is as it was.
    Unchanged,
}

impl RedisBreaker {
    /// How many failures in a row open it.
    const FAILURES: u32 = 3;
    const FIRST_PAUSE: Duration = Duration::from_millis(250);
    const LONGEST_PAUSE: Duration = Duration::from_secs(5);

    pub(super) fn closed() -> Self {
        Self {
            state: Mutex::new(BreakerState::CLOSED),
        }
    }

    /// Whether this command may be sent now, and as what.
    pub(super) fn admit(&self, command: &'static str) -> Option<CommandRole> {
        let mut state = self.lock();
        let Some(probe_from) = state.probe_from else {
            return Some(CommandRole::Normal);
        };
        let now = Instant::now();
        if now < probe_from || !state.is_decided_by(command) {
            return None;
        }
        state.probe_from = Some(now + state.pause);
        Some(CommandRole::Probe)
    }

    /// Whether only a probe may be sent.
    pub(super) fn is_open(&self) -> bool {
        self.lock().probe_from.is_some()
    }

    /// Takes in how a command ended.
    ///
    /// Failures of commands that were under way when it opened do not lengthen the pause. Where it `is_known` that
    /// Redis fails elsewhere, one failure is enough.
    pub(super) fn report(
        &self,
        role: CommandRole,
        command: &'static str,
        outcome: &CommandOutcome,
        is_known: bool,
    ) -> Transition {
        let mut state = self.lock();
        let was_open = state.probe_from.is_some();
        let refused = match outcome {
            CommandOutcome::Inconclusive => return Transition::Unchanged,
            CommandOutcome::Worked if !state.is_decided_by(command) => {
                return Transition::Unchanged;
            }
            CommandOutcome::Worked => {
                *state = BreakerState::CLOSED;
                return if was_open {
                    Transition::Closed
                } else {
                    Transition::Unchanged
                };
            }
            CommandOutcome::Refused(_) => Some(command),
            CommandOutcome::Unanswered(_) => None,
        };
        match (was_open, role) {
            (true, CommandRole::Normal) => return Transition::IsOpen,
            (true, CommandRole::Probe) => state.pause = (state.pause * 2).min(Self::LONGEST_PAUSE),
            (false, CommandRole::Normal | CommandRole::Probe) => state.failures += 1,
        }
        state.refused = refused;
        if !was_open && !is_known && state.failures < Self::FAILURES {
            return Transition::Unchanged;
        }
        state.probe_from = Some(Instant::now() + state.pause);
        Transition::IsOpen
    }

    fn lock(&self) -> MutexGuard<'_, BreakerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BreakerState {
    const CLOSED: Self = Self {
        failures: 0,
        refused: None,
        pause: RedisBreaker::FIRST_PAUSE,
        probe_from: None,
    };

    /// Whether a success of `command` closes the breaker.
    fn is_decided_by(&self, command: &'static str) -> bool {
        self.refused.is_none_or(|refused| refused == command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &str = "GET";
    const SET: &str = "SET";

    fn report(breaker: &RedisBreaker, role: CommandRole, worked: bool) -> Transition {
        let outcome = if worked {
            CommandOutcome::Worked
        } else {
            CommandOutcome::Unanswered(String::new())
        };
        breaker.report(role, GET, &outcome, false)
    }

    fn opened() -> RedisBreaker {
        let breaker = RedisBreaker::closed();
        let turns = [false; 3].map(|worked| report(&breaker, CommandRole::Normal, worked));
        assert_eq!(
            turns,
            [
                Transition::Unchanged,
                Transition::Unchanged,
                Transition::IsOpen
            ]
        );
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn three_failures_in_a_row_open_it_and_others_do_not() {
        let breaker = RedisBreaker::closed();
        for worked in [false, false, true, false, false] {
            assert_eq!(
                report(&breaker, CommandRole::Normal, worked),
                Transition::Unchanged
            );
        }
        assert_eq!(breaker.admit(GET), Some(CommandRole::Normal));
        assert_eq!(opened().admit(GET), None);
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_pause_one_probe_goes_through_and_its_success_closes_it() {
        let breaker = opened();
        tokio::time::advance(RedisBreaker::FIRST_PAUSE).await;
        assert_eq!(breaker.admit(GET), Some(CommandRole::Probe));
        assert_eq!(breaker.admit(GET), None, "nobody beside the probe");
        assert_eq!(
            report(&breaker, CommandRole::Probe, true),
            Transition::Closed
        );
        assert_eq!(breaker.admit(GET), Some(CommandRole::Normal));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_probe_doubles_the_pause_up_to_the_longest() {
        let breaker = opened();
        for _ in 0..9 {
            tokio::time::advance(RedisBreaker::LONGEST_PAUSE).await;
            assert_eq!(breaker.admit(GET), Some(CommandRole::Probe));
            assert_eq!(
                report(&breaker, CommandRole::Probe, false),
                Transition::IsOpen
            );
        }
        tokio::time::advance(Duration::from_millis(4_999)).await;
        assert_eq!(breaker.admit(GET), None);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(breaker.admit(GET), Some(CommandRole::Probe));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_that_were_under_way_do_not_lengthen_the_pause() {
        let breaker = opened();
        for _ in 0..9 {
            assert_eq!(
                report(&breaker, CommandRole::Normal, false),
                Transition::IsOpen
            );
        }
        tokio::time::advance(RedisBreaker::FIRST_PAUSE).await;
        assert_eq!(breaker.admit(GET), Some(CommandRole::Probe));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_is_broken_until_the_same_command_works() {
        let breaker = RedisBreaker::closed();
        let refused = CommandOutcome::Refused(String::new());
        for _ in 0..3 {
            breaker.report(CommandRole::Normal, GET, &CommandOutcome::Worked, false);
            breaker.report(CommandRole::Normal, SET, &refused, false);
        }
        tokio::time::advance(RedisBreaker::FIRST_PAUSE).await;
        assert_eq!(breaker.admit(GET), None, "it would find nothing out");
        assert_eq!(
            breaker.report(CommandRole::Probe, GET, &CommandOutcome::Worked, false),
            Transition::Unchanged
        );
        assert_eq!(breaker.admit(SET), Some(CommandRole::Probe));
        assert_eq!(
            breaker.report(CommandRole::Probe, SET, &CommandOutcome::Worked, false),
            Transition::Closed
        );
        assert_eq!(breaker.admit(GET), Some(CommandRole::Normal));
    }
}
