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
#[derive(Debug)]
pub(super) struct Breaker {
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    failures: u32,
    pause: Duration,
    /// While open: when the next probe may start. A probe moves it on, so that there is one.
    probe_from: Option<Instant>,
}

/// A call that may try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// One of many, while all is well.
    Ordinary,
    /// The one that finds out whether it works again.
    Probe,
}

/// What a report changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It went from working to broken.
    Opened,
    /// It works again.
    Closed,
    /// Nothing to tell.
    None,
}

impl Breaker {
    /// So many failures in a row open it.
    const FAILURES: u32 = 3;
    const FIRST_PAUSE: Duration = Duration::from_millis(250);
    const LONGEST_PAUSE: Duration = Duration::from_secs(5);

    pub(super) fn closed() -> Self {
        let state = State {
            failures: 0,
            pause: Self::FIRST_PAUSE,
            probe_from: None,
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// Whether a call may try now, and as what.
    pub(super) fn admit(&self) -> Option<Attempt> {
        let mut state = self.lock();
        let Some(probe_from) = state.probe_from else {
            return Some(Attempt::Ordinary);
        };
        let now = Instant::now();
        if now < probe_from {
            return None;
        }
        state.probe_from = Some(now + state.pause);
        Some(Attempt::Probe)
    }

    /// Whether nobody but a probe may try.
    pub(super) fn is_open(&self) -> bool {
        self.lock().probe_from.is_some()
    }

    /// Tells how an attempt went.
    ///
    /// Failures of calls that were under way when it opened say nothing new.
    pub(super) fn report(&self, attempt: Attempt, worked: bool) -> Turn {
        let mut state = self.lock();
        let was_open = state.probe_from.is_some();
        if worked {
            *state = State {
                failures: 0,
                pause: Self::FIRST_PAUSE,
                probe_from: None,
            };
            return if was_open { Turn::Closed } else { Turn::None };
        }
        match (was_open, attempt) {
            (true, Attempt::Ordinary) => return Turn::None,
            (true, Attempt::Probe) => {
                state.pause = (state.pause * 2).min(Self::LONGEST_PAUSE);
                state.probe_from = Some(Instant::now() + state.pause);
                return Turn::None;
            }
            (false, Attempt::Ordinary | Attempt::Probe) => state.failures += 1,
        }
        if state.failures < Self::FAILURES {
            return Turn::None;
        }
        state.probe_from = Some(Instant::now() + state.pause);
        Turn::Opened
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened() -> Breaker {
        let breaker = Breaker::closed();
        let turns = [false; 3].map(|worked| breaker.report(Attempt::Ordinary, worked));
        assert_eq!(turns, [Turn::None, Turn::None, Turn::Opened]);
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn three_failures_in_a_row_open_it_and_others_do_not() {
        let breaker = Breaker::closed();
        for worked in [false, false, true, false, false] {
            assert_eq!(breaker.report(Attempt::Ordinary, worked), Turn::None);
        }
        assert_eq!(breaker.admit(), Some(Attempt::Ordinary));
        assert_eq!(opened().admit(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_pause_one_probe_goes_through_and_its_success_closes_it() {
        let breaker = opened();
        tokio::time::advance(Breaker::FIRST_PAUSE).await;
        assert_eq!(breaker.admit(), Some(Attempt::Probe));
        assert_eq!(breaker.admit(), None, "nobody beside the probe");
        assert_eq!(breaker.report(Attempt::Probe, true), Turn::Closed);
        assert_eq!(breaker.admit(), Some(Attempt::Ordinary));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_probe_doubles_the_pause_up_to_the_longest() {
        let breaker = opened();
        for _ in 0..9 {
            tokio::time::advance(Breaker::LONGEST_PAUSE).await;
            assert_eq!(breaker.admit(), Some(Attempt::Probe));
            assert_eq!(breaker.report(Attempt::Probe, false), Turn::None);
        }
        tokio::time::advance(Duration::from_millis(4_999)).await;
        assert_eq!(breaker.admit(), None);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(breaker.admit(), Some(Attempt::Probe));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_that_were_under_way_do_not_lengthen_the_pause() {
        let breaker = opened();
        for _ in 0..9 {
            assert_eq!(breaker.report(Attempt::Ordinary, false), Turn::None);
        }
        tokio::time::advance(Breaker::FIRST_PAUSE).await;
        assert_eq!(breaker.admit(), Some(Attempt::Probe));
    }
}
