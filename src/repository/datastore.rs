use std::{sync::Arc, time::Duration};

use tonic::async_trait;

use super::{
    MigrateSettings, MigrationError, MigrationReport, MigrationRow, PoolSettings, Report, postgres,
    sqlite,
};
use crate::domain::{ChallengeRepository, ChangeFeed, Error};

/// An open database: both of its ports, and what the process itself asks of it.
#[async_trait]
pub trait Datastore: ChallengeRepository + ChangeFeed {
    /// Tells whether the schema is what this build needs. A newer one is: migrations only add.
    ///
    /// # Errors
    ///
    /// [`MigrationError::Behind`] names the command that helps;
    /// [`MigrationError::Unreachable`] when the database does not answer.
    async fn check(&self) -> Result<(), MigrationError>;

    /// Opens the connections that are kept for reads, so that no caller waits for them.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer.
    async fn fill(&self) -> Result<(), Error>;

    /// Asks the database for nothing, and tells how long that took.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer.
    async fn ping(&self) -> Result<Duration, Error>;

    /// The key that page tokens are signed with: the same for every replica.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer.
    async fn page_token_key(&self) -> Result<[u8; 32], Error>;

    /// Forgets changes older than `keep`, never the newest, and tells how many.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer.
    async fn prune(&self, keep: Duration) -> Result<u64, Error>;

    /// Keeps [`ChangeFeed::hint`] quick: runs until dropped, beside one caller of `hint`.
    ///
    /// Without it nothing is lost but time: polls find every change.
    async fn listen(&self);

    /// Closes every connection, waiting for those in use.
    async fn close(&self);
}

/// Opens the database at `url`, without talking to it yet. To be called inside a runtime.
///
/// # Errors
///
/// [`MigrationError::Url`], which never repeats the address.
pub fn open(url: &str, settings: &PoolSettings) -> Result<Arc<dyn Datastore>, MigrationError> {
    Ok(match Engine::of(url)? {
        Engine::Postgres => Arc::new(postgres::PostgresStore::open(url, settings)?),
        Engine::Sqlite => Arc::new(sqlite::SqliteStore::open(url, settings)?),
    })
}

/// Brings the schema of the database at `url` to what this build needs. Doing it twice, or from
/// two processes at once, does it once.
///
/// # Errors
///
/// [`MigrationError`]; a table that cannot be adopted is refused before anything is changed.
pub async fn migrate_up(
    url: &str,
    settings: &MigrateSettings,
) -> Result<MigrationReport, MigrationError> {
    match Engine::of(url)? {
        Engine::Postgres => postgres::migrate_up(url, settings).await,
        Engine::Sqlite => sqlite::migrate_up(url).await,
    }
}

/// Every migration, applied or pending, in order. Changes nothing.
///
/// # Errors
///
/// [`MigrationError::Unreachable`] when the database does not answer.
pub async fn migration_status(url: &str) -> Result<Vec<MigrationRow>, MigrationError> {
    match Engine::of(url)? {
        Engine::Postgres => postgres::migration_status(url).await,
        Engine::Sqlite => sqlite::migration_status(url).await,
    }
}

/// Looks for everything that could make the catalog wrong. Changes nothing.
///
/// # Errors
///
/// [`MigrationError::Unreachable`] when the database does not answer; what is wrong *in* it is
/// in the report.
pub async fn verify(url: &str) -> Result<Report, MigrationError> {
    match Engine::of(url)? {
        Engine::Postgres => postgres::verify(url).await,
        Engine::Sqlite => sqlite::verify(url).await,
    }
}

enum Engine {
    Postgres,
    Sqlite,
}

impl Engine {
    fn of(url: &str) -> Result<Self, MigrationError> {
        match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("postgres" | "postgresql") => Ok(Self::Postgres),
            Some("sqlite") => Ok(Self::Sqlite),
            Some(_) | None => Err(MigrationError::Url(
                "must start with postgres://, postgresql:// or sqlite:".to_owned(),
            )),
        }
    }
}
