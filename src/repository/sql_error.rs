//! Maps errors of sqlx, and invalid data in the database, to the domain's errors.
use std::time::Duration;

use crate::domain::Error;

/// A statement that got no answer in time.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {0:?}")]
pub(super) struct TimedOut(pub(super) Duration);

/// Data that this build does not understand or accept.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct DataError(pub(super) String);

/// The error of a row with invalid data.
pub(super) fn data_error(problem: impl Into<String>) -> Error {
    Error::internal("reading a row", DataError(problem.into()))
}

/// What an engine means by one of its error codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CodeClass {
    /// The state passes, or another server of the same database may not have it.
    Outage,
    /// It refuses to be changed: a full disk, or read-only.
    TakesNoWrites,
    /// A fault of ours, or of the data.
    Fault,
}

/// The error of a statement: what `class` makes of the engine's error code, where a fault is an internal
/// error in `context`. The driver's texts contain neither addresses nor passwords.
pub(super) fn to_domain_error(
    context: &'static str,
    error: sqlx::Error,
    class: fn(&str) -> CodeClass,
) -> Error {
    let class = match error_code(&error) {
        Some(code) => class(&code),
        None if is_unreachable(&error) => CodeClass::Outage,
        None => CodeClass::Fault,
    };
    match class {
        CodeClass::Outage => Error::datastore(error),
        CodeClass::TakesNoWrites => Error::takes_no_writes(error),
        CodeClass::Fault => Error::internal(context, error),
    }
}

/// Whether the database could not be reached at all.
pub(super) fn is_unreachable(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed
    )
}

/// The engine's error code, if the engine sent one.
pub(super) fn error_code(error: &sqlx::Error) -> Option<String> {
    let code = error.as_database_error()?.code()?;
    Some(code.into_owned())
}
