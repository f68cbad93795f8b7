//! The SQLite store: its pools, and how statements run on them with time limits.
use std::{path::Path, sync::Arc};

use sqlx::{
    Connection, FromRow, Sqlite, SqliteConnection, SqlitePool,
    query::QueryAs,
    sqlite::{SqliteArguments, SqlitePoolOptions, SqliteRow},
};
use tokio::{sync::Notify, time::timeout};

use super::{
    connect::{code_class, options},
    database_file::{DatabaseFile, FileMoved},
};
use crate::{
    domain::Error,
    repository::{
        MigrationError, PoolSettings,
        invalid_rows::InvalidRowLog,
        sql_error::{TimedOut, to_domain_error},
    },
};

/// Each connection is a thread, and more of them read no faster.
const MAX_CONNECTIONS: u32 = 8;

/// The catalog in a SQLite file. A clone shares the pools.
#[derive(Clone)]
pub(crate) struct SqliteStore {
    /// For reads and writes.
    pub(super) pool: SqlitePool,
    /// For polls: a connection of their own, so that busy reads cannot starve them.
    pub(super) feed: SqlitePool,
    /// Notified by the writes of this process.
    pub(super) changed: Arc<Notify>,
    pub(super) file: Arc<DatabaseFile>,
    pub(super) invalid_rows: Arc<InvalidRowLog>,
    pub(super) settings: PoolSettings,
}

/// A statement that reads rows.
pub(super) type Query<R> = QueryAs<'static, Sqlite, R, SqliteArguments>;

impl SqliteStore {
    /// Opens the pools of the file at `path`, which must exist when they are first used. Must be called inside a tokio
    /// runtime.
    ///
    /// # Errors
    ///
    /// [`MigrationError::Url`], which never repeats the address.
    pub(crate) fn open(path: &Path, settings: &PoolSettings) -> Result<Self, MigrationError> {
        let options = options(path)?;
        let file = Arc::new(DatabaseFile::at(path));
        let pool = |max: u32| {
            let opened = Arc::clone(&file);
            SqlitePoolOptions::new()
                .max_connections(max)
                .acquire_timeout(settings.acquire_timeout)
                .test_before_acquire(false)
                .after_connect(move |_, _| {
                    opened.note_opened();
                    Box::pin(std::future::ready(Ok(())))
                })
                .after_release(|connection, _| {
                    Box::pin(async move {
                        // The engine ends a transaction that meets a full disk or a damaged file. The driver believes
                        // that it is still open, and could begin no other one on the connection.
                        connection.ping().await?;
                        Ok(!connection.is_in_transaction())
                    })
                })
                .connect_lazy_with(options.clone())
        };
        Ok(Self {
            pool: pool(settings.max_connections.min(MAX_CONNECTIONS)),
            feed: pool(1),
            file,
            changed: Arc::new(Notify::new()),
            invalid_rows: Arc::default(),
            settings: settings.clone(),
        })
    }

    /// Runs a read.
    pub(super) async fn fetch<R>(
        &self,
        pool: &SqlitePool,
        context: &'static str,
        query: Query<R>,
    ) -> Result<Vec<R>, Error>
    where
        R: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        self.within(context, query.fetch_all(pool)).await
    }

    /// Runs `work` in a transaction that writes.
    pub(super) async fn write<T>(
        &self,
        context: &'static str,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, Error> {
        let transaction = async {
            // Immediate: a transaction that reads first fails at its first write if another one wrote in between.
            let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
            let done = work(&mut transaction).await?;
            transaction.commit().await?;
            Ok(done)
        };
        self.within(context, transaction).await
    }

    /// Runs `work` within the time that a statement may take, unless the file was moved.
    pub(super) async fn within<T>(
        &self,
        context: &'static str,
        work: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, Error> {
        if !self.is_open() {
            self.file.note_closed();
        }
        self.file.check().map_err(Error::datastore)?;
        let limit = self.settings.acquire_timeout + self.settings.statement_timeout;
        match timeout(limit, work).await {
            Ok(done) => done.map_err(|error| to_domain_error(context, error, code_class)),
            Err(_) => Err(Error::datastore(TimedOut(limit))),
        }
    }

    fn is_open(&self) -> bool {
        self.pool.size() + self.feed.size() > 0
    }

    /// Opens the file again where it was replaced or its log was deleted. Every connection to the old file is closed
    /// first, because the last of them removes the log by its path; closing them writes what only the log had.
    pub(super) async fn reopen_moved_file(&self) -> Result<(), Error> {
        let Err(moved) = self.file.check() else {
            return Ok(());
        };
        for pool in [&self.pool, &self.feed] {
            while let Some(idle) = pool.try_acquire() {
                idle.close().await.ok();
            }
        }
        if self.is_open() || matches!(moved, FileMoved::Gone(_)) {
            return Err(Error::datastore(moved));
        }
        self.file.note_closed();
        tracing::warn!(component = "database", cause = %moved, "the database file is opened again");
        Ok(())
    }

    /// Begins a new history if another file than before was opened: the file may be a changed copy, so nothing that was
    /// read before is valid. Returns whether it did.
    pub(super) async fn begin_history(&self) -> Result<bool, Error> {
        if !self.file.is_another() {
            return Ok(false);
        }
        let rename = "UPDATE catalog_state SET database_id = lower(hex(randomblob(8)))";
        let rename = sqlx::query(rename).execute(&self.pool);
        self.within("beginning a history", rename).await?;
        // Only here, so that a failed attempt is repeated.
        self.file.note_begun();
        Ok(true)
    }
}
