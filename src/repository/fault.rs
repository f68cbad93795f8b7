//! What the driver says, in the domain's words.
use std::time::Duration;

use crate::domain::Error;

/// A read that took longer than it may.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {0:?}")]
pub(super) struct NoAnswer(pub(super) Duration);

/// Something in the database that cannot be, such as a difficulty that does not exist.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Broken(pub(super) String);

/// The error of a statement: an outage that may pass, or a fault of ours while doing `context`.
///
/// `is_outage` knows the engine's codes. The driver's texts carry neither addresses nor passwords.
pub(super) fn translate(
    context: &'static str,
    error: sqlx::Error,
    is_outage: fn(&str) -> bool,
) -> Error {
    if is_away(&error) || code_of(&error).is_some_and(|code| is_outage(&code)) {
        Error::datastore(error)
    } else {
        Error::internal(context, error)
    }
}

/// True when the database could not be talked to at all.
pub(super) fn is_away(error: &sqlx::Error) -> bool {
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

/// The engine's code for the error, when the engine gave one.
pub(super) fn code_of(error: &sqlx::Error) -> Option<String> {
    let code = error.as_database_error()?.code()?;
    Some(code.into_owned())
}
