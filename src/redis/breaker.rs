//! A circuit breaker for one kind of access to one part of Redis.
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Keeps the cost of a broken dependency away from callers.
///
/// Closed: every call may try. After [`Breaker::FAILURES`] failures in a row it
/// opens: for a pause nobody tries. Then one call at a time may probe; its
/// success closes the breaker, its failure doubles the pause up to the longest.
///
/// Redis refuses by command: a server that is full still removes. So where a command was refused, only that command
/// shows that Redis works again, and the results of others say nothing.
#[derive(Debug)]
pub(super) struct Breaker {
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    failures: u32,
    /// The command that failed last, where it was refused.
    refused: Option<&'static str>,
    pause: Duration,
    /// While open: when the next probe may start. A probe moves it on, so that there is one.
    probe_from: Option<Instant>,
}

/// What an admitted call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// One of many, while the breaker is closed.
    Ordinary,
    /// The only one while the breaker is open; its result decides whether it closes.
    Probe,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AttemptResult {
    Worked,
    Refused,
    Unanswered,
}

/// What a report changed in the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transition {
    /// It is broken, since now or before.
    IsOpen,
    /// It works again.
    Closed,
    /// The breaker is as it was.
    Unchanged,
}

impl Breaker {
    /// How many failures in a row open it.
    const FAILURES: u32 = 3;
    const FIRST_PAUSE: Duration = Duration::from_millis(250);
    const LONGEST_PAUSE: Duration = Duration::from_secs(5);

    pub(super) fn closed() -> Self {
        Self {
            state: Mutex::new(State::WELL),
        }
    }

    /// Whether a call may try this command now, and as what.
    pub(super) fn admit(&self, command: &'static str) -> Option<Attempt> {
        let mut state = self.lock();
        let Some(probe_from) = state.probe_from else {
            return Some(Attempt::Ordinary);
        };
        let now = Instant::now();
        if now < probe_from || !state.is_decided_by(command) {
            return None;
        }
        state.probe_from = Some(now + state.pause);
        Some(Attempt::Probe)
    }

    /// Whether nobody but a probe may try.
    pub(super) fn is_open(&self) -> bool {
        self.lock().probe_from.is_some()
    }

    /// Takes in how an attempt ended.
    ///
    /// Failures of calls that were under way when it opened do not lengthen the pause. Where it `is_known` that
    /// something is broken, one failure is enough.
    pub(super) fn report(
        &self,
        attempt: Attempt,
        command: &'static str,
        result: AttemptResult,
        is_known: bool,
    ) -> Transition {
        let mut state = self.lock();
        let was_open = state.probe_from.is_some();
        let refused = match result {
            AttemptResult::Worked if !state.is_decided_by(command) => return Transition::Unchanged,
            AttemptResult::Worked => {
                *state = State::WELL;
                return if was_open {
                    Transition::Closed
                } else {
                    Transition::Unchanged
                };
            }
            AttemptResult::Refused => Some(command),
            AttemptResult::Unanswered => None,
        };
        match (was_open, attempt) {
            (true, Attempt::Ordinary) => return Transition::IsOpen,
            (true, Attempt::Probe) => state.pause = (state.pause * 2).min(Self::LONGEST_PAUSE),
            (false, Attempt::Ordinary | Attempt::Probe) => state.failures += 1,
        }
        state.refused = refused;
        if !was_open && !is_known && state.failures < Self::FAILURES {
            return Transition::Unchanged;
        }
        state.probe_from = Some(Instant::now() + state.pause);
        Transition::IsOpen
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    const WELL: Self = Self {
        failures: 0,
        refused: None,
        pause: Breaker::FIRST_PAUSE,
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

    fn tell(breaker: &Breaker, attempt: Attempt, worked: bool) -> Transition {
        let result = if worked {
            AttemptResult::Worked
        } else {
            AttemptResult::Unanswered
        };
        breaker.report(attempt, GET, result, false)
    }

    fn opened() -> Breaker {
        let breaker = Breaker::closed();
        let turns = [false; 3].map(|worked| tell(&breaker, Attempt::Ordinary, worked));
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
        let breaker = Breaker::closed();
        for worked in [false, false, true, false, false] {
            assert_eq!(
                tell(&breaker, Attempt::Ordinary, worked),
                Transition::Unchanged
            );
        }
        assert_eq!(breaker.admit(GET), Some(Attempt::Ordinary));
        assert_eq!(opened().admit(GET), None);
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_pause_one_probe_goes_through_and_its_success_closes_it() {
        let breaker = opened();
        tokio::time::advance(Breaker::FIRST_PAUSE).await;
        assert_eq!(breaker.admit(GET), Some(Attempt::Probe));
        assert_eq!(breaker.admit(GET), None, "nobody beside the probe");
        assert_eq!(tell(&breaker, Attempt::Probe, true), Transition::Closed);
        assert_eq!(breaker.admit(GET), Some(Attempt::Ordinary));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_probe_doubles_the_pause_up_to_the_longest() {
        let breaker = opened();
        for _ in 0..9 {
            tokio::time::advance(Breaker::LONGEST_PAUSE).await;
            assert_eq!(breaker.admit(GET), Some(Attempt::Probe));
            assert_eq!(tell(&breaker, Attempt::Probe, false), Transition::IsOpen);
        }
        tokio::time::advance(Duration::from_millis(4_999)).await;
        assert_eq!(breaker.admit(GET), None);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(breaker.admit(GET), Some(Attempt::Probe));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_that_were_under_way_do_not_lengthen_the_pause() {
        let breaker = opened();
        for _ in 0..9 {
            assert_eq!(tell(&breaker, Attempt::Ordinary, false), Transition::IsOpen);
        }
        tokio::time::advance(Breaker::FIRST_PAUSE).await;
        assert_eq!(breaker.admit(GET), Some(Attempt::Probe));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_is_broken_until_the_same_command_works() {
        let breaker = Breaker::closed();
        for _ in 0..3 {
            breaker.report(Attempt::Ordinary, GET, AttemptResult::Worked, false);
            breaker.report(Attempt::Ordinary, SET, AttemptResult::Refused, false);
        }
        tokio::time::advance(Breaker::FIRST_PAUSE).await;
        assert_eq!(breaker.admit(GET), None, "it would find nothing out");
        assert_eq!(
            breaker.report(Attempt::Probe, GET, AttemptResult::Worked, false),
            Transition::Unchanged
        );
        assert_eq!(breaker.admit(SET), Some(Attempt::Probe));
        assert_eq!(
            breaker.report(Attempt::Probe, SET, AttemptResult::Worked, false),
            Transition::Closed
        );
        assert_eq!(breaker.admit(GET), Some(Attempt::Ordinary));
    }
}
