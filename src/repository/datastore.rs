//! The database as one object: opens it, and migrates or verifies it, on either engine.
use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{MigrationError, MigrationReport, MigrationRow, VerifyReport, postgres, sqlite};
use crate::domain::{
    ChallengeEditor, ChallengeRepository, ChangeFeed, ControlStore, DatabaseProbe, Error,
    HistoryStore, Invalidator, ReplicaRegistry, TipStore,
};

/// The address of a database. Has no `Debug`, because it can contain a password.
#[derive(Clone, Copy)]
pub enum Location<'a> {
    /// `postgres://…`, with every option of the driver. For several servers of one database, one address
    /// per line; the first server that accepts writes is used.
    Postgres(&'a str),
    /// A SQLite file.
    Sqlite(&'a Path),
}

/// Reads the addresses again, in the form of [`Location::Postgres`]; `None` when they cannot be read.
pub type AddressSource = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// The settings of the connection pools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// How many connections for reads are kept open.
    pub min_connections: u32,
    /// The most connections for reads; further reads wait. SQLite uses at most 8.
    pub max_connections: u32,
    /// How long a read waits for a connection.
    pub acquire_timeout: Duration,
    /// How long a statement may run.
    pub statement_timeout: Duration,
    /// How long a poll for changes may take. Short enough that, after a lost poll, another one succeeds
    /// before answers go stale.
    pub poll_timeout: Duration,
    /// A connection older than this is replaced.
    pub max_lifetime: Duration,
    /// A connection unused for this long is closed, down to `min_connections`.
    pub idle_timeout: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            min_connections: 2,
            max_connections: 16,
            acquire_timeout: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(5),
            poll_timeout: Duration::from_secs(1),
            max_lifetime: Duration::from_mins(30),
            idle_timeout: Duration::from_mins(10),
        }
    }
}

/// The time limits of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrateSettings {
    /// How long to wait for another process that migrates the same database.
    pub wait: Duration,
    /// How long a statement waits for a lock, capped at half of the server's `deadlock_timeout`. The table's
    /// writers queue behind it for as long.
    pub lock_timeout: Duration,
    /// How often to try while the table is locked.
    pub attempts: u32,
    /// How long building the index of a table with rows may take; it blocks nobody.
    pub index_timeout: Duration,
}

impl Default for MigrateSettings {
    fn default() -> Self {
        Self {
            wait: Duration::from_mins(1),
            lock_timeout: Duration::from_millis(500),
            attempts: 30,
            index_timeout: Duration::from_mins(15),
        }
    }
}

/// An open database: all of its ports, and what the process itself needs of it.
#[async_trait]
pub trait Datastore:
    ChallengeEditor
    + ChallengeRepository
    + ChangeFeed
    + ControlStore
    + DatabaseProbe
    + HistoryStore
    + Invalidator
    + ReplicaRegistry
    + TipStore
{
    /// Checks that the schema is the one that this build needs, or a newer one: migrations only add.
    ///
    /// # Errors
    ///
    /// [`MigrationError::SchemaTooOld`] names the command that helps;
    /// [`MigrationError::Unreachable`] when the database does not answer, and
    /// [`MigrationError::NotWritable`] when it is a standby or read-only.
    async fn check(&self) -> Result<(), MigrationError>;

    /// Sets where the addresses are read again when the server refuses a login, because the password may have
    /// been changed.
    fn set_address_source(&self, source: AddressSource);

    /// Opens the connections that are kept for reads and polls, so that no call waits for them.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer.
    async fn fill_pools(&self) -> Result<(), Error>;

    /// How full the notification queue is, 0 to 1; `None` where there is no such queue.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer.
    async fn notify_queue_usage(&self) -> Result<Option<f64>, Error>;

    /// The key that signs page tokens: the same for every replica.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer.
    async fn page_token_key(&self) -> Result<[u8; 32], Error>;

    /// Receives notifications for [`ChangeFeed::notified`], which has one caller. Runs until dropped.
    ///
    /// Without it changes are found later, by polling.
    async fn listen(&self);

    /// Closes every connection, after a short wait for those in use.
    async fn close(&self);
}

/// Opens the database at `location` without connecting yet. Must be called inside a tokio runtime.
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

/// Applies the pending migrations. Calling it twice, or in two processes at once, applies each of them once.
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

/// Lists every migration of this build, applied or pending, in order. Changes nothing.
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

/// Checks the database for everything that could make the catalog wrong. Changes nothing. Calls `progress`
/// with the row checks done so far and their total.
///
/// # Errors
///
/// [`MigrationError::Unreachable`] when the database does not answer; problems *in* the database are
/// in the report.
pub async fn verify(
    location: Location<'_>,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<VerifyReport, MigrationError> {
    match location {
        Location::Postgres(url) => postgres::verify(url, progress).await,
        Location::Sqlite(path) => sqlite::verify(path, progress).await,
    }
}
