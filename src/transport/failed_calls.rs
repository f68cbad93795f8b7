//! Logs calls that failed: enough of them to find the cause, not each of a flood.
use std::error::Error as _;

use crate::{
    domain::{Error, Unavailability},
    telemetry::LineLimit,
};

/// Each kind apart: one that floods must not hide the others.
static INTERNAL: LineLimit = LineLimit::new();
static FORBIDDEN: LineLimit = LineLimit::new();
static DATASTORE: LineLimit = LineLimit::new();
static INVALIDATION: LineLimit = LineLimit::new();
static OVERLOAD: LineLimit = LineLimit::new();
static PROVIDER: LineLimit = LineLimit::new();
static OUTCOME: LineLimit = LineLimit::new();
static VERSION: LineLimit = LineLimit::new();
static PANIC: LineLimit = LineLimit::new();

/// Logs a call that failed by no fault of its caller, with the call's span around it.
pub(super) fn log_failed(error: &Error) {
    let (is_fault, lines) = match error {
        Error::Internal { .. } => (true, &INTERNAL),
        Error::EditForbidden { .. } => (true, &FORBIDDEN),
        Error::Unavailable { why, .. } => (false, about(*why)),
        Error::Invalid(_)
        | Error::InvalidPageToken(_)
        | Error::NotFound { .. }
        | Error::UnknownControl { .. }
        | Error::EtagMismatch { .. }
        | Error::OtherEnvironment(_)
        | Error::UnknownTag(_)
        | Error::Refused(_)
        | Error::UnderWay(_)
        | Error::Exhausted { .. }
        | Error::Declined
        | Error::NoTipsProvider
        | Error::DeadlineExceeded => return,
    };
    let Some(left_out) = lines.admit() else {
        return;
    };
    // Where a load failed, its cause was logged there; this line has no source then.
    let cause = error.source().map(ToString::to_string);
    if is_fault {
        tracing::error!(%error, cause, left_out, "call failed");
    } else {
        tracing::warn!(%error, cause, left_out, "call failed");
    }
}

/// Logs a call whose code panicked, with the call's span around it.
pub(super) fn log_panicked() {
    if let Some(left_out) = PANIC.admit() {
        tracing::error!(left_out, "call failed: its code panicked");
    }
}

fn about(why: Unavailability) -> &'static LineLimit {
    match why {
        Unavailability::Datastore | Unavailability::TakesNoWrites => &DATASTORE,
        Unavailability::NothingInvalidated
        | Unavailability::InvalidatedHereOnly(_)
        | Unavailability::InvalidationUnproven(_) => &INVALIDATION,
        Unavailability::Overloaded => &OVERLOAD,
        Unavailability::TipsProvider => &PROVIDER,
        Unavailability::OutcomeUnknown => &OUTCOME,
        Unavailability::VersionNotReached(_) => &VERSION,
    }
}
