//! One process migrates a database at a time.
use sqlx::PgConnection;
use tokio::time::{Duration, Instant, sleep};

use super::{
    codes::is_lock_conflict,
    migrate::{open, set},
};
use crate::repository::{MigrateSettings, MigrationError, fault::code_of};

/// How often a process that waits for the lock asks for it.
const POLL: Duration = Duration::from_millis(50);

/// The lock of a table that only the owner may lock, held by a session of its own in an open transaction, until it is released
/// or its connection breaks. An advisory lock could be taken by every role, with no right at all.
pub(super) struct MigrationLock {
    connection: PgConnection,
}

impl MigrationLock {
    /// Makes the table where it is missing, and takes its lock.
    ///
    /// It polls: a session that waits for a lock holds a snapshot, and CREATE INDEX CONCURRENTLY of the process that has the
    /// lock would wait for that.
    ///
    /// # Errors
    ///
    /// [`MigrationError::Locked`] when another process has it for longer than `settings.wait`.
    pub(super) async fn take(
        url: &str,
        settings: &MigrateSettings,
    ) -> Result<Self, MigrationError> {
        let mut connection = open(url).await?;
        sqlx::raw_sql(include_str!("sql/hold_migration_lock.sql"))
            .execute(&mut connection)
            .await
            .map_err(MigrationError::failed("setting a timeout"))?;
        set(&mut connection, "lock_timeout", settings.lock_timeout).await?;
        let asked = Instant::now();
        loop {
            if try_take(&mut connection).await? {
                return Ok(Self { connection });
            }
            if asked.elapsed() >= settings.wait {
                return Err(MigrationError::Locked(settings.wait));
            }
            sleep(POLL).await;
        }
    }

    /// Lets the next process have it.
    pub(super) async fn release(self) {
        // If that fails, the server ends the session, and the lock with it, when it misses the connection.
        let closed = sqlx::Connection::close(self.connection).await;
        closed.ok();
    }
}

async fn try_take(connection: &mut PgConnection) -> Result<bool, MigrationError> {
    let make = sqlx::raw_sql(include_str!("sql/make_migration_lock.sql"));
    match make.execute(&mut *connection).await {
        Ok(_) => {}
        Err(error) if is_lock_conflict(&error) || is_outrun(&error) => return Ok(false),
        Err(error) => {
            return Err(MigrationError::failed("creating schema challenges_catalog")(error));
        }
    }
    let take = sqlx::raw_sql(include_str!("sql/take_migration_lock.sql"));
    match take.execute(&mut *connection).await {
        Ok(_) => Ok(true),
        Err(error) if is_lock_conflict(&error) || is_gone(&error) => {
            sqlx::raw_sql("ROLLBACK")
                .execute(connection)
                .await
                .map_err(MigrationError::failed("taking the migration lock"))?;
            Ok(false)
        }
        Err(error) => Err(MigrationError::failed("taking the migration lock")(error)),
    }
}

/// Another process gave the schema or the table to the owner at the same moment.
fn is_outrun(error: &sqlx::Error) -> bool {
    code_of(error).as_deref() == Some("XX000")
}

/// Another process made the schema or the table, and took it back.
fn is_gone(error: &sqlx::Error) -> bool {
    matches!(code_of(error).as_deref(), Some("42P01" | "3F000"))
}
