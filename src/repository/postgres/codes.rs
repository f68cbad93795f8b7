//! What the error codes of PostgreSQL mean here.
use crate::{
    domain::Error,
    repository::fault::{code_of, is_away, translate},
};

/// The error of a statement, in the domain's words.
pub(super) fn fault(context: &'static str, error: sqlx::Error) -> Error {
    // No server can be used.
    if let sqlx::Error::AnyDriverError(none) = error {
        return Error::datastore(none);
    }
    translate(context, error, is_outage)
}

/// As [`fault`], of a statement of an edit: the database may forbid it by its rights and policies.
pub(super) fn edit_fault(context: &'static str, error: sqlx::Error) -> Error {
    if code_of(&error).as_deref() == Some("42501") {
        return Error::EditForbidden {
            source: Some(error.into()),
        };
    }
    fault(context, error)
}

/// True when the same statement may succeed on another connection at once.
pub(super) fn is_dead_connection(error: &sqlx::Error) -> bool {
    match code_of(error).as_deref() {
        // Terminated by an administrator, a crash, or while starting; a plan that a change of the
        // table made useless; a prepared statement that a pooler in between does not know.
        Some(code) => matches!(code, "57P01" | "57P02" | "57P03" | "0A000" | "26000"),
        None => {
            is_away(error) && !matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed)
        }
    }
}

/// True when the server lets this role in nowhere, or has no such database: waiting does not help.
pub(super) fn is_refusal(error: &sqlx::Error) -> bool {
    let code = code_of(error).unwrap_or_default();
    code.starts_with("28") || code.starts_with("3D")
}

/// True when the server takes no writes; the statement was not carried out.
pub(super) fn is_refused_write(error: &sqlx::Error) -> bool {
    code_of(error).as_deref() == Some("25006")
}

/// True when the table is locked, for now.
pub(super) fn is_lock_conflict(error: &sqlx::Error) -> bool {
    matches!(code_of(error).as_deref(), Some("55P03" | "40P01"))
}

/// True when the statement took longer than it may, or somebody cancelled it.
pub(super) fn is_cancelled(error: &sqlx::Error) -> bool {
    code_of(error).as_deref() == Some("57014")
}

/// Codes of states that pass, or that another server of the same database does not share.
fn is_outage(code: &str) -> bool {
    let class = code.get(..2).unwrap_or_default();
    // Connection, authorization, no such database, resources, system; conflicts.
    matches!(class, "08" | "28" | "3D" | "53" | "57" | "58" | "40")
        // A read-only server; a lock that was not to be had; a plan that is out of date.
        || matches!(code, "25006" | "55P03" | "0A000" | "26000")
}
