use std::path::Path;

use sqlx::SqliteConnection;

use super::{
    challenges::{find_many, list},
    migrate,
    store::connect,
};
use crate::{
    domain::{ChallengeId, ListQuery},
    repository::{
        MigrationError, Report, challenge_row, control_row,
        odd_rows::{OddRow, Oddity},
        range::Range,
        report::RowsDone,
        rows_check::{BrokenRows, CHECK_PAGE, RowsLeftOut, count},
        text::Text,
    },
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
pub(crate) async fn verify(
    path: &Path,
    tell: &(dyn Fn(u64, u64) + Sync),
) -> Result<Report, MigrationError> {
    let mut connection = connect(path, false).await?;
    let mut report = Report::default();
    let version: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(&mut connection)
        .await
        .map_err(MigrationError::failed("looking at the file"))?;
    report.facts.engine = format!("SQLite {version}");
    let names = names(&mut connection).await?;
    migrations(&mut report, &mut connection).await?;
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    if has("approach_challenges") {
        objects(&mut report, &names);
        let mut done = rows(&mut report, &mut connection, tell).await?;
        if has("shown_tips") {
            reads(&mut report, &mut connection, &mut done).await?;
        }
    } else {
        let text = "there is no such table: run `challenges-catalog migrate up`";
        report.error("approach_challenges", text);
    }
    if has("catalog_controls") {
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

async fn rows<'a>(
    report: &mut Report,
    connection: &mut SqliteConnection,
    tell: &'a (dyn Fn(u64, u64) + Sync),
) -> Result<RowsDone<'a>, MigrationError> {
    let doing = || MigrationError::failed("looking at rows");
    let tallies = sqlx::query_as(include_str!("sql/verify_counts.sql"))
        .fetch_all(&mut *connection)
        .await
        .map_err(doing())?;
    let mut done = RowsDone::new(tell, count(report, &tallies));
    let mut broken = BrokenRows::default();
    let mut after: Option<Text> = None;
    loop {
        let page: Vec<_> = sqlx::query_as(include_str!("sql/verify_rows.sql"))
            .bind(after.as_ref().map(|id| id.as_bytes().to_vec()))
            .bind(CHECK_PAGE)
            .fetch_all(&mut *connection)
            .await
            .map_err(doing())?;
        done.add(page.len());
        after = broken.look(&page);
        if after.is_none() {
            break;
        }
    }
    broken.tell(report);
    Ok(done)
}

/// Reads every challenge as the service does, by its own statements, and names those that it leaves out.
async fn reads(
    report: &mut Report,
    connection: &mut SqliteConnection,
    done: &mut RowsDone<'_>,
) -> Result<(), MigrationError> {
    let mut left_out = RowsLeftOut::default();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let ids: Vec<Text> = sqlx::query_scalar(include_str!("sql/verify_ids.sql"))
            .bind(after)
            .bind(CHECK_PAGE)
            .fetch_all(&mut *connection)
            .await
            .map_err(MigrationError::failed("looking at ids"))?;
        done.add(ids.len());
        after = ids.last().map(|id| id.as_bytes().to_vec());
        if after.is_none() {
            break;
        }
        let (known, odd): (Vec<_>, Vec<_>) = ids
            .iter()
            .map(Text::lossy)
            .partition(|id| ChallengeId::parse(id).is_ok());
        let odd = odd.into_iter().map(|id| OddRow {
            id,
            oddity: Oddity::Id,
        });
        left_out.note(odd.collect());
        let problem = match find_many(serde_json::json!(known).to_string())
            .fetch_all(&mut *connection)
            .await
        {
            Ok(rows) => match challenge_row::read(rows) {
                Ok(found) => {
                    left_out.note(found.value.odd);
                    continue;
                }
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        };
        report.error("rows", format!("reading them by id fails: {problem}"));
        return Ok(());
    }
    left_out.tell(report);
    for query in ListQuery::common() {
        if let Err(error) = list(&Range::from(&query), None)
            .fetch_all(&mut *connection)
            .await
        {
            let which = query.difficulty.map_or("all", |only| only.as_str());
            report.error(
                "rows",
                format!("the list of {which} challenges fails: {error}"),
            );
        }
    }
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
        .await;
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => {
            report.error("flags", format!("reading them fails: {error}"));
            return Ok(());
        }
    };
    match control_row::controls(rows) {
        Ok(found) => control_row::judge(report, found),
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
