use std::path::Path;

use sqlx::SqliteConnection;

use super::{migrate, store::connect};
use crate::repository::{
    MigrationError, Report, control_row,
    rows_check::{BrokenRows, CHECK_PAGE, count},
};

/// Every trigger that stamps depend on.
const TRIGGERS: [&str; 13] = [
    "challenges_catalog_delete",
    "challenges_catalog_insert",
    "challenges_catalog_replace",
    "challenges_catalog_update",
    "feature_flags_delete",
    "feature_flags_insert",
    "feature_flags_update",
    "runtime_settings_delete",
    "runtime_settings_insert",
    "runtime_settings_update",
    "shown_tips_delete",
    "shown_tips_insert",
    "shown_tips_update",
];

/// Those that keep the history as it was written.
const GUARDS: [&str; 3] = [
    "challenge_revisions_delete",
    "challenge_revisions_replace",
    "challenge_revisions_update",
];

/// Everything, with one connection.
pub(crate) async fn verify(path: &Path) -> Result<Report, MigrationError> {
    let mut connection = connect(path, false).await?;
    let mut report = Report::default();
    let version: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(&mut connection)
        .await
        .map_err(MigrationError::failed("looking at the file"))?;
    report.facts.engine = format!("SQLite {version}");
    let names = names(&mut connection).await?;
    migrations(&mut report, &mut connection).await?;
    if names.iter().any(|name| name == "approach_challenges") {
        objects(&mut report, &names);
        rows(&mut report, &mut connection).await?;
    } else {
        let text = "there is no such table: run `challenges-catalog migrate up`";
        report.error("approach_challenges", text);
    }
    if names.iter().any(|name| name == "catalog_controls") {
        controls(&mut report, &mut connection).await?;
    }
    integrity(&mut report, &mut connection).await?;
    Ok(report.sorted())
}

async fn names(connection: &mut SqliteConnection) -> Result<Vec<String>, MigrationError> {
    sqlx::query_scalar("SELECT name FROM sqlite_schema")
        .fetch_all(connection)
        .await
        .map_err(MigrationError::failed("looking at the schema"))
}

async fn migrations(
    report: &mut Report,
    connection: &mut SqliteConnection,
) -> Result<(), MigrationError> {
    let rows = migrate::status(connection).await?;
    let applied = rows.iter().filter(|row| row.applied_at.is_some());
    report.facts.schema_version = applied.map(|row| row.version).max().unwrap_or(0);
    report.pending(&rows);
    Ok(())
}

fn objects(report: &mut Report, names: &[String]) {
    let is_there = |wanted: &str| names.iter().any(|name| name == wanted);
    let needed = TRIGGERS.map(|trigger| (trigger, "changes go unnoticed"));
    let guards = GUARDS.map(|trigger| (trigger, "the history can be changed and removed"));
    for (trigger, harm) in needed.into_iter().chain(guards) {
        if !is_there(trigger) {
            report.error(
                format!("trigger {trigger}"),
                format!("it is missing: {harm}"),
            );
        }
    }
    if !is_there("approach_challenges_catalog_order") {
        let text = "it is missing, so long lists are slow";
        report.warn("index approach_challenges_catalog_order", text);
    }
}

async fn rows(
    report: &mut Report,
    connection: &mut SqliteConnection,
) -> Result<(), MigrationError> {
    let doing = || MigrationError::failed("looking at rows");
    let tallies = sqlx::query_as(include_str!("sql/verify_counts.sql"))
        .fetch_all(&mut *connection)
        .await
        .map_err(doing())?;
    count(report, &tallies);
    let mut broken = BrokenRows::default();
    let mut after: Option<String> = None;
    loop {
        let page = sqlx::query_as(include_str!("sql/verify_rows.sql"))
            .bind(after)
            .bind(CHECK_PAGE)
            .fetch_all(&mut *connection)
            .await
            .map_err(doing())?;
        after = broken.look(page);
        if after.is_none() {
            break;
        }
    }
    broken.tell(report);
    Ok(())
}

async fn controls(
    report: &mut Report,
    connection: &mut SqliteConnection,
) -> Result<(), MigrationError> {
    let doing = "looking at flags";
    let names =
        serde_json::to_string(&control_row::names()).map_err(|error| MigrationError::Failed {
            doing,
            source: error.into(),
        })?;
    let rows = sqlx::query_as(include_str!("sql/controls.sql"))
        .bind(names)
        .fetch_all(connection)
        .await
        .map_err(MigrationError::failed(doing))?;
    match control_row::controls(rows) {
        Ok(rows) => control_row::judge(report, &rows),
        Err(error) => report.error("flags", error.to_string()),
    }
    Ok(())
}

async fn integrity(
    report: &mut Report,
    connection: &mut SqliteConnection,
) -> Result<(), MigrationError> {
    let problems: Vec<String> = sqlx::query_scalar("PRAGMA quick_check(20)")
        .fetch_all(connection)
        .await
        .map_err(MigrationError::failed("checking the file"))?;
    for problem in problems.into_iter().filter(|problem| problem != "ok") {
        report.error("file", problem);
    }
    Ok(())
}
