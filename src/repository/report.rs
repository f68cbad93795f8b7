//! The report of `verify`: properties of the database, and findings by severity.
use super::MigrationRow;
use crate::domain::words;

words! {
    /// How much a finding matters.
    #[derive(PartialOrd, Ord, serde::Serialize)]
    #[serde(rename_all = "lowercase")]
    pub enum Severity {
        /// Worth knowing; nothing is wrong.
        Note = "note",
        /// The catalog is right, but something is missing or slow.
        Warning = "warning",
        /// Answers can be wrong, or there are none.
        Error = "error",
    }
}

/// One problem or note.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// The object, such as `trigger challenges_catalog_update`.
    pub subject: String,
    /// What is wrong with it, and what helps.
    pub text: String,
}

/// Row counts of challenges, by difficulty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ChallengeCounts {
    /// All rows.
    pub total: u64,
    /// Rows of difficulty beginner.
    pub beginner: u64,
    /// Rows of difficulty intermediate.
    pub intermediate: u64,
    /// Rows of difficulty advanced.
    pub advanced: u64,
    /// Rows of any other difficulty; never listed.
    pub other: u64,
}

/// Properties of the database.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Facts {
    /// `PostgreSQL` or `SQLite`, with its version.
    pub engine: String,
    /// The role that `verify` connected as; empty on SQLite.
    pub role: String,
    /// The newest migration applied; 0 for none.
    pub schema_version: i64,
    /// `None` when the table cannot be read.
    pub challenges: Option<ChallengeCounts>,
    /// How full the notification queue is, 0 to 1; `None` on SQLite.
    pub notify_queue_usage: Option<f64>,
}

/// The result of `verify`.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct VerifyReport {
    /// Properties of the database.
    pub facts: Facts,
    /// Problems and notes, the worst first.
    pub findings: Vec<Finding>,
}

impl VerifyReport {
    pub(super) fn note(&mut self, subject: impl Into<String>, text: impl Into<String>) {
        self.add(Severity::Note, subject, text);
    }

    pub(super) fn warn(&mut self, subject: impl Into<String>, text: impl Into<String>) {
        self.add(Severity::Warning, subject, text);
    }

    pub(super) fn error(&mut self, subject: impl Into<String>, text: impl Into<String>) {
        self.add(Severity::Error, subject, text);
    }

    /// Adds the schema version, and an error for each pending migration.
    pub(super) fn add_migrations(&mut self, rows: &[MigrationRow]) {
        let applied = rows.iter().filter(|row| row.applied_at.is_some());
        self.facts.schema_version = applied.map(|row| row.version).max().unwrap_or(0);
        for row in rows.iter().filter(|row| row.applied_at.is_none()) {
            let text = format!(
                "{} is pending: run `challenges-catalog migrate up`",
                row.name
            );
            self.error(format!("migration {:04}", row.version), text);
        }
    }

    /// Sorts the findings by severity, the worst first, and keeps their order within a severity.
    pub(super) fn sorted(mut self) -> Self {
        self.findings
            .sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        self
    }

    fn add(&mut self, severity: Severity, subject: impl Into<String>, text: impl Into<String>) {
        self.findings.push(Finding {
            severity,
            subject: subject.into(),
            text: text.into(),
        });
    }
}

/// Counts the row checks that are done. Each row is checked twice: as stored, and as reads return it.
pub(super) struct VerifyProgress<'a> {
    progress: &'a (dyn Fn(u64, u64) + Sync),
    done: u64,
    total: u64,
}

impl<'a> VerifyProgress<'a> {
    /// Calls `progress` with the checks done so far and their total, for a table of `rows`.
    pub(super) fn new(progress: &'a (dyn Fn(u64, u64) + Sync), rows: u64) -> Self {
        Self {
            progress,
            done: 0,
            total: rows.saturating_mul(2),
        }
    }

    pub(super) fn add(&mut self, checks: usize) {
        self.done += u64::try_from(checks).unwrap_or(u64::MAX);
        // Rows may have been added meanwhile.
        self.total = self.total.max(self.done);
        (self.progress)(self.done, self.total);
    }
}
