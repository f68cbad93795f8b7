//! What the end of one tip's stream means for its run.
use std::time::Duration;

use super::{RunEnd, TipOutcome};
use crate::domain::{FailureKind, FallbackCause, TipDone, TipSource};

/// What the end of one stream means for the run that it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The challenge had its turn.
    Over(TipOutcome),
    /// This one is worth another try.
    Again(FallbackCause, Duration),
    /// All are to wait: the provider's limit is reached, or its circuit breaker is open.
    Standstill(FallbackCause, Duration),
    /// No further request makes sense.
    End(RunEnd),
}

/// Reads the end of a stream; `is_over_budget` when the run's own budget refused an attempt.
pub(super) fn verdict(done: &TipDone, is_over_budget: bool) -> Verdict {
    let Some(cause) = done.fallback else {
        return Verdict::Over(match done.source {
            TipSource::Ai => TipOutcome::Written,
            TipSource::Cache | TipSource::Stale | TipSource::Static => TipOutcome::Kept,
        });
    };
    let wait = done.retry_after.unwrap_or_default();
    match cause {
        FallbackCause::Budget if is_over_budget => Verdict::End(RunEnd::RunBudget),
        FallbackCause::Budget => Verdict::End(RunEnd::DailyBudget),
        FallbackCause::NoProvider
        | FallbackCause::SwitchedOff
        | FallbackCause::Provider(FailureKind::Denied | FailureKind::NotFound) => {
            Verdict::End(RunEnd::ProviderAway)
        }
        FallbackCause::Limited
        | FallbackCause::Unwell
        | FallbackCause::Provider(
            FailureKind::RateLimited | FailureKind::Overloaded | FailureKind::SpendLimit,
        ) => Verdict::Standstill(cause, wait),
        FallbackCause::Recent
        | FallbackCause::TimedOut
        | FallbackCause::Abandoned
        | FallbackCause::Provider(
            FailureKind::Connect
            | FailureKind::TooSlow
            | FailureKind::ServerFault
            | FailureKind::Truncated
            | FailureKind::Malformed
            | FailureKind::Empty,
        ) => Verdict::Again(cause, wait),
        FallbackCause::NotCached
        | FallbackCause::Rules
        | FallbackCause::Provider(
            FailureKind::Rejected | FailureKind::Refused | FailureKind::CutOff,
        ) => Verdict::Over(TipOutcome::Failed(cause)),
    }
}
