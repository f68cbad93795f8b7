//! The lock by which one process migrates a database at a time.
//!
//! It is the lock of a table that only its owner may lock; an advisory lock could be taken by every role.
use sqlx::{Connection, PgConnection};
use tokio::time::{Duration, Instant, sleep};

use super::{
    connect::{connect, set_timeout},
    error_codes::is_lock_conflict,
};
use crate::repository::{MigrateSettings, MigrationError, sql_error::error_code};

/// How often a waiting process tries to take the lock.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// The lock, held by an open transaction on a connection of its own until it is released or the connection breaks.
pub(super) struct MigrationLock {
    connection: PgConnection,
}

impl MigrationLock {
    /// Creates the table where it is missing, and takes its lock.
    ///
    /// A process polls instead of waiting for the lock: a waiting session holds a snapshot, and CREATE INDEX
    /// CONCURRENTLY of the process that has the lock would wait for that.
    ///
    /// # Errors
    ///
    /// [`MigrationError::Locked`] when another process holds it for longer than `settings.wait`.
    pub(super) async fn take(
        url: &str,
        settings: &MigrateSettings,
    ) -> Result<Self, MigrationError> {
        let mut connection = connect(url).await?;
        sqlx::raw_sql(include_str!("sql/prepare_lock_session.sql"))
            .execute(&mut connection)
            .await
            .map_err(MigrationError::failed("setting a timeout"))?;
        set_timeout(&mut connection, "lock_timeout", settings.lock_timeout).await?;
        let asked = Instant::now();
        loop {
            if try_take(&mut connection).await? {
                return Ok(Self { connection });
            }
            if asked.elapsed() >= settings.wait {
                return Err(MigrationError::Locked(settings.wait));
            }
            sleep(RETRY_INTERVAL).await;
        }
    }

    /// Releases the lock.
    pub(super) async fn release(self) {
        // If closing fails, the server ends the session, and its lock, when it notices the lost connection.
        self.connection.close().await.ok();
    }
}

async fn try_take(connection: &mut PgConnection) -> Result<bool, MigrationError> {
    let make = sqlx::raw_sql(include_str!("sql/make_migration_lock.sql"));
    match make.execute(&mut *connection).await {
        Ok(_) => {}
        Err(error) if is_lock_conflict(&error) || is_concurrent_update(&error) => return Ok(false),
        Err(error) => {
            return Err(MigrationError::failed("creating schema challenges_catalog")(error));
        }
    }
    let take = sqlx::raw_sql(include_str!("sql/take_migration_lock.sql"));
    match take.execute(&mut *connection).await {
        Ok(_) => Ok(true),
        Err(error) if is_lock_conflict(&error) || is_missing(&error) => {
            sqlx::raw_sql("ROLLBACK")
                .execute(connection)
                .await
                .map_err(MigrationError::failed("taking the migration lock"))?;
            Ok(false)
        }
        Err(error) => Err(MigrationError::failed("taking the migration lock")(error)),
    }
}

/// Whether another process changed the owner of the schema or the table at the same moment.
fn is_concurrent_update(error: &sqlx::Error) -> bool {
    error_code(error).as_deref() == Some("XX000")
}

/// Whether another process created the schema or the table, and rolled that back.
fn is_missing(error: &sqlx::Error) -> bool {
    matches!(error_code(error).as_deref(), Some("42P01" | "3F000"))
}
