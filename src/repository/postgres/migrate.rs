//! Applies migrations to PostgreSQL, while other programs go on using the tables: locks are short, and are given up and
//! tried again. Everything but the event triggers is done as the owner of the challenges table.
use std::time::Duration;

use sqlx::{
    AssertSqlSafe, Connection, PgConnection, SqlSafeStr,
    migrate::{MigrateError, Migration, Migrator},
};
use tokio::time::sleep;

use super::{
    connect::{connect, connect_to_read, set_timeout},
    error_codes::{is_cancelled, is_lock_conflict},
    event_triggers,
    migration_lock::MigrationLock,
    order_index, ownership, schema_check,
};
use crate::repository::{
    MigrateSettings, MigrationError, MigrationReport, MigrationRow,
    migration::{self, AppliedMigration},
};

/// The migration that creates or adopts the table of feature flags.
const FLAGS_ADOPTED: i64 = 7;
/// The longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Applies the pending migrations, after checking that the tables can be adopted.
pub(crate) async fn migrate_up(
    url: &str,
    settings: &MigrateSettings,
) -> Result<MigrationReport, MigrationError> {
    let mut connection = connect(url).await?;
    schema_check::check_encoding(&mut connection).await?;
    // Before the lock, so that a refused migration does not leave the table of the lock behind.
    AdoptableTables::check(&mut connection).await?;
    let lock = MigrationLock::take(url, settings).await?;
    let report = migrate(&mut connection, settings).await;
    lock.release().await;
    report
}

async fn migrate(
    connection: &mut PgConnection,
    settings: &MigrateSettings,
) -> Result<MigrationReport, MigrationError> {
    // Again, because another process may have migrated meanwhile.
    let found = AdoptableTables::check(connection).await?;
    let limit = settings.lock_timeout.min(max_lock_wait(connection).await?);
    set_timeout(connection, "lock_timeout", limit).await?;
    // The role's own limit must not end a migration.
    set_timeout(connection, "statement_timeout", Duration::ZERO).await?;
    transfer_ownership(connection, settings.attempts).await?;
    ownership::act_as_owner(connection).await?;
    let before = status(connection).await?;
    let is_applied = |version: i64| {
        let mut rows = before.iter().filter(|row| row.version == version);
        rows.any(|row| row.applied_at.is_some())
    };
    let is_first = before.iter().all(|row| row.applied_at.is_none());
    if !found.challenges && !is_first {
        return Err(MigrationError::TableMissing(schema_check::CHALLENGES.name));
    }
    if !found.flags && is_applied(FLAGS_ADOPTED) {
        return Err(MigrationError::TableMissing(schema_check::FLAGS.name));
    }
    apply(connection, settings.attempts).await?;
    let after = status(connection).await?;
    let mut notes = Vec::new();
    notes.extend(repair_triggers(connection, settings.attempts).await?);
    ownership::reset_role(connection).await?;
    notes.extend(event_triggers::ensure(connection).await?);
    ownership::act_as_owner(connection).await?;
    notes.extend(order_index::ensure(connection, settings.index_timeout).await?);
    Ok(MigrationReport {
        applied: migration::newly_applied(&before, &after),
        adopted: found.challenges && is_first,
        notes,
    })
}

/// Which of the tables that can be adopted exist.
struct AdoptableTables {
    challenges: bool,
    flags: bool,
}

impl AdoptableTables {
    /// Checks that everything can be migrated. Changes nothing.
    async fn check(connection: &mut PgConnection) -> Result<Self, MigrationError> {
        let challenges = schema_check::is_adoptable(connection, schema_check::CHALLENGES).await?;
        ownership::check(connection).await?;
        let flags = schema_check::is_adoptable(connection, schema_check::FLAGS).await?;
        Ok(Self { challenges, flags })
    }
}

/// Lists every migration of this build, applied or pending.
pub(crate) async fn migration_status(url: &str) -> Result<Vec<MigrationRow>, MigrationError> {
    status(&mut connect_to_read(url).await?.0).await
}

/// Fails if a migration of this build is pending, or the database has an unsupported encoding.
pub(super) async fn check(connection: &mut PgConnection) -> Result<(), MigrationError> {
    schema_check::check_encoding(connection).await?;
    migration::check_up_to_date(&status(connection).await?)
}

pub(super) async fn status(
    connection: &mut PgConnection,
) -> Result<Vec<MigrationRow>, MigrationError> {
    let doing = || MigrationError::failed("reading the list of migrations");
    // Not by to_regclass(), which fails where the role has no rights on the schema.
    let find = "SELECT EXISTS (
        SELECT FROM pg_tables WHERE schemaname = 'challenges_catalog' AND tablename = 'migration'
    )";
    let exists: bool = sqlx::query_scalar(find)
        .persistent(false)
        .fetch_one(&mut *connection)
        .await
        .map_err(doing())?;
    let read = "SELECT version, (extract(epoch FROM installed_on) * 1000000)::bigint AS applied_at
        FROM challenges_catalog.migration
        WHERE success
        ORDER BY version";
    let applied: Vec<AppliedMigration> = if exists {
        let rows = sqlx::query_as(read)
            .persistent(false)
            .fetch_all(connection)
            .await;
        rows.map_err(doing())?
    } else {
        Vec::new()
    };
    Ok(migration::status(&migrator(), &applied))
}

fn migrator() -> Migrator {
    let files = sqlx::migrate!("migrations/postgres");
    let mut migrator = Migrator::with_migrations(files.iter().map(with_tables_locked).collect());
    // Not the default, `_sqlx_migrations`, which another program in the same database may use.
    migrator.dangerous_set_table_name("challenges_catalog.migration");
    // The driver's lock would deadlock with CREATE INDEX CONCURRENTLY of another process.
    migrator.set_locking(false);
    // A newer schema is accepted: migrations only add.
    migrator.set_ignore_missing(true);
    migrator
}

/// The migration, preceded by `lock_tables.sql` if its file locks tables of others exclusively.
fn with_tables_locked(migration: &Migration) -> Migration {
    let text = migration.sql.as_str();
    let mut migration = migration.clone();
    let is_lock = |line: &str| {
        line.starts_with("LOCK TABLE public.") && line.ends_with(" IN ACCESS EXCLUSIVE MODE;")
    };
    if text.lines().any(is_lock) {
        let text = [include_str!("sql/lock_tables.sql"), text].concat();
        migration.sql = AssertSqlSafe(text).into_sql_str();
    }
    migration
}

/// Half of `deadlock_timeout`, so that in a deadlock with another program the migration gives way, and not the program.
async fn max_lock_wait(connection: &mut PgConnection) -> Result<Duration, MigrationError> {
    let read = "SELECT setting::bigint FROM pg_settings WHERE name = 'deadlock_timeout'";
    let milliseconds: i64 = sqlx::query_scalar(read)
        .fetch_one(connection)
        .await
        .map_err(MigrationError::failed("reading deadlock_timeout"))?;
    // Zero would mean no limit.
    let half = u64::try_from(milliseconds / 2).unwrap_or_default().max(1);
    Ok(Duration::from_millis(half))
}

/// Gives the objects that an earlier migration created as another role to the owner of the challenges table.
async fn transfer_ownership(
    connection: &mut PgConnection,
    attempts: u32,
) -> Result<(), MigrationError> {
    let transfer = async |connection: &mut PgConnection| {
        let transfer = sqlx::raw_sql(include_str!("sql/transfer_ownership.sql"));
        transfer.execute(connection).await
    };
    let done = unlocked(connection, attempts, is_lock_conflict, transfer).await?;
    let doing = "transferring the ownership of schema challenges_catalog";
    done.map(drop).map_err(MigrationError::failed(doing))
}

/// Repairs triggers that something disabled or changed; returns a note if it did.
async fn repair_triggers(
    connection: &mut PgConnection,
    attempts: u32,
) -> Result<Option<String>, MigrationError> {
    let names = unlocked(connection, attempts, is_lock_conflict, repair_once).await?;
    let names = names.map_err(MigrationError::failed("repairing triggers"))?;
    Ok((!names.is_empty()).then(|| {
        format!(
            "repaired the triggers {}: all rows count as changed now, because changes while they were off went unnoticed",
            names.join(", ")
        )
    }))
}

/// Returns the names of the repaired triggers.
async fn repair_once(connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql(include_str!("sql/disable_suspect_triggers.sql"))
        .execute(&mut *transaction)
        .await?;
    let names = sqlx::query_scalar("SELECT challenges_catalog.mend_triggers(clock_timestamp())")
        .fetch_one(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(names)
}

/// Applies each migration in one transaction. If a table is locked, the transaction is rolled back and tried again.
async fn apply(connection: &mut PgConnection, attempts: u32) -> Result<(), MigrationError> {
    let migrator = migrator();
    let run = async |connection: &mut PgConnection| {
        migrator.run_direct(None, &mut *connection, false).await
    };
    let is_locked = |error: &MigrateError| {
        if let MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) = error {
            return is_lock_conflict(error) || is_cancelled(error);
        }
        false
    };
    let done = unlocked(connection, attempts, is_locked, run).await?;
    done.map_err(Into::into)
}

/// Runs `step`, again while others have locked a table that it needs: after a pause that gives them the time that they
/// had to wait, and more with each attempt.
async fn unlocked<T, E>(
    connection: &mut PgConnection,
    attempts: u32,
    is_locked: fn(&E) -> bool,
    step: impl AsyncFn(&mut PgConnection) -> Result<T, E>,
) -> Result<Result<T, E>, MigrationError> {
    for attempt in 1..=attempts {
        match step(connection).await {
            Err(error) if is_locked(&error) => {}
            done => return Ok(done),
        }
        sleep((Duration::from_millis(200) * attempt).min(MAX_PAUSE)).await;
    }
    Err(MigrationError::Busy(attempts))
}
