//! Checks of rows: as stored, as the service's own statements read them, and the rows of flags and settings.
use sqlx::PgConnection;
use uuid::Uuid;

use super::verifier::PostgresVerifier;
use crate::{
    domain::ListQuery,
    repository::{
        MigrationError,
        challenge_row::{self, ListRange, PageRow, StampedRow},
        control_row,
        invalid_rows::{InvalidRow, InvalidRowProblem},
        postgres::challenges::{find_many, list},
        report::VerifyProgress,
        row_checks::{
            CHECK_PAGE, InvalidRowSummary, RuleViolations, report_controls, report_counts,
            report_list, report_near_names,
        },
        sql_error::{error_code, is_unreachable},
    },
};

impl PostgresVerifier {
    /// Counts the rows, and checks them page by page by the rules for edits. `None` if this role may not read them.
    pub(super) async fn check_rows<'a>(
        &mut self,
        progress: &'a (dyn Fn(u64, u64) + Sync),
    ) -> Result<Option<VerifyProgress<'a>>, MigrationError> {
        let doing = "reading rows";
        let may_read = "SELECT has_table_privilege('public.approach_challenges', 'SELECT')";
        let may_read: Vec<(bool,)> = self.fetch(doing, may_read).await?;
        if may_read != [(true,)] {
            return Ok(None);
        }
        let read = include_str!("../sql/verify_counts.sql");
        let counts: Vec<_> = self.fetch(doing, read).await?;
        let total = report_counts(&mut self.report, &counts);
        let mut done = VerifyProgress::new(progress, total);
        let mut violations = RuleViolations::default();
        let mut after: Option<String> = None;
        loop {
            // Not prepared for later pages: each is planned for where it begins.
            let page: Vec<_> = sqlx::query_as(include_str!("../sql/verify_rows.sql"))
                .persistent(false)
                .bind(after)
                .bind(CHECK_PAGE)
                .fetch_all(&mut self.connection)
                .await
                .map_err(MigrationError::failed(doing))?;
            done.add(page.len());
            after = violations.check_page(&page).map(|id| id.lossy());
            if after.is_none() {
                break;
            }
        }
        violations.report(&mut self.report);
        Ok(Some(done))
    }

    /// Reads every challenge by the service's own statements, and reports those that reads leave out.
    pub(super) async fn check_reads(
        &mut self,
        done: &mut VerifyProgress<'_>,
    ) -> Result<(), MigrationError> {
        let mut left_out = InvalidRowSummary::default();
        let mut after: Option<Uuid> = None;
        loop {
            let ids: Vec<Uuid> = sqlx::query_scalar(include_str!("../sql/verify_ids.sql"))
                .persistent(false)
                .bind(after)
                .bind(CHECK_PAGE)
                .fetch_all(&mut self.connection)
                .await
                .map_err(MigrationError::failed("reading ids"))?;
            done.add(ids.len());
            after = ids.last().copied();
            if after.is_none() {
                break;
            }
            match read(&mut self.connection, ids.clone()).await? {
                Ok(invalid) => left_out.add(invalid),
                Err(problem) if problem.is_of_a_row => {
                    for id in ids {
                        left_out.add(read_one(&mut self.connection, id).await?);
                    }
                }
                Err(problem) => {
                    let text = format!("reading them by id fails: {}", problem.text);
                    self.report.error("rows", text);
                    return Ok(());
                }
            }
        }
        left_out.report(&mut self.report);
        self.check_lists().await
    }

    /// Reads the most common lists, for errors only: their rows were checked by id.
    async fn check_lists(&mut self) -> Result<(), MigrationError> {
        for query in ListQuery::common() {
            let read = list::<PageRow>(&ListRange::from(&query), None);
            if let Err(error) = read.fetch_all(&mut self.connection).await {
                let problem = ReadProblem::of(error)?;
                report_list(&mut self.report, &query, &problem.text);
            }
        }
        Ok(())
    }

    /// Reports rows of flags and settings without the effect that their writer may expect, if this role may read them.
    pub(super) async fn check_controls(&mut self) -> Result<(), MigrationError> {
        let doing = "reading flags";
        let may_read =
            "SELECT has_schema_privilege(n.oid, 'USAGE') AND has_function_privilege(p.oid, 'EXECUTE')
            FROM pg_proc AS p
            JOIN pg_namespace AS n ON n.oid = p.pronamespace
            WHERE n.nspname = 'challenges_catalog' AND p.proname = 'controls' AND p.pronargs = 1";
        let may_read: Vec<(bool,)> = self.fetch(doing, may_read).await?;
        if may_read != [(true,)] {
            return Ok(());
        }
        let rows = sqlx::query_as(include_str!("../sql/controls.sql"))
            .bind(control_row::names())
            .fetch_all(&mut self.connection)
            .await;
        if let Err(error) = &rows
            && is_unreachable(error)
        {
            return rows.map(drop).map_err(MigrationError::failed(doing));
        }
        report_controls(&mut self.report, rows);
        let may_read = "SELECT has_table_privilege('public.feature_flags', 'SELECT')";
        let may_read: Vec<(bool,)> = self.fetch(doing, may_read).await?;
        if may_read == [(true,)] {
            let names = "SELECT DISTINCT left(name::text, 100) AS name FROM public.feature_flags WHERE name IS NOT NULL LIMIT 1000";
            let names: Vec<(String,)> = self.fetch(doing, names).await?;
            report_near_names(&mut self.report, names.into_iter().map(|(name,)| name));
        }
        Ok(())
    }
}

/// Why a statement of the service failed.
struct ReadProblem {
    text: String,
    /// Whether the values of one row may be the cause.
    is_of_a_row: bool,
}

impl ReadProblem {
    fn of(error: sqlx::Error) -> Result<Self, MigrationError> {
        if is_unreachable(&error) {
            return Err(MigrationError::Unreachable(error.into()));
        }
        // Class 22 is invalid data. An error without a code is of the driver, which cannot decode a value.
        let is_of_a_row = error_code(&error).is_none_or(|code| code.starts_with("22"));
        Ok(Self {
            text: error.to_string(),
            is_of_a_row,
        })
    }
}

async fn read(
    connection: &mut PgConnection,
    ids: Vec<Uuid>,
) -> Result<Result<Vec<InvalidRow>, ReadProblem>, MigrationError> {
    let rows: Vec<StampedRow> = match find_many(ids).fetch_all(connection).await {
        Ok(rows) => rows,
        Err(error) => return ReadProblem::of(error).map(Err),
    };
    let found = challenge_row::read(rows);
    Ok(found
        .map(|found| found.value.invalid)
        .map_err(|error| ReadProblem {
            text: error.to_string(),
            is_of_a_row: false,
        }))
}

async fn read_one(
    connection: &mut PgConnection,
    id: Uuid,
) -> Result<Vec<InvalidRow>, MigrationError> {
    Ok(match read(connection, vec![id]).await? {
        Ok(invalid) => invalid,
        Err(problem) => vec![InvalidRow {
            id: id.to_string(),
            problem: InvalidRowProblem::Unreadable(problem.text),
        }],
    })
}
