//! Applies migrations to the SQLite file.
use std::path::Path;

use sqlx::{Connection, SqliteConnection, migrate::Migrator};

use super::connect::connect;
use crate::repository::{
    MigrationError, MigrationReport, MigrationRow,
    migration::{self, AppliedMigration},
};

/// Creates the file where it is missing, and applies the pending migrations in one transaction.
pub(crate) async fn migrate_up(path: &Path) -> Result<MigrationReport, MigrationError> {
    let doing = || MigrationError::failed("migrating");
    let mut connection = connect(path, true).await?;
    // Locked for all migrations: a second process waits here, and finds nothing to do.
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(doing())?;
    let before = status(&mut transaction).await?;
    migrator()
        .run_direct(None, &mut *transaction, false)
        .await?;
    let after = status(&mut transaction).await?;
    transaction.commit().await.map_err(doing())?;
    Ok(MigrationReport {
        applied: migration::newly_applied(&before, &after),
        ..MigrationReport::default()
    })
}

/// Lists every migration of this build, applied or pending.
pub(crate) async fn migration_status(path: &Path) -> Result<Vec<MigrationRow>, MigrationError> {
    status(&mut connect(path, false).await?).await
}

/// Fails if a migration of this build is pending.
pub(super) async fn check(connection: &mut SqliteConnection) -> Result<(), MigrationError> {
    migration::check_up_to_date(&status(connection).await?)
}

pub(super) async fn status(
    connection: &mut SqliteConnection,
) -> Result<Vec<MigrationRow>, MigrationError> {
    let doing = || MigrationError::failed("reading the list of migrations");
    let find = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'catalog_migration')";
    let exists: bool = sqlx::query_scalar(find)
        .fetch_one(&mut *connection)
        .await
        .map_err(doing())?;
    let read =
        "SELECT version, CAST(strftime('%s', installed_on) AS INTEGER) * 1000000 AS applied_at
        FROM catalog_migration
        WHERE success
        ORDER BY version";
    let applied: Vec<AppliedMigration> = if exists {
        let rows = sqlx::query_as(read).fetch_all(connection).await;
        rows.map_err(doing())?
    } else {
        Vec::new()
    };
    Ok(migration::status(&migrator(), &applied))
}

fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("migrations/sqlite");
    migrator.dangerous_set_table_name("catalog_migration");
    // A newer schema is accepted: migrations only add.
    migrator.set_ignore_missing(true);
    migrator
}
