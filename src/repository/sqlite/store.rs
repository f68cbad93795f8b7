use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use sqlx::{
    ConnectOptions, Connection, Sqlite, SqliteConnection, SqlitePool,
    query::QueryAs,
    sqlite::{
        SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow,
        SqliteSynchronous,
    },
};
use tokio::{fs::OpenOptions, sync::Notify, time::timeout};

use super::{
    file::{DatabaseFile, Moved},
    migrate,
};
use crate::{
    domain::{Error, PoolState},
    repository::{
        AddressSource, Datastore, MigrationError, PoolSettings,
        fault::{Broken, NoAnswer, code_of, translate},
        odd_rows::OddRowLog,
    },
};

/// How long a connection waits while another one writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Each connection is a thread, and more of them read no faster.
const MOST_CONNECTIONS: u32 = 8;

/// The catalog in a SQLite file. A clone is another hand on the same pools.
#[derive(Clone)]
pub(crate) struct SqliteStore {
    /// For reads and writes.
    pub(super) pool: SqlitePool,
    /// For polls: a connection of their own, so that busy reads cannot starve it.
    pub(super) feed: SqlitePool,
    /// Poked by the writes of this process.
    pub(super) changed: Arc<Notify>,
    pub(super) file: Arc<DatabaseFile>,
    /// Rows that cannot be shown, as far as they were logged.
    pub(super) odd: Arc<OddRowLog>,
    settings: PoolSettings,
}

impl SqliteStore {
    /// Opens the pools of the file at `path`, which must be there when it is first used. To be
    /// called inside a runtime.
    ///
    /// # Errors
    ///
    /// [`MigrationError::Url`], which never repeats the address.
    pub(crate) fn open(path: &Path, settings: &PoolSettings) -> Result<Self, MigrationError> {
        let options = connect_options(path)?;
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
                        // The engine itself ends a transaction that meets a full disk or a broken file; to the driver it
                        // looks open for ever, and nothing could be begun on the connection.
                        connection.ping().await?;
                        Ok(!connection.is_in_transaction())
                    })
                })
                .connect_lazy_with(options.clone())
        };
        let max = settings.max_connections.min(MOST_CONNECTIONS);
        Ok(Self {
            pool: pool(max),
            feed: pool(1),
            file,
            changed: Arc::new(Notify::new()),
            odd: Arc::default(),
            settings: settings.clone(),
        })
    }

    /// Runs a read.
    pub(super) async fn fetch<R>(
        &self,
        pool: &SqlitePool,
        context: &'static str,
        query: QueryAs<'static, Sqlite, R, SqliteArguments>,
    ) -> Result<Vec<R>, Error>
    where
        R: for<'r> sqlx::FromRow<'r, SqliteRow> + Send + Unpin,
    {
        self.within(context, query.fetch_all(pool)).await
    }

    /// Waits for `work`, as long as a statement may take.
    pub(super) async fn within<T>(
        &self,
        context: &'static str,
        work: impl Future<Output = Result<T, sqlx::Error>> + Send,
    ) -> Result<T, Error> {
        if !self.is_open() {
            self.file.note_closed();
        }
        self.file.check().map_err(Error::datastore)?;
        let limit = self.settings.acquire_timeout + self.settings.statement_timeout;
        match timeout(limit, work).await {
            Ok(done) => done.map_err(|error| translate(context, error, is_outage)),
            Err(_) => Err(Error::datastore(NoAnswer(limit))),
        }
    }
}

impl SqliteStore {
    fn is_open(&self) -> bool {
        self.pool.size() + self.feed.size() > 0
    }

    /// Opens the file anew, where another one lies there, or its log was deleted: first every connection to the old one
    /// is closed, because the last of them removes the log by its name. They write down what only the log had.
    pub(super) async fn follow_file(&self) -> Result<(), Error> {
        let Err(moved) = self.file.check() else {
            return Ok(());
        };
        for pool in [&self.pool, &self.feed] {
            while let Some(idle) = pool.try_acquire() {
                idle.close().await.ok();
            }
        }
        if self.is_open() || matches!(moved, Moved::Gone(_)) {
            return Err(Error::datastore(moved));
        }
        self.file.note_closed();
        tracing::warn!(component = "database", cause = %moved, "the file is opened anew");
        Ok(())
    }

    /// Begins a history of its own, where another file was opened than before: it may be a copy that was changed since,
    /// and nothing that was read before counts in it. Tells whether it did.
    pub(super) async fn begin_history(&self) -> Result<bool, Error> {
        if !self.file.is_another() {
            return Ok(false);
        }
        let rename = "UPDATE catalog_state SET database_id = lower(hex(randomblob(8)))";
        let rename = sqlx::query(rename).execute(&self.pool);
        self.within("beginning a history", rename).await?;
        // Only now: what failed, or ran out of time, is done again.
        self.file.note_begun();
        Ok(true)
    }
}

#[async_trait]
impl Datastore for SqliteStore {
    async fn check(&self) -> Result<(), MigrationError> {
        let mut connection = self.pool.acquire().await.map_err(no_connection)?;
        migrate::check(&mut connection).await
    }

    fn renew_login_by(&self, _: AddressSource) {
        // A file has none.
    }

    async fn fill(&self) -> Result<(), Error> {
        let max = self.pool.options().get_max_connections();
        let count = self.settings.min_connections.clamp(1, max);
        let open = (0..count).map(|_| self.pool.acquire());
        let all = futures_util::future::try_join_all(open);
        self.within("opening connections", all).await?;
        Ok(())
    }

    async fn notify_queue_usage(&self) -> Result<Option<f64>, Error> {
        Ok(None)
    }

    async fn page_token_key(&self) -> Result<[u8; 32], Error> {
        let context = "reading the key of page tokens";
        let read = sqlx::query_as("SELECT page_token_key FROM catalog_state");
        let rows: Vec<(Vec<u8>,)> = self.fetch(&self.pool, context, read).await?;
        let key = rows
            .into_iter()
            .next()
            .and_then(|(key,)| key.try_into().ok());
        key.ok_or_else(|| Error::internal(context, Broken("it is not 32 bytes".to_owned())))
    }

    fn pool(&self) -> PoolState {
        let open = self.pool.size();
        let idle = u32::try_from(self.pool.num_idle())
            .unwrap_or(u32::MAX)
            .min(open);
        PoolState {
            open,
            idle,
            max: self.pool.options().get_max_connections(),
        }
    }

    async fn listen(&self) {
        // Writes of this process poke by themselves, and no other way to hear of changes exists.
        std::future::pending::<()>().await;
    }

    async fn close(&self) {
        futures_util::join!(self.pool.close(), self.feed.close());
    }
}

/// One connection outside of any pool, for a command; `create` makes the file where it is missing.
pub(super) async fn connect(path: &Path, create: bool) -> Result<SqliteConnection, MigrationError> {
    if create {
        make_private(path).await;
    }
    let options = connect_options(path)?.create_if_missing(create);
    options.connect().await.map_err(no_connection)
}

/// Makes a file that only its owner may read, as SQLite does with the files that it puts beside it. Whatever
/// keeps it from being made is told by opening it.
async fn make_private(path: &Path) {
    let mut new = OpenOptions::new();
    new.write(true).create_new(true).mode(0o600);
    new.open(path).await.ok();
}

/// A file that is busy may be so no more in a while; one that is no database stays that.
fn no_connection(error: sqlx::Error) -> MigrationError {
    if code_of(&error).is_some_and(|code| !is_busy(&code)) {
        return MigrationError::failed("opening the file")(error);
    }
    MigrationError::Unreachable(error.into())
}

fn connect_options(path: &Path) -> Result<SqliteConnectOptions, MigrationError> {
    if path.as_os_str() == ":memory:" {
        // Each pool would see a database of its own.
        return Err(MigrationError::Url("must be a file".to_owned()));
    }
    let options = SqliteConnectOptions::new().filename(path);
    Ok(options
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true))
}

/// Result codes of others' work in the file: busy, locked.
fn is_busy(code: &str) -> bool {
    let primary = code.parse::<u32>().map(|code| code & 0xff);
    matches!(primary, Ok(5 | 6))
}

/// Result codes of states that may pass: busy, locked, read-only, input and output, full, cannot open.
pub(super) fn is_outage(code: &str) -> bool {
    let primary = code.parse::<u32>().map(|code| code & 0xff);
    matches!(primary, Ok(5 | 6 | 8 | 10 | 13 | 14))
}
