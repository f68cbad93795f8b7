use std::{fmt, time::Duration};

use sqlx::{FromRow, PgConnection};

use super::codes::{connect_cause, is_refusal};
use crate::repository::fault::code_of;

/// Why a server cannot be used. Names it by host and port, never by user or password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::repository) enum Unfit {
    /// It replays what another server commits, as far as it has got.
    #[error("the server {0} is a standby: it is in recovery")]
    Standby(String),
    /// Each transaction would have to ask for the right to write.
    #[error("the server {0} takes no writes: default_transaction_read_only is on")]
    ReadOnly(String),
    /// A statement was refused because it would write.
    #[error("the server {0} takes no writes: it is a standby, or read-only")]
    RefusedWrite(String),
    /// It does not answer a statement.
    #[error("the server {0} gave no answer within {1:?}")]
    Silent(String, Duration),
    /// It has given away all its connections.
    #[error("the server {host} has no connection left: {cause}")]
    Full {
        /// Which one.
        host: String,
        /// What it says.
        cause: String,
    },
    /// It lets this role in nowhere, or not with this password.
    #[error("the server {host} cannot be used: {cause}")]
    Refused {
        /// Which one.
        host: String,
        /// What it says.
        cause: String,
    },
    /// It cannot be reached, or not be talked to.
    #[error("the server {host} cannot be used: {cause}")]
    Unusable {
        /// Which one.
        host: String,
        /// What the driver says, which repeats no address.
        cause: String,
    },
}

/// None of the servers can be used, and why each of them cannot.
#[derive(Clone, Debug)]
pub(in crate::repository) struct NoServer(pub(super) Vec<Unfit>);

impl std::error::Error for NoServer {}

impl fmt::Display for NoServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&texts.join("; "))
    }
}

/// Why a connection was not opened.
#[derive(Debug)]
pub(super) enum Unopened {
    /// The server has given away all that it has.
    Full(Unfit),
    NoServer(NoServer),
}

impl Unfit {
    /// Why the server called `host` let nobody in.
    pub(super) fn of(host: &str, error: &sqlx::Error) -> Self {
        let (host, cause) = (host.to_owned(), connect_cause(error));
        if code_of(error).as_deref() == Some("53300") {
            Self::Full { host, cause }
        } else if is_refusal(error) {
            Self::Refused { host, cause }
        } else {
            Self::Unusable { host, cause }
        }
    }
}

/// What a server tells of itself.
#[derive(FromRow)]
pub(super) struct Standing {
    in_recovery: bool,
    is_read_only: bool,
}

impl Standing {
    pub(super) async fn of(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        Self::by(include_str!("sql/standing.sql"), connection).await
    }

    /// By a text whose last statement tells it: one trip there and back, however many statements it has.
    pub(super) async fn by(
        statements: &'static str,
        connection: &mut PgConnection,
    ) -> Result<Self, sqlx::Error> {
        let row = sqlx::raw_sql(statements).fetch_one(connection).await?;
        Self::from_row(&row)
    }

    /// Why the server called `host` cannot be used; `None` when it takes writes.
    pub(super) fn unfit(&self, host: &str) -> Option<Unfit> {
        match (self.in_recovery, self.is_read_only) {
            (true, _) => Some(Unfit::Standby(host.to_owned())),
            (false, true) => Some(Unfit::ReadOnly(host.to_owned())),
            (false, false) => None,
        }
    }
}
