//! `verify` for SQLite: checks for everything that could make the catalog wrong.
use std::{borrow::Cow, path::Path};

use sqlx::SqliteConnection;

use super::{
    challenges::{find_many, list},
    connect::connect,
    migrate,
};
use crate::{
    domain::{ChallengeId, ListQuery},
    repository::{
        MigrationError, VerifyReport,
        challenge_row::{self, ListRange},
        control_row,
        invalid_rows::{InvalidRow, InvalidRowProblem},
        raw_text::RawText,
        report::VerifyProgress,
        row_checks::{
            CHECK_PAGE, InvalidRowSummary, RuleViolations, report_controls, report_counts,
            report_list, report_near_names,
        },
    },
};

/// The triggers that notice changes.
const NOTICING: [&str; 13] = [
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

/// The triggers that keep the history from being changed.
const GUARDS: [&str; 3] = [
    "challenge_revisions_delete",
    "challenge_revisions_replace",
    "challenge_revisions_update",
];

/// The checks, the connection that they use, and their report.
struct SqliteVerifier {
    connection: SqliteConnection,
    report: VerifyReport,
}

/// Runs all checks.
pub(crate) async fn verify(
    path: &Path,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<VerifyReport, MigrationError> {
    let mut verifier = SqliteVerifier {
        connection: connect(path, false).await?,
        report: VerifyReport::default(),
    };
    verifier.run(progress).await?;
    Ok(verifier.report.sorted())
}

impl SqliteVerifier {
    async fn run(&mut self, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<(), MigrationError> {
        let version = self.texts("reading the version", "SELECT sqlite_version()");
        self.report.facts.engine = format!("SQLite {}", version.await?.concat());
        let names = self.texts("reading the schema", "SELECT name FROM sqlite_schema");
        let names = names.await?;
        let has = |wanted: &str| names.iter().any(|name| name == wanted);
        let migrations = migrate::status(&mut self.connection).await?;
        self.report.add_migrations(&migrations);
        if has("approach_challenges") {
            self.check_objects(has);
            let mut done = self.check_rows(progress).await?;
            if has("shown_tips") {
                self.check_reads(&mut done).await?;
            }
        } else {
            let text = "there is no such table: run `challenges-catalog migrate up`";
            self.report.error("approach_challenges", text);
        }
        if has("catalog_controls") {
            let names = serde_json::json!(control_row::names()).to_string();
            let rows = sqlx::query_as(include_str!("sql/controls.sql"))
                .bind(names)
                .fetch_all(&mut self.connection)
                .await;
            report_controls(&mut self.report, rows);
            let names = "SELECT DISTINCT CAST(substr(name, 1, 100) AS BLOB) FROM feature_flags WHERE name IS NOT NULL LIMIT 1000";
            let names: Vec<Vec<u8>> = sqlx::query_scalar(names)
                .fetch_all(&mut self.connection)
                .await
                .map_err(MigrationError::failed("reading the names of flags"))?;
            let names = names.iter().map(|name| String::from_utf8_lossy(name));
            report_near_names(&mut self.report, names.map(Cow::into_owned));
        }
        let problems = self.texts("checking the file", "PRAGMA quick_check(20)");
        for problem in problems.await?.into_iter().filter(|text| text != "ok") {
            self.report.error("file", problem);
        }
        Ok(())
    }

    /// Reads the one text column of a statement.
    async fn texts(
        &mut self,
        doing: &'static str,
        statement: &'static str,
    ) -> Result<Vec<String>, MigrationError> {
        sqlx::query_scalar(statement)
            .fetch_all(&mut self.connection)
            .await
            .map_err(MigrationError::failed(doing))
    }

    fn check_objects(&mut self, has: impl Fn(&str) -> bool) {
        let needed = NOTICING.map(|trigger| (trigger, "changes go unnoticed"));
        let guards = GUARDS.map(|trigger| (trigger, "the history can be changed and removed"));
        for (trigger, harm) in needed.into_iter().chain(guards) {
            if !has(trigger) {
                let text = format!("it is missing: {harm}");
                self.report.error(format!("trigger {trigger}"), text);
            }
        }
        if !has("approach_challenges_catalog_order") {
            let text = "it is missing, so long lists are slow";
            self.report
                .warn("index approach_challenges_catalog_order", text);
        }
    }

    /// Counts the rows, and checks them page by page by the rules for edits.
    async fn check_rows<'a>(
        &mut self,
        progress: &'a (dyn Fn(u64, u64) + Sync),
    ) -> Result<VerifyProgress<'a>, MigrationError> {
        let doing = || MigrationError::failed("reading rows");
        let counts = sqlx::query_as(include_str!("sql/verify_counts.sql"))
            .fetch_all(&mut self.connection)
            .await
            .map_err(doing())?;
        let mut done = VerifyProgress::new(progress, report_counts(&mut self.report, &counts));
        let mut violations = RuleViolations::default();
        let mut after: Option<RawText> = None;
        loop {
            let page: Vec<_> = sqlx::query_as(include_str!("sql/verify_rows.sql"))
                .bind(after.as_ref().map(RawText::as_bytes))
                .bind(CHECK_PAGE)
                .fetch_all(&mut self.connection)
                .await
                .map_err(doing())?;
            done.add(page.len());
            after = violations.check_page(&page);
            if after.is_none() {
                break;
            }
        }
        violations.report(&mut self.report);
        Ok(done)
    }

    /// Reads every challenge by the service's own statements, and reports those that reads leave out.
    async fn check_reads(&mut self, done: &mut VerifyProgress<'_>) -> Result<(), MigrationError> {
        let mut left_out = InvalidRowSummary::default();
        let mut after: Option<RawText> = None;
        loop {
            let ids: Vec<RawText> = sqlx::query_scalar(include_str!("sql/verify_ids.sql"))
                .bind(after.as_ref().map(RawText::as_bytes))
                .bind(CHECK_PAGE)
                .fetch_all(&mut self.connection)
                .await
                .map_err(MigrationError::failed("reading ids"))?;
            done.add(ids.len());
            after = ids.last().cloned();
            if after.is_none() {
                break;
            }
            let (valid, invalid): (Vec<_>, Vec<_>) = ids
                .iter()
                .map(RawText::lossy)
                .partition(|id| ChallengeId::parse(id).is_ok());
            let invalid = invalid.into_iter().map(|id| InvalidRow {
                id,
                problem: InvalidRowProblem::Id,
            });
            left_out.add(invalid.collect());
            let problem = match find_many(&valid).fetch_all(&mut self.connection).await {
                Ok(rows) => match challenge_row::read(rows) {
                    Ok(found) => {
                        left_out.add(found.value.invalid);
                        continue;
                    }
                    Err(error) => error.to_string(),
                },
                Err(error) => error.to_string(),
            };
            let text = format!("reading them by id fails: {problem}");
            self.report.error("rows", text);
            return Ok(());
        }
        left_out.report(&mut self.report);
        for query in ListQuery::common() {
            let read = list(&ListRange::from(&query), None);
            if let Err(error) = read.fetch_all(&mut self.connection).await {
                report_list(&mut self.report, &query, &error.to_string());
            }
        }
        Ok(())
    }
}
