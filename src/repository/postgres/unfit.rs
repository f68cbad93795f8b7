use std::{fmt, time::Duration};

use sqlx::{Connection, PgConnection};

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
    /// It cannot be reached, or lets nobody in.
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

impl From<NoServer> for sqlx::Error {
    /// For the ways of the driver's own errors; `codes::fault` unwraps it.
    fn from(none: NoServer) -> Self {
        Self::AnyDriverError(none.into())
    }
}

/// What a server tells of itself.
#[derive(sqlx::FromRow)]
pub(super) struct Standing {
    in_recovery: bool,
    is_read_only: bool,
}

impl Standing {
    pub(super) async fn of(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        // The default may be that of the role, the database or the server.
        let look = "SELECT
                pg_is_in_recovery() AS in_recovery,
                current_setting('default_transaction_read_only') = 'on' AS is_read_only";
        sqlx::query_as(look).fetch_one(connection).await
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

/// Connects, and gives back the connection with why it cannot be used for writes, if so.
pub(super) async fn connect_and_look(
    options: &sqlx::postgres::PgConnectOptions,
    host: &str,
) -> Result<(PgConnection, Option<Unfit>), sqlx::Error> {
    let mut connection = PgConnection::connect_with(options).await?;
    let unfit = Standing::of(&mut connection).await?.unfit(host);
    Ok((connection, unfit))
}
