use std::time::Duration;

use sqlx::{
    PgConnection,
    migrate::{MigrateError, Migrator},
};
use tokio::time::{Instant, sleep};

use super::{codes::is_lock_conflict, event_trigger, order_index, shape, store::connect};
use crate::repository::{
    MigrateSettings, MigrationError, MigrationReport, MigrationRow,
    migration::{self, Applied, failure},
};

/// Names the lock that one migrating process holds: "catalogm" in ASCII.
const LOCK: i64 = 7_161_132_859_655_742_317;
/// The migration that makes or adopts the table of feature flags.
const FLAGS_ADOPTED: i64 = 7;

/// Applies what is pending, after looking at the table.
pub(crate) async fn migrate_up(
    url: &str,
    settings: &MigrateSettings,
) -> Result<MigrationReport, MigrationError> {
    let mut connection = connect(url).await?;
    lock(&mut connection, settings.wait).await?;
    let is_there = shape::is_adoptable(&mut connection, shape::CHALLENGES).await?;
    let has_flags = shape::is_adoptable(&mut connection, shape::FLAGS).await?;
    let before = status(&mut connection).await?;
    let is_applied = |version: i64| {
        let mut rows = before.iter().filter(|row| row.version == version);
        rows.any(|row| row.applied_at.is_some())
    };
    let is_first = before.iter().all(|row| row.applied_at.is_none());
    if !is_there && !is_first {
        return Err(MigrationError::TableGone(shape::CHALLENGES.name));
    }
    if !has_flags && is_applied(FLAGS_ADOPTED) {
        return Err(MigrationError::TableGone(shape::FLAGS.name));
    }
    set(&mut connection, "lock_timeout", settings.lock_timeout).await?;
    create_schema(&mut connection).await?;
    apply(&mut connection, settings.attempts).await?;
    let after = status(&mut connection).await?;
    let mut notes = Vec::new();
    notes.extend(mend_triggers(&mut connection).await?);
    notes.extend(event_trigger::try_create(&mut connection).await?);
    notes.extend(order_index::ensure(&mut connection, settings.index_timeout).await?);
    // The lock goes with the connection.
    Ok(MigrationReport {
        applied: migration::newly_applied(&before, &after),
        adopted: is_there && is_first,
        notes,
    })
}

/// Every migration of this build, applied or pending.
pub(crate) async fn migration_status(url: &str) -> Result<Vec<MigrationRow>, MigrationError> {
    status(&mut connect(url).await?).await
}

/// Whether nothing of this build is pending.
pub(super) async fn check(connection: &mut PgConnection) -> Result<(), MigrationError> {
    migration::up_to_date(&status(connection).await?)
}

pub(super) async fn status(
    connection: &mut PgConnection,
) -> Result<Vec<MigrationRow>, MigrationError> {
    let doing = || MigrationError::failed("reading the list of migrations");
    // By the catalogs: to_regclass() fails where the role has no rights on the schema.
    let find = "SELECT EXISTS (
        SELECT FROM pg_tables WHERE schemaname = 'challenges_catalog' AND tablename = 'migration'
    )";
    let exists: bool = sqlx::query_scalar(find)
        .fetch_one(&mut *connection)
        .await
        .map_err(doing())?;
    let read = "SELECT version, (extract(epoch FROM installed_on) * 1000000)::bigint AS applied_at
        FROM challenges_catalog.migration
        WHERE success
        ORDER BY version";
    let applied: Vec<Applied> = if exists {
        let rows = sqlx::query_as(read).fetch_all(connection).await;
        rows.map_err(doing())?
    } else {
        Vec::new()
    };
    Ok(migration::status(&migrator(), &applied))
}

fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("migrations/postgres");
    // Not `_sqlx_migrations`: another program in the same database may have one.
    migrator.dangerous_set_table_name("challenges_catalog.migration");
    // Its own lock deadlocks with CREATE INDEX CONCURRENTLY of another process.
    migrator.set_locking(false);
    // A newer schema is fine: migrations only add.
    migrator.set_ignore_missing(true);
    migrator
}

/// Polls for the lock: a session that waits in `pg_advisory_lock()` holds a snapshot, and
/// CREATE INDEX CONCURRENTLY of the session with the lock would wait for that.
async fn lock(connection: &mut PgConnection, patience: Duration) -> Result<(), MigrationError> {
    let asked = Instant::now();
    loop {
        let is_ours: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(LOCK)
            .fetch_one(&mut *connection)
            .await
            .map_err(MigrationError::failed("taking the migration lock"))?;
        if is_ours {
            return Ok(());
        }
        if asked.elapsed() >= patience {
            return Err(MigrationError::Locked(patience));
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// CREATE SCHEMA IF NOT EXISTS asks for the right to create one even where it exists.
async fn create_schema(connection: &mut PgConnection) -> Result<(), MigrationError> {
    let create = "DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'challenges_catalog') THEN
            CREATE SCHEMA challenges_catalog;
        END IF;
    END $$";
    sqlx::raw_sql(create)
        .execute(connection)
        .await
        .map_err(MigrationError::failed("creating schema challenges_catalog"))?;
    Ok(())
}

/// Makes the triggers what they must be, where something left them off; gives a note when it did.
async fn mend_triggers(connection: &mut PgConnection) -> Result<Option<String>, MigrationError> {
    let mended: Vec<String> =
        sqlx::query_scalar("SELECT challenges_catalog.mend_triggers(clock_timestamp())")
            .fetch_one(connection)
            .await
            .map_err(MigrationError::failed("mending triggers"))?;
    Ok((!mended.is_empty()).then(|| {
        format!(
            "mended the triggers {}: what changed while they were off counts as changed now",
            mended.join(", ")
        )
    }))
}

/// Each migration is one transaction; one that finds the table locked leaves no trace and is tried again.
async fn apply(connection: &mut PgConnection, attempts: u32) -> Result<(), MigrationError> {
    let migrator = migrator();
    for attempt in 1..=attempts {
        let done = migrator.run_direct(None, &mut *connection, false).await;
        match done {
            Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _))
                if is_lock_conflict(&error) => {}
            other => return other.map_err(failure),
        }
        // The table's other users get the time that they had to wait.
        sleep(Duration::from_millis(200) * attempt).await;
    }
    Err(MigrationError::Busy(attempts))
}

/// Sets a timeout of this connection; zero means none.
pub(super) async fn set(
    connection: &mut PgConnection,
    name: &'static str,
    limit: Duration,
) -> Result<(), MigrationError> {
    sqlx::query("SELECT set_config($1, $2, false)")
        .bind(name)
        .bind(format!("{}ms", limit.as_millis()))
        .execute(connection)
        .await
        .map_err(MigrationError::failed("setting a timeout"))?;
    Ok(())
}
