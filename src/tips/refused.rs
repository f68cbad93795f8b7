//! Providers that take no order from us, whatever is in it.
use std::time::Duration;

use super::breaker::Outcome;
use crate::domain::{BreakerSignal, FailureKind};

/// What a provider takes no order for. It is so for every tip, so the next tip does not try again:
/// one order finds out after a while whether it still is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Key,
    Model,
    Money,
}

impl Refused {
    /// What a failure of this kind means, if it means that.
    pub(super) const fn by(kind: FailureKind) -> Option<Self> {
        match kind {
            FailureKind::Denied => Some(Self::Key),
            FailureKind::NotFound => Some(Self::Model),
            FailureKind::SpendLimit => Some(Self::Money),
            FailureKind::Connect
            | FailureKind::TooSlow
            | FailureKind::RateLimited
            | FailureKind::Overloaded
            | FailureKind::ServerFault
            | FailureKind::Rejected
            | FailureKind::Truncated
            | FailureKind::Malformed
            | FailureKind::Refused
            | FailureKind::Empty
            | FailureKind::CutOff => None,
        }
    }

    /// How long it is left alone.
    pub(super) const fn pause(self) -> Duration {
        match self {
            Self::Key | Self::Model => Duration::from_mins(2),
            // It sends no time of its own.
            Self::Money => Duration::from_mins(10),
        }
    }

    /// What an operator can do.
    pub(super) const fn advice(self) -> &'static str {
        match self {
            Self::Key => {
                "it refuses the key: put a valid one where the key is read from, with the rights that the model needs"
            }
            Self::Model => "it does not have the model, or not at this address: look at both",
            Self::Money => {
                "the account's money is spent: raise its limit, then `admin tips resume`"
            }
        }
    }
}

/// What a failure of this kind tells the breaker.
pub(super) fn outcome(kind: FailureKind) -> Outcome {
    match (Refused::by(kind), kind.breaker_signal()) {
        (Some(refused), _) => Outcome::Refused(refused.pause()),
        (None, BreakerSignal::Failure) => Outcome::Failure,
        (None, BreakerSignal::Neutral) => Outcome::Neutral,
    }
}
