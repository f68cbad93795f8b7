//! Classifies error codes of PostgreSQL: outages, broken connections, refused logins, lock conflicts.
use std::io::ErrorKind;

use crate::{
    domain::Error,
    repository::sql_error::{CodeClass, error_code, is_unreachable, to_domain_error},
};

/// The domain error of a statement; for `map_err`.
pub(super) fn statement_error(context: &'static str) -> impl FnOnce(sqlx::Error) -> Error {
    move |error| to_domain_error(context, error, code_class)
}

/// As [`statement_error`], for an edit, which rights and policies of the database may forbid.
pub(super) fn edit_error(context: &'static str) -> impl FnOnce(sqlx::Error) -> Error {
    move |error| {
        if is_forbidden(&error) {
            let source = Some(error.into());
            return Error::EditForbidden { source };
        }
        statement_error(context)(error)
    }
}

/// The state of a connection after an error of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectionState {
    /// The error does not affect the connection.
    Usable,
    /// The statement may succeed on a new connection: a change of the table invalidated its plan, or a pooler mixed
    /// up prepared statements.
    StalePlan,
    /// The connection is broken, and others may be: an administrator terminated it, or the server crashed or starts.
    Broken,
    /// The server closed the connection because it was idle for too long.
    IdleClosed,
}

impl ConnectionState {
    pub(super) fn after(error: &sqlx::Error) -> Self {
        match error_code(error).as_deref() {
            Some("57P01" | "57P02" | "57P03") => Self::Broken,
            Some("57P05" | "25P03" | "25P04") => Self::IdleClosed,
            Some("0A000" | "26000" | "42P05") => Self::StalePlan,
            None if is_unreachable(error) => Self::Broken,
            Some(_) | None => Self::Usable,
        }
    }
}

/// Whether a statement failed because of its connection or its server, and may succeed on another one.
pub(super) fn is_connection_lost(error: &Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref());
    cause.is_some_and(|cause| {
        ConnectionState::after(cause) != ConnectionState::Usable || is_read_only_error(cause)
    })
}

/// Why connecting failed, in words that say where to look. Contains no password.
pub(super) fn connect_cause(error: &sqlx::Error) -> String {
    if let Some(answered) = error.as_database_error() {
        let who = if is_login_refused(error) {
            "it refuses the login"
        } else {
            "it says"
        };
        return format!("{who}: {}", answered.message());
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
        // A failed lookup has no error kind of its own.
        format!("its name leads to no address: {io}")
    } else {
        format!("the connection broke: {io}")
    }
}

/// Whether the server refuses the login or has no such database: waiting does not help.
pub(super) fn is_login_refused(error: &sqlx::Error) -> bool {
    let code = error_code(error).unwrap_or_default();
    code.starts_with("28") || code.starts_with("3D")
}

/// Whether the server accepts no writes; the statement was not carried out.
pub(super) fn is_read_only_error(error: &sqlx::Error) -> bool {
    error_code(error).as_deref() == Some("25006")
}

/// Whether the role lacks a right, or a policy forbids the statement.
pub(super) fn is_forbidden(error: &sqlx::Error) -> bool {
    error_code(error).as_deref() == Some("42501")
}

/// Whether another transaction holds a conflicting lock.
pub(super) fn is_lock_conflict(error: &sqlx::Error) -> bool {
    matches!(error_code(error).as_deref(), Some("55P03" | "40P01"))
}

/// Whether the statement reached its time limit or was cancelled.
pub(super) fn is_cancelled(error: &sqlx::Error) -> bool {
    error_code(error).as_deref() == Some("57014")
}

/// See [`CodeClass`] (postgresql.org/docs/current/errcodes-appendix.html).
fn code_class(code: &str) -> CodeClass {
    match (code.get(..2).unwrap_or_default(), code) {
        // A full disk; a read-only server.
        (_, "53100" | "25006") => CodeClass::TakesNoWrites,
        // Connection, authorization, no such database, resources, system; conflicts.
        ("08" | "28" | "3D" | "53" | "57" | "58" | "40", _)
        // A transaction that was idle or open for too long; a lock conflict; a stale plan; a prepared statement that a
        // pooler mixed up.
        | (_, "25P03" | "25P04" | "55P03" | "0A000" | "26000" | "42P05") => CodeClass::Outage,
        (_, _) => CodeClass::Fault,
    }
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
            assert_ne!(
                ConnectionState::after(&told(code)),
                ConnectionState::Usable,
                "{code}"
            );
            let shown = statement_error("reading")(told(code));
            assert!(matches!(shown, Error::Unavailable { .. }), "{code}");
            assert!(is_connection_lost(&shown), "{code}");
        }
        assert!(is_connection_lost(&statement_error("writing")(told(
            "25006"
        ))));
    }

    #[test]
    fn a_server_that_takes_no_writes_is_not_said_to_be_away() {
        for code in ["53100", "25006"] {
            let shown = statement_error("writing")(told(code)).to_string();
            assert!(shown.contains("takes no changes"), "{code}: {shown}");
        }
    }

    #[test]
    fn a_statement_that_fails_by_itself_is_not_tried_again() {
        for code in ["57014", "23505", "42703", "53200", "55P03"] {
            assert_eq!(
                ConnectionState::after(&told(code)),
                ConnectionState::Usable,
                "{code}"
            );
        }
    }
}
