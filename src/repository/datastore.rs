use std::{path::Path, sync::Arc};

use async_trait::async_trait;

use super::{
    MigrateSettings, MigrationError, MigrationReport, MigrationRow, PoolSettings, Report, postgres,
    sqlite,
};
use crate::domain::{
    ChallengeEditor, ChallengeRepository, ChangeFeed, ControlStore, Error, HistoryStore,
    Invalidator, PoolState, ReplicaRegistry, TipStore,
};

/// Where a database is. Has no `Debug`, because an address can hold a password.
#[derive(Clone, Copy)]
pub enum Location<'a> {
    /// `postgres://…`, with all that the driver understands. Of several servers of one database,
    /// the addresses of each, one a line: the first that takes writes is used.
    Postgres(&'a str),
    /// A file.
    Sqlite(&'a Path),
}

/// Gives the addresses as [`Location::Postgres`] has them, as they are by now; `None` when they cannot be read.
pub type AddressSource = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// An open database: all of its ports, and what the process itself asks of it.
#[async_trait]
pub trait Datastore:
    ChallengeEditor
    + ChallengeRepository
    + ChangeFeed
    + ControlStore
    + HistoryStore
    + Invalidator
    + ReplicaRegistry
    + TipStore
{
    /// Tells whether the schema is what this build needs. A newer one is: migrations only add.
    ///
    /// # Errors
    ///
    /// [`MigrationError::Behind`] names the command that helps;
    /// [`MigrationError::Unreachable`] when the database does not answer, and
    /// [`MigrationError::NotWritable`] when it is a standby or read-only.
    async fn check(&self) -> Result<(), MigrationError>;

    /// Has `source` read again when the server refuses a log-in: the password may have been changed.
    fn renew_login_by(&self, source: AddressSource);

    /// Opens the connections that are kept for reads and polls, so that no caller waits for them.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer.
    async fn fill(&self) -> Result<(), Error>;

    /// The connections for reads.
    fn pool(&self) -> PoolState;

    /// How full the queue of notifications is, 0 to 1; `None` where there is no such queue.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer.
    async fn notify_queue_usage(&self) -> Result<Option<f64>, Error>;

    /// The key that page tokens are signed with: the same for every replica.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer.
    async fn page_token_key(&self) -> Result<[u8; 32], Error>;

    /// Keeps [`ChangeFeed::hint`] quick: runs until dropped, beside one caller of `hint`.
    ///
    /// Without it nothing is lost but time: polls find every change.
    async fn listen(&self);

    /// Closes every connection, waiting for those in use.
    async fn close(&self);
}

/// Opens the database at `location`, without talking to it yet. To be called inside a runtime.
///
/// # Errors
///
/// [`MigrationError::Url`], which never repeats the address.
pub fn open(
    location: Location<'_>,
    settings: &PoolSettings,
) -> Result<Arc<dyn Datastore>, MigrationError> {
    Ok(match location {
        Location::Postgres(url) => Arc::new(postgres::PostgresStore::open(url, settings)?),
        Location::Sqlite(path) => Arc::new(sqlite::SqliteStore::open(path, settings)?),
    })
}

/// Brings the schema of the database at `location` to what this build needs. Doing it twice, or from
/// two processes at once, does it once.
///
/// # Errors
///
/// [`MigrationError`]; a table that cannot be adopted is refused before anything is changed.
pub async fn migrate_up(
    location: Location<'_>,
    settings: &MigrateSettings,
) -> Result<MigrationReport, MigrationError> {
    match location {
        Location::Postgres(url) => postgres::migrate_up(url, settings).await,
        Location::Sqlite(path) => sqlite::migrate_up(path).await,
    }
}

/// Every migration, applied or pending, in order. Changes nothing.
///
/// # Errors
///
/// [`MigrationError::Unreachable`] when the database does not answer.
pub async fn migration_status(location: Location<'_>) -> Result<Vec<MigrationRow>, MigrationError> {
    match location {
        Location::Postgres(url) => postgres::migration_status(url).await,
        Location::Sqlite(path) => sqlite::migration_status(path).await,
    }
}

/// Looks for everything that could make the catalog wrong. Changes nothing. `tell` hears how far it is:
/// how many looks at rows are done, of how many.
///
/// # Errors
///
/// [`MigrationError::Unreachable`] when the database does not answer; what is wrong *in* it is
/// in the report.
pub async fn verify(
    location: Location<'_>,
    tell: &(dyn Fn(u64, u64) + Sync),
) -> Result<Report, MigrationError> {
    match location {
        Location::Postgres(url) => postgres::verify(url, tell).await,
        Location::Sqlite(path) => sqlite::verify(path, tell).await,
    }
}
