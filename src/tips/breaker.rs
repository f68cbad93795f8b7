//! The circuit breaker of a provider. That of Redis is another one (ADR 6).
use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

/// Keeps requests away from a provider that fails again and again.
///
/// An attempt is reported when its stream is over, not when it begins: a provider that
/// accepts and then breaks off fails too. While half open it admits exactly one attempt.
#[derive(Debug)]
pub(super) struct ProviderBreaker {
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    state: ProviderBreakerState,
    /// Whether the provider refused our last request because of our key, our account or the model.
    is_refusing: bool,
    /// Counts renewed keys and resumes by operators: attempts that were admitted before the last of them change nothing.
    era: u32,
}

#[derive(Clone, Copy, Debug)]
enum ProviderBreakerState {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
        pause: Duration,
    },
    /// Half open: the outcome of one attempt decides.
    Probing {
        pause: Duration,
    },
}

/// How an attempt ended, as far as the provider's health is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AttemptOutcome {
    /// The stream came to its verified end.
    Success,
    /// The provider failed.
    Failure,
    /// It proves nothing about the provider.
    Neutral,
    /// The provider refuses all our requests; the next one is sent after this time.
    Refused(Duration),
}

/// What an outcome changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BreakerChange {
    /// The breaker opened.
    Opened,
    /// The probe failed: the breaker stays open for another pause.
    StaysOpen,
    Nothing,
}

/// The right to make one attempt. Dropped without a report it counts as [`AttemptOutcome::Neutral`].
#[derive(Debug)]
pub(super) struct Permit {
    breaker: Arc<ProviderBreaker>,
    is_probe: bool,
    era: u32,
    is_reported: bool,
}

impl ProviderBreaker {
    /// How many failures in a row open the breaker.
    pub(super) const FAILURES: u32 = 5;
    const FIRST_PAUSE: Duration = Duration::from_secs(5);
    const LONGEST_PAUSE: Duration = Duration::from_mins(1);

    pub(super) fn closed() -> Arc<Self> {
        let known = Known {
            state: ProviderBreakerState::Closed { failures: 0 },
            is_refusing: false,
            era: 0,
        };
        Arc::new(Self {
            known: Mutex::new(known),
        })
    }

    /// Whether an attempt may be made; else when to ask again.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Permit, Duration> {
        let mut known = self.known.lock();
        let now = Instant::now();
        let is_probe = match known.state {
            ProviderBreakerState::Closed { .. } => false,
            ProviderBreakerState::Open { until, pause } if until <= now => {
                known.state = ProviderBreakerState::Probing { pause };
                true
            }
            ProviderBreakerState::Open { until, .. } => return Err(until - now),
            ProviderBreakerState::Probing { pause } => return Err(pause),
        };
        let era = known.era;
        drop(known);
        Ok(Permit {
            breaker: Arc::clone(self),
            is_probe,
            era,
            is_reported: false,
        })
    }

    /// Whether attempts go through as far as it is known: false until a probe has succeeded.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.known.lock().state, ProviderBreakerState::Closed { .. })
    }

    /// Closes the breaker, whatever was reported before, and ignores attempts that are under way.
    pub(super) fn close(&self) {
        let mut known = self.known.lock();
        known.state = ProviderBreakerState::Closed { failures: 0 };
        known.is_refusing = false;
        known.era = known.era.wrapping_add(1);
    }

    /// Whether the provider refused our last request because of our key, our account or the model.
    pub(super) fn is_refusing(&self) -> bool {
        self.known.lock().is_refusing
    }

    /// The provider gets another key. Refusals mean nothing any more, nor do requests that are under way with
    /// the old key; other failures still count.
    pub(super) fn key_renewed(&self) {
        let mut known = self.known.lock();
        known.state = match known.state {
            _ if known.is_refusing => ProviderBreakerState::Closed { failures: 0 },
            ProviderBreakerState::Probing { pause } => ProviderBreakerState::Open {
                until: Instant::now(),
                pause,
            },
            same @ (ProviderBreakerState::Closed { .. } | ProviderBreakerState::Open { .. }) => {
                same
            }
        };
        known.is_refusing = false;
        known.era = known.era.wrapping_add(1);
    }

    /// Takes in one outcome; returns what it changed.
    fn note(&self, (is_probe, era): (bool, u32), outcome: AttemptOutcome) -> BreakerChange {
        let mut known = self.known.lock();
        if era != known.era {
            return BreakerChange::Nothing;
        }
        let before = known.state;
        let open = |pause: Duration| ProviderBreakerState::Open {
            until: Instant::now() + pause.mul_f64(rand::random_range(1.0..1.25)),
            pause,
        };
        known.state = match (before, is_probe, outcome) {
            (ProviderBreakerState::Closed { .. }, _, AttemptOutcome::Success)
            | (ProviderBreakerState::Probing { .. }, true, AttemptOutcome::Success) => {
                ProviderBreakerState::Closed { failures: 0 }
            }
            (ProviderBreakerState::Closed { failures }, _, AttemptOutcome::Failure)
                if failures + 1 < Self::FAILURES =>
            {
                ProviderBreakerState::Closed {
                    failures: failures + 1,
                }
            }
            (ProviderBreakerState::Closed { .. }, _, AttemptOutcome::Failure) => {
                open(Self::FIRST_PAUSE)
            }
            (ProviderBreakerState::Probing { pause }, true, AttemptOutcome::Failure) => {
                open((pause * 2).min(Self::LONGEST_PAUSE))
            }
            // It found nothing out; the next one may.
            (ProviderBreakerState::Probing { pause }, true, AttemptOutcome::Neutral) => {
                ProviderBreakerState::Open {
                    until: Instant::now(),
                    pause,
                }
            }
            (ProviderBreakerState::Closed { .. }, _, AttemptOutcome::Refused(pause))
            | (ProviderBreakerState::Probing { .. }, true, AttemptOutcome::Refused(pause)) => {
                ProviderBreakerState::Open {
                    until: Instant::now() + pause,
                    pause: Self::FIRST_PAUSE,
                }
            }
            // Attempts from before it opened say nothing new.
            (same, _, _) => same,
        };
        let change = match (before, outcome) {
            (ProviderBreakerState::Closed { .. }, _)
                if matches!(known.state, ProviderBreakerState::Open { .. }) =>
            {
                BreakerChange::Opened
            }
            (
                ProviderBreakerState::Probing { .. },
                AttemptOutcome::Failure | AttemptOutcome::Refused(_),
            ) if is_probe => BreakerChange::StaysOpen,
            _ => BreakerChange::Nothing,
        };
        if change != BreakerChange::Nothing || outcome == AttemptOutcome::Success {
            known.is_refusing = matches!(outcome, AttemptOutcome::Refused(_));
        }
        change
    }
}

impl Permit {
    /// Reports how the attempt ended; returns what that changes.
    pub(super) fn report(mut self, outcome: AttemptOutcome) -> BreakerChange {
        self.is_reported = true;
        self.breaker.note((self.is_probe, self.era), outcome)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.is_reported {
            self.breaker
                .note((self.is_probe, self.era), AttemptOutcome::Neutral);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn fail(breaker: &Arc<ProviderBreaker>) -> bool {
        breaker.enter().unwrap().report(AttemptOutcome::Failure) != BreakerChange::Nothing
    }

    fn opened() -> Arc<ProviderBreaker> {
        let breaker = ProviderBreaker::closed();
        let opened: Vec<_> = (0..ProviderBreaker::FAILURES)
            .map(|_| fail(&breaker))
            .collect();
        assert_eq!(opened, [false, false, false, false, true]);
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_between_failures_keeps_it_closed_and_what_is_neutral_does_not() {
        let breaker = ProviderBreaker::closed();
        for _ in 0..3 {
            (1..ProviderBreaker::FAILURES).for_each(|_| assert!(!fail(&breaker)));
            breaker.enter().unwrap().report(AttemptOutcome::Success);
        }
        (1..ProviderBreaker::FAILURES).for_each(|_| assert!(!fail(&breaker)));
        breaker.enter().unwrap().report(AttemptOutcome::Neutral);
        drop(breaker.enter().unwrap());
        assert!(fail(&breaker));
    }

    /// However many ask, one finds out whether the provider is well again.
    #[tokio::test(start_paused = true)]
    async fn after_the_pause_one_of_a_thousand_goes_through() {
        let breaker = opened();
        assert!(breaker.enter().is_err());
        advance(ProviderBreaker::FIRST_PAUSE * 5 / 4).await;
        let mut permits: Vec<_> = (0..1_000).filter_map(|_| breaker.enter().ok()).collect();
        assert_eq!(permits.len(), 1);
        assert!(!breaker.is_closed(), "it is not known to be well yet");
        permits.pop().unwrap().report(AttemptOutcome::Success);
        assert!(breaker.is_closed());
        assert!((0..1_000).all(|_| breaker.enter().is_ok()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_without_a_verdict_leaves_its_place_to_the_next() {
        let breaker = opened();
        advance(ProviderBreaker::FIRST_PAUSE * 5 / 4).await;
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
        let breaker = ProviderBreaker::closed();
        let early = [breaker.enter().unwrap(), breaker.enter().unwrap()];
        assert!((0..ProviderBreaker::FAILURES).any(|_| fail(&breaker)));
        let outcomes = [AttemptOutcome::Success, AttemptOutcome::Failure];
        for (permit, outcome) in early.into_iter().zip(outcomes) {
            assert_eq!(
                permit.report(outcome),
                BreakerChange::Nothing,
                "it opened once"
            );
        }
        assert!(breaker.enter().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_refuses_us_is_asked_once_after_the_whole_time_and_is_well_by_that() {
        let breaker = ProviderBreaker::closed();
        let refused = AttemptOutcome::Refused(Duration::from_mins(10));
        let early = breaker.enter().unwrap();
        assert_eq!(
            breaker.enter().unwrap().report(refused),
            BreakerChange::Opened
        );
        assert_eq!(early.report(refused), BreakerChange::Nothing);
        for _ in 0..2 {
            advance(Duration::from_secs(599)).await;
            assert!(breaker.enter().is_err());
            advance(Duration::from_secs(1)).await;
            assert_eq!(
                breaker.enter().unwrap().report(refused),
                BreakerChange::StaysOpen
            );
        }
        advance(Duration::from_mins(10)).await;
        breaker.enter().unwrap().report(AttemptOutcome::Success);
        assert!(breaker.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn orders_that_went_out_before_it_was_closed_by_hand_do_not_open_it() {
        let breaker = ProviderBreaker::closed();
        let refused = AttemptOutcome::Refused(Duration::from_mins(2));
        let early = breaker.enter().unwrap();
        breaker.enter().unwrap().report(refused);
        breaker.close();
        assert_eq!(early.report(refused), BreakerChange::Nothing);
        assert!(breaker.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_is_renewed_before_the_old_one_is_known_to_be_refused_counts_too() {
        let breaker = ProviderBreaker::closed();
        let with_the_old_key = breaker.enter().unwrap();
        breaker.key_renewed();
        let refused = AttemptOutcome::Refused(Duration::from_mins(2));
        assert_eq!(with_the_old_key.report(refused), BreakerChange::Nothing);
        assert!(breaker.is_closed() && !breaker.is_refusing());
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_with_the_old_key_leaves_its_place_to_one_with_the_new() {
        let breaker = opened();
        advance(ProviderBreaker::FIRST_PAUSE * 5 / 4).await;
        let probe = breaker.enter().unwrap();
        breaker.key_renewed();
        assert!(!breaker.is_closed(), "a key does not make it well");
        let next = breaker.enter().unwrap();
        probe.report(AttemptOutcome::Failure);
        next.report(AttemptOutcome::Success);
        assert!(breaker.is_closed());
    }
}
