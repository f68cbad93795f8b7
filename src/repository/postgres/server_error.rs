//! Why a server cannot be used. Errors name servers by host and port, never by user or password.
use std::{fmt, time::Duration};

use sqlx::{FromRow, PgConnection};

use super::error_codes::{connect_cause, is_login_refused};
use crate::repository::sql_error::error_code;

/// Why one server cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::repository) enum ServerError {
    #[error("the server {0} is a standby: it is in recovery")]
    Standby(String),
    /// The default of its transactions is read-only.
    #[error("the server {0} takes no writes: default_transaction_read_only is on")]
    ReadOnly(String),
    /// It refused a statement because the statement would write.
    #[error("the server {0} takes no writes: it is a standby, or read-only")]
    RefusedWrite(String),
    #[error("the server {0} gave no answer within {1:?}")]
    Silent(String, Duration),
    /// All its connections are in use.
    #[error("the server {host} has no connection left: {cause}")]
    Full { host: String, cause: String },
    /// It refuses the login, or has no such database.
    #[error("the server {host} cannot be used: {cause}")]
    Refused { host: String, cause: String },
    /// It cannot be reached, or the connection failed.
    #[error("the server {host} cannot be used: {cause}")]
    Unusable { host: String, cause: String },
}

impl ServerError {
    /// Why connecting to the server `host` failed.
    pub(super) fn of_connecting(host: &str, error: &sqlx::Error) -> Self {
        let (host, cause) = (host.to_owned(), connect_cause(error));
        if error_code(error).as_deref() == Some("53300") {
            Self::Full { host, cause }
        } else if is_login_refused(error) {
            Self::Refused { host, cause }
        } else {
            Self::Unusable { host, cause }
        }
    }
}

/// The errors of all servers, none of which can be used.
#[derive(Clone, Debug)]
pub(in crate::repository) struct NoUsableServer(pub(super) Vec<ServerError>);

impl std::error::Error for NoUsableServer {}

impl fmt::Display for NoUsableServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&texts.join("; "))
    }
}

/// Whether a server is the primary and accepts writes.
#[derive(FromRow)]
pub(super) struct ServerState {
    in_recovery: bool,
    is_read_only: bool,
}

impl ServerState {
    pub(super) async fn read(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        Self::read_by(include_str!("sql/server_state.sql"), connection).await
    }

    /// Runs `statements`, of which the last one reads the state: one round trip for all of them.
    pub(super) async fn read_by(
        statements: &'static str,
        connection: &mut PgConnection,
    ) -> Result<Self, sqlx::Error> {
        let row = sqlx::raw_sql(statements).fetch_one(connection).await?;
        Self::from_row(&row)
    }

    /// Why the server `host` cannot be used; `None` when it accepts writes.
    pub(super) fn problem(&self, host: &str) -> Option<ServerError> {
        match (self.in_recovery, self.is_read_only) {
            (true, _) => Some(ServerError::Standby(host.to_owned())),
            (false, true) => Some(ServerError::ReadOnly(host.to_owned())),
            (false, false) => None,
        }
    }
}
