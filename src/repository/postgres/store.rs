//! The PostgreSQL store: its pools, and how statements run on them with retries and time limits.
use std::{
    io::{self, ErrorKind::ConnectionAborted},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    FromRow, Postgres, Row,
    postgres::{PgArguments, PgRow},
    query::QueryAs,
};
use tokio::time::timeout;

use super::{
    error_codes::{ConnectionState, is_read_only_error, statement_error},
    notification_queue::NotificationQueue,
    pool::{Pool, PooledConnection},
    server_error::{NoUsableServer, ServerError, ServerState},
    servers::Servers,
    session::{ConnectionTimes, milliseconds},
};
use crate::{
    domain::Error,
    repository::{MigrationError, PoolSettings, invalid_rows::InvalidRowLog},
};

/// How long to wait for an answer beyond the time limit of the statement.
pub(super) const GRACE: Duration = Duration::from_millis(500);
/// The most transactions of editors at once.
const MAX_EDITORS: u32 = 4;

/// The catalog in PostgreSQL. A clone shares the pools.
#[derive(Clone)]
pub(crate) struct PostgresStore {
    /// For reads and writes.
    pub(super) pool: Pool,
    /// For polls: one connection of its own, so that busy reads cannot starve them.
    pub(super) feed: Pool,
    /// For edits, imports and exports: connections of their own, so that long ones starve no read.
    pub(super) editing: Pool,
    pub(super) notifications: Arc<NotificationQueue>,
    pub(super) servers: Arc<Servers>,
    pub(super) invalid_rows: Arc<InvalidRowLog>,
    settings: PoolSettings,
}

/// A statement that reads rows, built anew for each attempt.
pub(super) type Query<R> = QueryAs<'static, Postgres, R, PgArguments>;

/// A row whose statement also returns, in its column `in_recovery`, whether a standby answered.
pub(super) struct PrimaryRow<R> {
    in_recovery: bool,
    row: R,
}

impl<'r, R: FromRow<'r, PgRow>> FromRow<'r, PgRow> for PrimaryRow<R> {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            in_recovery: row.try_get("in_recovery")?,
            row: R::from_row(row)?,
        })
    }
}

impl PostgresStore {
    /// Opens the pools without connecting yet. Must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`MigrationError::Url`], which never repeats the address.
    pub(crate) fn open(urls: &str, settings: &PoolSettings) -> Result<Self, MigrationError> {
        let servers = Arc::new(Servers::parse(urls, settings.statement_timeout)?);
        let pool = |min_connections, max_connections, acquire_timeout| {
            let settings = PoolSettings {
                min_connections,
                max_connections,
                acquire_timeout,
                ..settings.clone()
            };
            Pool::new(Arc::clone(&servers), settings)
        };
        let limit = settings.acquire_timeout;
        Ok(Self {
            pool: pool(settings.min_connections, settings.max_connections, limit),
            feed: pool(1, 1, limit.min(settings.poll_timeout)),
            editing: pool(0, MAX_EDITORS, limit),
            notifications: Arc::default(),
            servers,
            invalid_rows: Arc::default(),
            settings: settings.clone(),
        })
    }

    /// Abandons the server of a connection, which accepts no writes, and returns the error of the statement that
    /// found this.
    pub(super) fn abandon_server(&self, times: ConnectionTimes, cause: ServerError) -> Error {
        self.servers.abandon(times);
        Error::datastore(NoUsableServer(vec![cause]))
    }

    /// Takes a connection of `pool`; a new one if the pooled ones may be broken.
    pub(super) async fn acquire(
        &self,
        pool: &Pool,
        is_new: bool,
    ) -> Result<PooledConnection, Error> {
        let limit = pool.settings().acquire_timeout;
        let connection = if is_new {
            pool.acquire_new(limit).await
        } else {
            pool.acquire(limit).await
        };
        connection.map_err(Error::datastore)
    }

    /// Runs a statement that may run twice: it is retried once on a new connection when the pooled one was broken,
    /// or its server accepts no writes.
    pub(super) async fn fetch<R>(
        &self,
        pool: &Pool,
        context: &'static str,
        query: impl Fn() -> Query<R> + Send + Sync,
    ) -> Result<Vec<R>, Error>
    where
        R: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let limit = self.answer_limit(pool);
        let mut is_retry = false;
        loop {
            let mut connection = self.acquire(pool, is_retry).await?;
            let times = connection.times();
            let answer = tokio::select! {
                answer = timeout(limit, self.run(&mut connection, query())) => answer,
                // Another caller found the connection dead, or its server abandoned.
                () = self.servers.until_stale(times) => {
                    Ok(Err(io::Error::from(ConnectionAborted).into()))
                }
            };
            let error = match answer {
                Ok(Ok(rows)) => {
                    connection.give_back();
                    return Ok(rows);
                }
                Ok(Err(error)) => error,
                Err(_) => {
                    self.servers.suspect(times);
                    let silent = ServerError::Silent(self.servers.name(), limit);
                    return Err(Error::datastore(silent));
                }
            };
            let failed = if is_read_only_error(&error) {
                self.abandon_server(times, ServerError::RefusedWrite(self.servers.name()))
            } else if self.is_worth_retry(&connection, &error) {
                statement_error(context)(error)
            } else {
                if !connection.is_shared() {
                    connection.give_back();
                }
                return Err(statement_error(context)(error));
            };
            if is_retry {
                return Err(failed);
            }
            is_retry = true;
        }
    }

    /// As [`Self::fetch`], for data that may be old on a standby: the answer of a standby is discarded, its server
    /// abandoned, and the statement retried once on another server.
    pub(super) async fn fetch_from_primary<R>(
        &self,
        pool: &Pool,
        context: &'static str,
        query: impl Fn() -> Query<PrimaryRow<R>> + Send + Sync,
    ) -> Result<Vec<R>, Error>
    where
        R: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let mut is_retry = false;
        loop {
            let asked = ConnectionTimes::now();
            let rows = self.fetch(pool, context, &query).await?;
            if !rows.iter().any(|row| row.in_recovery) {
                return Ok(rows.into_iter().map(|row| row.row).collect());
            }
            let standby = ServerError::Standby(self.servers.name());
            let refused = self.abandon_server(asked, standby);
            if is_retry {
                return Err(refused);
            }
            is_retry = true;
        }
    }

    /// Calls a function that returns one value.
    pub(super) async fn fetch_one<T>(
        &self,
        context: &'static str,
        query: impl Fn() -> Query<(T,)> + Send + Sync,
    ) -> Result<Option<T>, Error>
    where
        (T,): for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let rows = self.fetch(&self.pool, context, query).await?;
        Ok(rows.into_iter().next().map(|(value,)| value))
    }

    /// Calls a function that returns nothing.
    pub(super) async fn call(
        &self,
        context: &'static str,
        query: impl Fn() -> Query<()> + Send + Sync,
    ) -> Result<(), Error> {
        self.fetch(&self.pool, context, query).await.map(drop)
    }

    /// Runs one statement; in a transaction of its own where the session is shared.
    async fn run<R>(
        &self,
        connection: &mut PooledConnection,
        query: Query<R>,
    ) -> Result<Vec<R>, sqlx::Error>
    where
        R: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        if !connection.is_shared() {
            return query.fetch_all(&mut **connection).await;
        }
        ServerState::read_by(include_str!("sql/begin.sql"), connection).await?;
        self.limit_transaction(connection).await?;
        let rows = query.persistent(false).fetch_all(&mut **connection).await?;
        sqlx::raw_sql("COMMIT").execute(&mut **connection).await?;
        Ok(rows)
    }

    /// Limits the statements of a transaction on a shared session.
    pub(super) async fn limit_transaction(
        &self,
        connection: &mut PooledConnection,
    ) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT set_config('statement_timeout', $1, true)")
            .bind(milliseconds(self.servers.statement_timeout))
            .persistent(false)
            .execute(&mut **connection)
            .await?;
        Ok(())
    }

    /// Whether a statement that failed may succeed on a new connection; notes what the error says of other connections.
    pub(super) fn is_worth_retry(
        &self,
        connection: &PooledConnection,
        error: &sqlx::Error,
    ) -> bool {
        match ConnectionState::after(error) {
            ConnectionState::Usable => false,
            ConnectionState::StalePlan | ConnectionState::IdleClosed => true,
            ConnectionState::Broken => {
                self.servers.suspect(connection.times());
                true
            }
        }
    }

    /// How long to wait for an answer.
    pub(super) fn answer_limit(&self, pool: &Pool) -> Duration {
        let limit = self.settings.statement_timeout + GRACE;
        if std::ptr::eq(pool, &raw const self.feed) {
            limit.min(self.settings.poll_timeout)
        } else {
            limit
        }
    }
}
