//! Transactions on connections of editors.
use std::time::Duration;

use sqlx::{
    FromRow, Postgres,
    postgres::{PgArguments, PgRow},
    query::QueryAs,
};
use tokio::time::timeout;

use super::{
    PostgresStore, error_codes::statement_error, pool::PooledConnection, server_error::ServerState,
    session::milliseconds, store::GRACE,
};
use crate::{domain::Error, repository::sql_error::TimedOut};

/// A connection without an answer to BEGIN within this long counts as broken, and another one is tried.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(1);

/// An open transaction on a connection of its own. Dropping it closes the connection, which rolls it back.
pub(super) struct Transaction(pub(super) PooledConnection);

impl Transaction {
    /// Runs a statement and returns its rows.
    pub(super) async fn fetch<R>(
        &mut self,
        query: QueryAs<'_, Postgres, R, PgArguments>,
    ) -> Result<Vec<R>, sqlx::Error>
    where
        R: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let query = query.persistent(self.keeps_statements());
        query.fetch_all(&mut *self.0).await
    }

    /// Runs a statement that returns one row.
    pub(super) async fn fetch_one<R>(
        &mut self,
        query: QueryAs<'_, Postgres, R, PgArguments>,
    ) -> Result<R, sqlx::Error>
    where
        R: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let query = query.persistent(self.keeps_statements());
        query.fetch_one(&mut *self.0).await
    }

    /// Whether a statement may stay prepared for later transactions on the session.
    fn keeps_statements(&self) -> bool {
        !self.0.is_shared()
    }

    /// Limits each statement, and each pause between statements, to `limit`.
    pub(super) async fn set_timeouts(&mut self, limit: Duration) -> Result<(), sqlx::Error> {
        let set = sqlx::query_as(include_str!("sql/set_local_timeouts.sql"));
        self.fetch_one(set.bind(milliseconds(limit))).await
    }

    /// Commits. When this fails because of the connection, nobody knows whether it was carried out.
    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        sqlx::raw_sql("COMMIT").execute(&mut *self.0).await?;
        self.0.give_back();
        Ok(())
    }

    /// Rolls back and keeps the connection. All statements must have been answered.
    pub(super) async fn roll_back(mut self) {
        let rolling_back = sqlx::raw_sql("ROLLBACK").execute(&mut *self.0);
        if matches!(timeout(GRACE, rolling_back).await, Ok(Ok(_))) {
            self.0.give_back();
        }
    }
}

impl PostgresStore {
    /// Begins a transaction that writes.
    pub(super) async fn begin(&self, context: &'static str) -> Result<Transaction, Error> {
        self.begin_by(context, include_str!("sql/begin.sql")).await
    }

    /// Begins a read-only transaction, all of whose statements see the same state.
    pub(super) async fn begin_snapshot(&self, context: &'static str) -> Result<Transaction, Error> {
        let begin = include_str!("sql/begin_snapshot.sql");
        self.begin_by(context, begin).await
    }

    /// Begins a transaction by `statements`, which end with the read of [`ServerState`]. It is retried once on a new
    /// connection when the pooled one was broken, or its server accepts no writes.
    async fn begin_by(
        &self,
        context: &'static str,
        statements: &'static str,
    ) -> Result<Transaction, Error> {
        let mut is_retry = false;
        loop {
            let mut connection = self.acquire(&self.editing, is_retry).await?;
            let limit = if is_retry {
                self.answer_limit(&self.editing)
            } else {
                BEGIN_TIMEOUT
            };
            let beginning = async {
                let state = ServerState::read_by(statements, &mut connection).await?;
                if connection.is_shared() {
                    self.limit_transaction(&mut connection).await?;
                }
                Ok(state)
            };
            let begun: Result<Result<ServerState, sqlx::Error>, _> =
                timeout(limit, beginning).await;
            let error = match begun {
                Ok(Ok(state)) => match state.problem(&self.servers.name()) {
                    None => return Ok(Transaction(connection)),
                    Some(problem) => self.abandon_server(connection.times(), problem),
                },
                Ok(Err(error)) => {
                    let is_retry = self.is_worth_retry(&connection, &error);
                    let error = statement_error(context)(error);
                    if !is_retry {
                        return Err(error);
                    }
                    error
                }
                Err(_) => {
                    self.servers.suspect(connection.times());
                    Error::datastore(TimedOut(limit))
                }
            };
            if is_retry {
                return Err(error);
            }
            is_retry = true;
        }
    }
}
