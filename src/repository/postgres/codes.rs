//! What the error codes of PostgreSQL mean here.
use std::io::ErrorKind;

use crate::{
    domain::Error,
    repository::fault::{code_of, is_away, translate},
};

/// The error of a statement, in the domain's words.
pub(super) fn fault(context: &'static str, error: sqlx::Error) -> Error {
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

/// What an error of a statement says of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// It is as good as before.
    Good,
    /// The statement may succeed on a connection that was not used before: a plan that a change of the table made
    /// useless, or a prepared statement that a pooler in between mixed up.
    Confused,
    /// It is gone, and others may be: terminated by an administrator, a crash, or while starting.
    Dead,
    /// It was ended because nothing was done on it: idle for too long.
    Ended,
}

impl Health {
    pub(super) fn after(error: &sqlx::Error) -> Self {
        match code_of(error).as_deref() {
            Some("57P01" | "57P02" | "57P03") => Self::Dead,
            Some("57P05" | "25P03" | "25P04") => Self::Ended,
            Some("0A000" | "26000" | "42P05") => Self::Confused,
            None if is_away(error) => Self::Dead,
            Some(_) | None => Self::Good,
        }
    }
}

/// True when a statement of a transaction failed with its connection or its server, and may succeed on another one.
pub(super) fn is_lost_session(error: &Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref());
    cause.is_some_and(|cause| Health::after(cause) != Health::Good || is_refused_write(cause))
}

/// Why no session was opened, in words that say where to look. Repeats no password.
pub(super) fn connect_cause(error: &sqlx::Error) -> String {
    if let Some(told) = error.as_database_error() {
        let who = if is_refusal(error) {
            "it refuses the login"
        } else {
            "it says"
        };
        return format!("{who}: {}", told.message());
    }
    if let sqlx::Error::Tls(cause) = error {
        return format!("no TLS can be agreed on: {cause}");
    }
    let sqlx::Error::Io(io) = error else {
        return error.to_string();
    };
    if io.kind() == ErrorKind::ConnectionRefused {
        "connection refused: nothing listens there, or a firewall answers for it".to_owned()
    } else if io.to_string().starts_with("failed to lookup") {
        // It has no kind of its own.
        format!("its name leads to no address: {io}")
    } else {
        format!("the connection broke: {io}")
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
        // A read-only server; a transaction that was ended for being idle or long; a lock that was not to be
        // had; a plan that is out of date; a prepared statement that a pooler mixed up.
        || matches!(
            code,
            "25006" | "25P03" | "25P04" | "55P03" | "0A000" | "26000" | "42P05"
        )
}

#[cfg(test)]
mod tests {
    use std::{borrow::Cow, error::Error as StdError};

    use sqlx::error::{DatabaseError, ErrorKind};

    use super::*;

    /// An error of the server, by its code.
    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Told(&'static str);

    impl DatabaseError for Told {
        fn message(&self) -> &str {
            self.0
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.into())
        }

        fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn StdError + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn StdError + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    fn told(code: &'static str) -> sqlx::Error {
        sqlx::Error::Database(Box::new(Told(code)))
    }

    #[test]
    fn what_fails_with_its_session_is_tried_again_and_never_a_fault_of_ours() {
        for code in [
            "57P01", "57P02", "57P03", "57P05", "25P03", "25P04", "0A000", "26000", "42P05",
        ] {
            assert_ne!(Health::after(&told(code)), Health::Good, "{code}");
            let shown = fault("reading", told(code));
            assert!(matches!(shown, Error::Unavailable { .. }), "{code}");
            assert!(is_lost_session(&shown), "{code}");
        }
        assert!(is_lost_session(&fault("writing", told("25006"))));
    }

    #[test]
    fn a_statement_that_fails_by_itself_is_not_tried_again() {
        for code in ["57014", "23505", "42703", "53200", "55P03"] {
            assert_eq!(Health::after(&told(code)), Health::Good, "{code}");
        }
    }
}
