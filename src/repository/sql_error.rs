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

/// The error of a statement: an outage if `is_outage` says so of the engine's error code, else an internal
/// error in `context`. The driver's texts contain neither addresses nor passwords.
pub(super) fn to_domain_error(
    context: &'static str,
    error: sqlx::Error,
    is_outage: fn(&str) -> bool,
) -> Error {
    if is_unreachable(&error) || error_code(&error).is_some_and(|code| is_outage(&code)) {
        Error::datastore(error)
    } else {
        Error::internal(context, error)
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
