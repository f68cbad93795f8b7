//! What follows a failed attempt: another one, another provider, or the end.
use std::time::Duration;

use super::policy::PolicyViolation;
use crate::domain::{FailureKind, FallbackCause, WriteFailure};

/// Why a tip was not written just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AttemptError {
    /// The request was sent, and failed.
    Write(WriteFailure),
    /// The text violates the content policy.
    Violation(PolicyViolation),
    /// The request was not sent.
    NotAdmitted(AdmissionError),
    /// The time for the whole generation is over.
    TimedOut,
}

/// Why a request must not be sent to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AdmissionError {
    /// Its circuit breaker is open, for this long.
    BreakerOpen(Duration),
    /// Its rate limits are used up, for this long.
    Limited(Duration),
    /// The money is spent.
    Budget,
    /// Operators switched tips of providers off.
    SwitchedOff,
}

/// What the next step depends on, beside what happened.
#[derive(Clone, Copy, Debug)]
pub(super) struct RetryContext {
    /// Whether readers have text.
    pub(super) is_published: bool,
    pub(super) time_left: Duration,
    /// Whether the provider's retry budget has one.
    pub(super) may_retry: bool,
    /// 0 to 1, at random.
    pub(super) jitter: f64,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RetryStep {
    /// Send the request to the same provider again.
    Again { after: Duration },
    /// Send it to the next provider.
    Next,
    /// Wait until the limits of the same provider admit it.
    Wait { after: Duration },
    /// No more attempts.
    GiveUp,
}

/// Decides what follows a failed attempt. Pure: it reads no clock, no network and no randomness.
#[derive(Debug)]
pub(super) struct RetryPolicy {
    providers: usize,
    provider: usize,
    attempts: u32,
    retries_here: u32,
    restarts: u32,
    waits: u32,
}

impl RetryPolicy {
    /// All attempts of one generation, with all providers.
    const ATTEMPTS: u32 = 4;
    const RETRIES_EACH: u32 = 2;
    /// After readers had text; a text that begins twice is enough.
    const RESTARTS: u32 = 1;
    /// Longest wait for the same provider if there is another one.
    const LONGEST_WAIT: Duration = Duration::from_secs(5);
    /// An attempt that would have less time is not begun.
    const LEAST_TIME: Duration = Duration::from_secs(1);
    /// The pauses of the providers' own clients: 0.5 s, doubled, at most 8 s, up to a quarter less.
    const FIRST_PAUSE: Duration = Duration::from_millis(500);
    const LONGEST_PAUSE: Duration = Duration::from_secs(8);

    pub(super) fn new(providers: usize) -> Self {
        Self {
            providers,
            provider: 0,
            attempts: 0,
            retries_here: 0,
            restarts: 0,
            waits: 0,
        }
    }

    /// The index of the provider to try.
    pub(super) fn provider(&self) -> usize {
        self.provider
    }

    /// How many requests were sent.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// A request was sent.
    pub(super) fn count_attempt(&mut self) {
        self.attempts += 1;
    }

    pub(super) fn after(&mut self, error: &AttemptError, now: RetryContext) -> RetryStep {
        match error {
            AttemptError::Violation(_) | AttemptError::TimedOut => RetryStep::GiveUp,
            AttemptError::NotAdmitted(error) => self.after_rejection(*error, now),
            AttemptError::Write(failure) => self.after_failure(failure, now),
        }
    }

    fn after_failure(&mut self, failure: &WriteFailure, now: RetryContext) -> RetryStep {
        if self.attempts >= Self::ATTEMPTS {
            return RetryStep::GiveUp;
        }
        if now.is_published {
            if self.restarts >= Self::RESTARTS {
                return RetryStep::GiveUp;
            }
            self.restarts += 1;
        }
        let pause = failure
            .retry_after
            .unwrap_or_else(|| self.pause(now.jitter));
        let is_short_enough = !self.has_next() || pause <= Self::LONGEST_WAIT;
        let may = now.may_retry && self.retries_here < Self::RETRIES_EACH;
        if failure.is_worth_retrying() && may && is_short_enough && Self::fits(pause, now) {
            self.retries_here += 1;
            return RetryStep::Again { after: pause };
        }
        self.next(now)
    }

    fn after_rejection(&mut self, error: AdmissionError, now: RetryContext) -> RetryStep {
        let step = self.next(now);
        match error {
            // A short wait is worth it, once or twice.
            AdmissionError::Limited(wait)
                if step == RetryStep::GiveUp
                    && wait <= Self::LONGEST_WAIT
                    && self.waits < Self::RETRIES_EACH
                    && Self::fits(wait, now) =>
            {
                self.waits += 1;
                RetryStep::Wait { after: wait }
            }
            AdmissionError::Limited(_)
            | AdmissionError::BreakerOpen(_)
            | AdmissionError::Budget
            | AdmissionError::SwitchedOff => step,
        }
    }

    fn next(&mut self, now: RetryContext) -> RetryStep {
        if !self.has_next() || !Self::fits(Duration::ZERO, now) {
            return RetryStep::GiveUp;
        }
        self.provider += 1;
        self.retries_here = 0;
        RetryStep::Next
    }

    fn has_next(&self) -> bool {
        self.provider + 1 < self.providers
    }

    fn fits(pause: Duration, now: RetryContext) -> bool {
        pause + Self::LEAST_TIME <= now.time_left
    }

    fn pause(&self, jitter: f64) -> Duration {
        let pause = Self::FIRST_PAUSE * 2_u32.saturating_pow(self.retries_here);
        let less = 0.25 * jitter.clamp(0.0, 1.0);
        pause.min(Self::LONGEST_PAUSE).mul_f64(1.0 - less)
    }
}

impl AttemptError {
    /// What readers are told when no attempt follows.
    pub(super) fn cause(&self) -> FallbackCause {
        match self {
            Self::Write(failure) => FallbackCause::Provider(failure.kind),
            Self::Violation(PolicyViolation::TooLong) => {
                FallbackCause::Provider(FailureKind::CutOff)
            }
            Self::Violation(
                PolicyViolation::Link
                | PolicyViolation::Markup
                | PolicyViolation::Contact
                | PolicyViolation::Phone
                | PolicyViolation::Control,
            ) => FallbackCause::Rules,
            Self::NotAdmitted(AdmissionError::BreakerOpen(_)) => FallbackCause::Unwell,
            Self::NotAdmitted(AdmissionError::Limited(_)) => FallbackCause::Limited,
            Self::NotAdmitted(AdmissionError::Budget) => FallbackCause::Budget,
            Self::NotAdmitted(AdmissionError::SwitchedOff) => FallbackCause::SwitchedOff,
            Self::TimedOut => FallbackCause::TimedOut,
        }
    }

    /// When another generation is worth a try, where that is known.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Write(failure) => failure.retry_after,
            Self::NotAdmitted(
                AdmissionError::BreakerOpen(wait) | AdmissionError::Limited(wait),
            ) => Some(*wait),
            Self::NotAdmitted(AdmissionError::Budget | AdmissionError::SwitchedOff)
            | Self::Violation(_)
            | Self::TimedOut => None,
        }
    }

    /// Whether a request to a provider was in vain, so that the next reader should not cause another at once.
    pub(super) fn cost_an_attempt(&self) -> bool {
        match self {
            Self::Write(_) | Self::Violation(_) | Self::TimedOut => true,
            Self::NotAdmitted(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: RetryContext = RetryContext {
        is_published: false,
        time_left: Duration::from_mins(1),
        may_retry: true,
        jitter: 0.0,
    };
    const PUBLISHED: RetryContext = RetryContext {
        is_published: true,
        ..CALM
    };

    fn failure(kind: FailureKind) -> AttemptError {
        AttemptError::Write(WriteFailure::new(kind))
    }

    fn later(kind: FailureKind, seconds: u64) -> AttemptError {
        AttemptError::Write(WriteFailure {
            retry_after: Some(Duration::from_secs(seconds)),
            ..WriteFailure::new(kind)
        })
    }

    /// What follows each of a row of equal setbacks, up to the last.
    fn steps(providers: usize, error: &AttemptError, now: RetryContext) -> Vec<RetryStep> {
        let mut retry_policy = RetryPolicy::new(providers);
        let mut steps = Vec::new();
        while steps.last() != Some(&RetryStep::GiveUp) && steps.len() < 20 {
            retry_policy.count_attempt();
            steps.push(retry_policy.after(error, now));
        }
        steps
    }

    fn again(millis: u64) -> RetryStep {
        let after = Duration::from_millis(millis);
        RetryStep::Again { after }
    }

    /// Before the first text: every kind of failure, with one provider and with two.
    #[test]
    fn before_text_two_retries_then_the_next_provider_and_four_attempts_in_all() {
        for kind in &FailureKind::ALL {
            let (one, two) = if kind.is_worth_retrying() {
                (
                    vec![again(500), again(1_000), RetryStep::GiveUp],
                    vec![again(500), again(1_000), RetryStep::Next, RetryStep::GiveUp],
                )
            } else {
                (
                    vec![RetryStep::GiveUp],
                    vec![RetryStep::Next, RetryStep::GiveUp],
                )
            };
            assert_eq!(steps(1, &failure(*kind), CALM), one, "{kind:?}");
            assert_eq!(steps(2, &failure(*kind), CALM), two, "{kind:?}");
        }
    }

    /// After the first text.
    #[test]
    fn after_text_there_is_one_restart() {
        for kind in &FailureKind::ALL {
            let first = if kind.is_worth_retrying() {
                again(500)
            } else {
                RetryStep::Next
            };
            let expected = [first, RetryStep::GiveUp];
            assert_eq!(steps(2, &failure(*kind), PUBLISHED), expected, "{kind:?}");
        }
    }

    /// No attempt comes before the provider said it may.
    #[test]
    fn retry_after_is_honoured_where_it_fits_and_another_provider_is_asked_where_not() {
        let limited = |seconds| later(FailureKind::RateLimited, seconds);
        assert_eq!(steps(1, &limited(20), CALM)[0], again(20_000));
        assert_eq!(steps(2, &limited(20), CALM)[0], RetryStep::Next);
        assert_eq!(steps(2, &limited(5), CALM)[0], again(5_000));
        assert_eq!(steps(1, &limited(60), CALM)[0], RetryStep::GiveUp);
    }

    #[test]
    fn the_providers_own_word_on_retries_wins() {
        let told = |should_retry, kind| {
            AttemptError::Write(WriteFailure {
                should_retry: Some(should_retry),
                ..WriteFailure::new(kind)
            })
        };
        assert_eq!(
            steps(1, &told(false, FailureKind::Overloaded), CALM)[0],
            RetryStep::GiveUp
        );
        assert_eq!(
            steps(1, &told(true, FailureKind::Rejected), CALM)[0],
            again(500)
        );
    }

    #[test]
    fn without_a_retry_in_the_budget_or_time_the_same_provider_is_not_asked_again() {
        let spent = RetryContext {
            may_retry: false,
            ..CALM
        };
        assert_eq!(
            steps(2, &failure(FailureKind::Overloaded), spent)[0],
            RetryStep::Next
        );
        let late = RetryContext {
            time_left: Duration::from_millis(900),
            ..CALM
        };
        assert_eq!(
            steps(2, &failure(FailureKind::Overloaded), late)[0],
            RetryStep::GiveUp
        );
    }

    #[test]
    fn a_breach_is_not_tried_again() {
        for violation in [PolicyViolation::Link, PolicyViolation::TooLong] {
            assert_eq!(
                steps(2, &AttemptError::Violation(violation), CALM),
                [RetryStep::GiveUp]
            );
        }
    }

    #[test]
    fn a_barred_provider_costs_no_attempt_and_a_short_limit_is_waited_for() {
        let soon = Duration::from_secs(2);
        let limited = AttemptError::NotAdmitted(AdmissionError::Limited(soon));
        let wait = RetryStep::Wait { after: soon };
        assert_eq!(steps(1, &limited, CALM), [wait, wait, RetryStep::GiveUp]);
        assert_eq!(steps(2, &limited, CALM)[0], RetryStep::Next);
        let open = AttemptError::NotAdmitted(AdmissionError::BreakerOpen(soon));
        assert_eq!(steps(2, &open, CALM), [RetryStep::Next, RetryStep::GiveUp]);
    }

    #[test]
    fn jitter_takes_at_most_a_quarter_of_the_pause() {
        let jittery = RetryContext {
            jitter: 1.0,
            ..CALM
        };
        assert_eq!(
            steps(1, &failure(FailureKind::Connect), jittery)[0],
            again(375)
        );
    }
}
