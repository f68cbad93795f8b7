use std::time::Duration;

use sqlx::{
    AssertSqlSafe, Connection, PgConnection, SqlSafeStr,
    migrate::{MigrateError, Migration, Migrator},
};
use tokio::time::sleep;

use super::{
    codes::{is_cancelled, is_lock_conflict},
    connect::{connect, connect_to_look},
    encoding, event_trigger,
    migration_lock::MigrationLock,
    order_index, ownership, shape,
    unfit::Unfit,
};
use crate::repository::{
    MigrateSettings, MigrationError, MigrationReport, MigrationRow,
    migration::{self, Applied, failure},
};

/// The migration that makes or adopts the table of feature flags.
const FLAGS_ADOPTED: i64 = 7;
/// Between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Applies what is pending, after looking at the tables.
///
/// Everything but the event triggers is done as the owner of the table of challenges, whoever
/// connects: what a superuser made would run with a superuser's rights.
pub(crate) async fn migrate_up(
    url: &str,
    settings: &MigrateSettings,
) -> Result<MigrationReport, MigrationError> {
    let mut connection = open(url).await?;
    encoding::check(&mut connection).await?;
    // Before the lock, whose table would be left behind by a refusal.
    look(&mut connection).await?;
    let lock = MigrationLock::take(url, settings).await?;
    let report = migrate(&mut connection, settings).await;
    lock.release().await;
    report
}

async fn migrate(
    connection: &mut PgConnection,
    settings: &MigrateSettings,
) -> Result<MigrationReport, MigrationError> {
    // Again: another process may have been here meanwhile.
    let found = look(connection).await?;
    let limit = settings.lock_timeout.min(longest_wait(connection).await?);
    set(connection, "lock_timeout", limit).await?;
    // A role's own limit must not end a migration.
    set(connection, "statement_timeout", Duration::ZERO).await?;
    hand_over(connection, settings.attempts).await?;
    ownership::act_as_owner(connection).await?;
    let before = status(connection).await?;
    let is_applied = |version: i64| {
        let mut rows = before.iter().filter(|row| row.version == version);
        rows.any(|row| row.applied_at.is_some())
    };
    let is_first = before.iter().all(|row| row.applied_at.is_none());
    if !found.challenges && !is_first {
        return Err(MigrationError::TableGone(shape::CHALLENGES.name));
    }
    if !found.flags && is_applied(FLAGS_ADOPTED) {
        return Err(MigrationError::TableGone(shape::FLAGS.name));
    }
    apply(connection, settings.attempts).await?;
    let after = status(connection).await?;
    let mut notes = Vec::new();
    notes.extend(mend_triggers(connection, settings.attempts).await?);
    ownership::act_as_oneself(connection).await?;
    notes.extend(event_trigger::ensure(connection).await?);
    ownership::act_as_owner(connection).await?;
    notes.extend(order_index::ensure(connection, settings.index_timeout).await?);
    Ok(MigrationReport {
        applied: migration::newly_applied(&before, &after),
        adopted: found.challenges && is_first,
        notes,
    })
}

/// Which tables of schema `public` are there.
struct Found {
    challenges: bool,
    flags: bool,
}

/// Whether all can be migrated. Nothing is changed.
async fn look(connection: &mut PgConnection) -> Result<Found, MigrationError> {
    let challenges = shape::is_adoptable(connection, shape::CHALLENGES).await?;
    ownership::check(connection).await?;
    let flags = shape::is_adoptable(connection, shape::FLAGS).await?;
    Ok(Found { challenges, flags })
}

/// A connection to migrate with.
pub(super) async fn open(url: &str) -> Result<PgConnection, MigrationError> {
    let mut connection = connect(url).await?;
    use_builtins(&mut connection).await?;
    Ok(connection)
}

/// As [`open`], to look with: at a standby too, which is told then.
pub(super) async fn open_to_look(
    url: &str,
) -> Result<(PgConnection, Option<Unfit>), MigrationError> {
    let (mut connection, unfit) = connect_to_look(url).await?;
    use_builtins(&mut connection).await?;
    Ok((connection, unfit))
}

/// No function or operator that others made in a schema of the usual path stands in for one of the
/// server's; and what is there already is not worth a line of the log.
async fn use_builtins(connection: &mut PgConnection) -> Result<(), MigrationError> {
    let set = "SELECT
            set_config('search_path', 'pg_catalog, pg_temp', false),
            set_config('client_min_messages', 'warning', false)";
    sqlx::query(set)
        .execute(connection)
        .await
        .map_err(MigrationError::failed("setting the search path"))?;
    Ok(())
}

/// Every migration of this build, applied or pending.
pub(crate) async fn migration_status(url: &str) -> Result<Vec<MigrationRow>, MigrationError> {
    status(&mut connect_to_look(url).await?.0).await
}

/// Whether nothing of this build is pending.
pub(super) async fn check(connection: &mut PgConnection) -> Result<(), MigrationError> {
    encoding::check(connection).await?;
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
        .persistent(false)
        .fetch_one(&mut *connection)
        .await
        .map_err(doing())?;
    let read = "SELECT version, (extract(epoch FROM installed_on) * 1000000)::bigint AS applied_at
        FROM challenges_catalog.migration
        WHERE success
        ORDER BY version";
    let applied: Vec<Applied> = if exists {
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
    let mut migrator = Migrator::with_migrations(files.iter().map(with_tables_taken).collect());
    // Not `_sqlx_migrations`: another program in the same database may have one.
    migrator.dangerous_set_table_name("challenges_catalog.migration");
    // Its own lock deadlocks with CREATE INDEX CONCURRENTLY of another process.
    migrator.set_locking(false);
    // A newer schema is fine: migrations only add.
    migrator.set_ignore_missing(true);
    migrator
}

/// A file that needs tables of others for itself finds that they are taken.
fn with_tables_taken(migration: &Migration) -> Migration {
    let text = migration.sql.as_str();
    let mut migration = migration.clone();
    let locks_out = |line: &str| {
        line.starts_with("LOCK TABLE public.") && line.ends_with(" IN ACCESS EXCLUSIVE MODE;")
    };
    if text.lines().any(locks_out) {
        let taken_first = [include_str!("sql/take_tables.sql"), text].concat();
        migration.sql = AssertSqlSafe(taken_first).into_sql_str();
    }
    migration
}

/// Half of what the server takes to look for deadlocks: so in one with a writer or a reader it is the migration that gives way.
async fn longest_wait(connection: &mut PgConnection) -> Result<Duration, MigrationError> {
    let look = "SELECT setting::bigint FROM pg_settings WHERE name = 'deadlock_timeout'";
    let milliseconds: i64 = sqlx::query_scalar(look)
        .fetch_one(connection)
        .await
        .map_err(MigrationError::failed("reading deadlock_timeout"))?;
    // Zero would be for ever.
    let half = u64::try_from(milliseconds / 2).unwrap_or_default().max(1);
    Ok(Duration::from_millis(half))
}

/// Gives what an earlier migration by another role left to the owner of the table of challenges.
async fn hand_over(connection: &mut PgConnection, attempts: u32) -> Result<(), MigrationError> {
    for attempt in 1..=attempts {
        let done = sqlx::raw_sql(include_str!("sql/hand_over.sql"))
            .execute(&mut *connection)
            .await;
        match done {
            Err(error) if is_lock_conflict(&error) => pause(attempt).await,
            other => {
                let doing = MigrationError::failed("handing over schema challenges_catalog");
                return other.map(drop).map_err(doing);
            }
        }
    }
    Err(MigrationError::Busy(attempts))
}

/// Makes the triggers what they must be, where something left them off; gives a note when it did.
async fn mend_triggers(
    connection: &mut PgConnection,
    attempts: u32,
) -> Result<Option<String>, MigrationError> {
    for attempt in 1..=attempts {
        match mend_once(connection).await {
            Err(error) if is_lock_conflict(&error) => pause(attempt).await,
            other => {
                let mended = other.map_err(MigrationError::failed("mending triggers"))?;
                return Ok((!mended.is_empty()).then(|| {
                    format!(
                        "mended the triggers {}: what changed while they were off counts as changed now",
                        mended.join(", ")
                    )
                }));
            }
        }
    }
    Err(MigrationError::Busy(attempts))
}

/// Gives the names of the triggers that were mended.
async fn mend_once(connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql(include_str!("sql/doubt_triggers.sql"))
        .execute(&mut *transaction)
        .await?;
    let mended = sqlx::query_scalar("SELECT challenges_catalog.mend_triggers(clock_timestamp())")
        .fetch_one(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(mended)
}

/// Each migration is one transaction; one that finds the table locked leaves no trace and is tried again.
async fn apply(connection: &mut PgConnection, attempts: u32) -> Result<(), MigrationError> {
    let migrator = migrator();
    for attempt in 1..=attempts {
        let done = migrator.run_direct(None, &mut *connection, false).await;
        match done {
            Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _))
                if is_lock_conflict(&error) || is_cancelled(&error) => {}
            other => return other.map_err(failure),
        }
        pause(attempt).await;
    }
    Err(MigrationError::Busy(attempts))
}

/// The table's other users get the time that they had to wait, and more with each attempt.
async fn pause(attempt: u32) {
    sleep((Duration::from_millis(200) * attempt).min(LONGEST_PAUSE)).await;
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
