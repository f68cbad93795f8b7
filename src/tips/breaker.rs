//! The circuit breaker of a provider. That of Redis is another one (ADR 6).
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Leaves a provider alone that fails again and again.
///
/// It is told how an attempt went when the stream is over, not when it begins: a provider that
/// accepts and then breaks off is unwell too. While half open it lets exactly one attempt through.
#[derive(Debug)]
pub(super) struct Breaker {
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    state: State,
    /// Whether the provider took no order from us when it was asked last.
    is_refusing: bool,
    /// Counts what came from outside, a key or an operator's word: what was let through before then says nothing
    /// any more.
    era: u32,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
        pause: Duration,
    },
    /// One attempt finds out; its verdict decides.
    Probing {
        pause: Duration,
    },
}

/// How an attempt went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// To its verified end.
    Success,
    /// The provider is unwell.
    Failure,
    /// It says nothing about the provider.
    Neutral,
    /// The provider takes no order from us, whatever is in it; it is asked again after this time.
    Refused(Duration),
}

/// What an outcome changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The provider is left alone from now on.
    Opened,
    /// The probe failed: it is left alone for another while.
    StaysOpen,
    Nothing,
}

/// The right to make one attempt. Dropped without a word it counts as [`Outcome::Neutral`].
#[derive(Debug)]
pub(super) struct Permit {
    breaker: Arc<Breaker>,
    is_probe: bool,
    era: u32,
    is_told: bool,
}

impl Breaker {
    /// So many failures in a row open it.
    pub(super) const FAILURES: u32 = 5;
    const FIRST_PAUSE: Duration = Duration::from_secs(5);
    const LONGEST_PAUSE: Duration = Duration::from_mins(1);

    pub(super) fn closed() -> Arc<Self> {
        let known = Known {
            state: State::Closed { failures: 0 },
            is_refusing: false,
            era: 0,
        };
        Arc::new(Self {
            known: Mutex::new(known),
        })
    }

    /// Whether an attempt may be made; else when to ask again.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Permit, Duration> {
        let mut known = self.lock();
        let now = Instant::now();
        let is_probe = match known.state {
            State::Closed { .. } => false,
            State::Open { until, pause } if until <= now => {
                known.state = State::Probing { pause };
                true
            }
            State::Open { until, .. } => return Err(until - now),
            State::Probing { pause } => return Err(pause),
        };
        let era = known.era;
        drop(known);
        Ok(Permit {
            breaker: Arc::clone(self),
            is_probe,
            era,
            is_told: false,
        })
    }

    /// Whether attempts go through as far as it is known: false until a probe has succeeded.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.lock().state, State::Closed { .. })
    }

    /// Lets everybody through again, whatever it was told, and what it let through before may tell.
    pub(super) fn close(&self) {
        let mut known = self.lock();
        known.state = State::Closed { failures: 0 };
        known.is_refusing = false;
        known.era = known.era.wrapping_add(1);
    }

    /// Whether the provider took no order from us when it was asked last.
    pub(super) fn is_refusing(&self) -> bool {
        self.lock().is_refusing
    }

    /// The provider gets another key. That it refused us says nothing any more, nor do orders that are under way with
    /// the one before; that it is unwell still holds.
    pub(super) fn key_renewed(&self) {
        let mut known = self.lock();
        known.state = match known.state {
            _ if known.is_refusing => State::Closed { failures: 0 },
            State::Probing { pause } => State::Open {
                until: Instant::now(),
                pause,
            },
            same @ (State::Closed { .. } | State::Open { .. }) => same,
        };
        known.is_refusing = false;
        known.era = known.era.wrapping_add(1);
    }

    /// Takes one outcome; tells what it changed.
    fn note(&self, (is_probe, era): (bool, u32), outcome: Outcome) -> Change {
        let mut known = self.lock();
        if era != known.era {
            return Change::Nothing;
        }
        let before = known.state;
        let open = |pause: Duration| State::Open {
            until: Instant::now() + pause.mul_f64(rand::random_range(1.0..1.25)),
            pause,
        };
        known.state = match (before, is_probe, outcome) {
            (State::Closed { .. }, _, Outcome::Success)
            | (State::Probing { .. }, true, Outcome::Success) => State::Closed { failures: 0 },
            (State::Closed { failures }, _, Outcome::Failure) if failures + 1 < Self::FAILURES => {
                State::Closed {
                    failures: failures + 1,
                }
            }
            (State::Closed { .. }, _, Outcome::Failure) => open(Self::FIRST_PAUSE),
            (State::Probing { pause }, true, Outcome::Failure) => {
                open((pause * 2).min(Self::LONGEST_PAUSE))
            }
            // It found nothing out; the next one may.
            (State::Probing { pause }, true, Outcome::Neutral) => State::Open {
                until: Instant::now(),
                pause,
            },
            (State::Closed { .. }, _, Outcome::Refused(pause))
            | (State::Probing { .. }, true, Outcome::Refused(pause)) => State::Open {
                until: Instant::now() + pause,
                pause: Self::FIRST_PAUSE,
            },
            // Attempts from before it opened say nothing new.
            (same, _, _) => same,
        };
        let change = match (before, outcome) {
            (State::Closed { .. }, _) if matches!(known.state, State::Open { .. }) => {
                Change::Opened
            }
            (State::Probing { .. }, Outcome::Failure | Outcome::Refused(_)) if is_probe => {
                Change::StaysOpen
            }
            _ => Change::Nothing,
        };
        if change != Change::Nothing || outcome == Outcome::Success {
            known.is_refusing = matches!(outcome, Outcome::Refused(_));
        }
        change
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Tells how the attempt went; returns what that changes.
    pub(super) fn report(mut self, outcome: Outcome) -> Change {
        self.is_told = true;
        self.breaker.note((self.is_probe, self.era), outcome)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.is_told {
            self.breaker
                .note((self.is_probe, self.era), Outcome::Neutral);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn fail(breaker: &Arc<Breaker>) -> bool {
        breaker.enter().unwrap().report(Outcome::Failure) != Change::Nothing
    }

    fn opened() -> Arc<Breaker> {
        let breaker = Breaker::closed();
        let opened: Vec<_> = (0..Breaker::FAILURES).map(|_| fail(&breaker)).collect();
        assert_eq!(opened, [false, false, false, false, true]);
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_between_failures_keeps_it_closed_and_what_is_neutral_does_not() {
        let breaker = Breaker::closed();
        for _ in 0..3 {
            (1..Breaker::FAILURES).for_each(|_| assert!(!fail(&breaker)));
            breaker.enter().unwrap().report(Outcome::Success);
        }
        (1..Breaker::FAILURES).for_each(|_| assert!(!fail(&breaker)));
        breaker.enter().unwrap().report(Outcome::Neutral);
        drop(breaker.enter().unwrap());
        assert!(fail(&breaker));
    }

    /// However many ask, one finds out whether the provider is well again.
    #[tokio::test(start_paused = true)]
    async fn after_the_pause_one_of_a_thousand_goes_through() {
        let breaker = opened();
        assert!(breaker.enter().is_err());
        advance(Breaker::FIRST_PAUSE * 5 / 4).await;
        let mut permits: Vec<_> = (0..1_000).filter_map(|_| breaker.enter().ok()).collect();
        assert_eq!(permits.len(), 1);
        assert!(!breaker.is_closed(), "it is not known to be well yet");
        permits.pop().unwrap().report(Outcome::Success);
        assert!(breaker.is_closed());
        assert!((0..1_000).all(|_| breaker.enter().is_ok()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_without_a_verdict_leaves_its_place_to_the_next() {
        let breaker = opened();
        advance(Breaker::FIRST_PAUSE * 5 / 4).await;
        drop(breaker.enter().unwrap());
        let probe = breaker.enter().unwrap();
        assert!(breaker.enter().is_err());
        drop(probe);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_the_longest() {
        let breaker = opened();
        for pause in [5, 10, 20, 40, 60, 60] {
            let pause = Duration::from_secs(pause);
            advance(pause.checked_sub(Duration::from_millis(1)).unwrap()).await;
            assert!(breaker.enter().is_err(), "{pause:?}");
            advance(pause / 4 + Duration::from_millis(1)).await;
            assert!(fail(&breaker), "{pause:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_that_were_under_way_when_it_opened_change_nothing() {
        let breaker = Breaker::closed();
        let early = [breaker.enter().unwrap(), breaker.enter().unwrap()];
        assert!((0..Breaker::FAILURES).any(|_| fail(&breaker)));
        let outcomes = [Outcome::Success, Outcome::Failure];
        for (permit, outcome) in early.into_iter().zip(outcomes) {
            assert_eq!(permit.report(outcome), Change::Nothing, "it opened once");
        }
        assert!(breaker.enter().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_refuses_us_is_asked_once_after_the_whole_time_and_is_well_by_that() {
        let breaker = Breaker::closed();
        let refused = Outcome::Refused(Duration::from_mins(10));
        let early = breaker.enter().unwrap();
        assert_eq!(breaker.enter().unwrap().report(refused), Change::Opened);
        assert_eq!(early.report(refused), Change::Nothing);
        for _ in 0..2 {
            advance(Duration::from_secs(599)).await;
            assert!(breaker.enter().is_err());
            advance(Duration::from_secs(1)).await;
            assert_eq!(breaker.enter().unwrap().report(refused), Change::StaysOpen);
        }
        advance(Duration::from_mins(10)).await;
        breaker.enter().unwrap().report(Outcome::Success);
        assert!(breaker.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn orders_that_went_out_before_it_was_closed_by_hand_do_not_open_it() {
        let breaker = Breaker::closed();
        let refused = Outcome::Refused(Duration::from_mins(2));
        let early = breaker.enter().unwrap();
        breaker.enter().unwrap().report(refused);
        breaker.close();
        assert_eq!(early.report(refused), Change::Nothing);
        assert!(breaker.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_is_renewed_before_the_old_one_is_known_to_be_refused_counts_too() {
        let breaker = Breaker::closed();
        let with_the_old_key = breaker.enter().unwrap();
        breaker.key_renewed();
        let refused = Outcome::Refused(Duration::from_mins(2));
        assert_eq!(with_the_old_key.report(refused), Change::Nothing);
        assert!(breaker.is_closed() && !breaker.is_refusing());
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_with_the_old_key_leaves_its_place_to_one_with_the_new() {
        let breaker = opened();
        advance(Breaker::FIRST_PAUSE * 5 / 4).await;
        let probe = breaker.enter().unwrap();
        breaker.key_renewed();
        assert!(!breaker.is_closed(), "a key does not make it well");
        let next = breaker.enter().unwrap();
        probe.report(Outcome::Failure);
        next.report(Outcome::Success);
        assert!(breaker.is_closed());
    }
}
