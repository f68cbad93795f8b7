use std::fmt;

use super::MigrationRow;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Note,
    /// The catalog is right, but something is missing or slow.
    Warning,
    /// Answers can be wrong, or there are none.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One thing that `verify` noticed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What it is about, such as `trigger challenges_catalog_update`.
    pub subject: String,
    /// What is the case, and what helps.
    pub text: String,
}

/// How many challenges there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// All rows.
    pub total: u64,
    /// Rows that are listed as beginner.
    pub beginner: u64,
    /// Rows that are listed as intermediate.
    pub intermediate: u64,
    /// Rows that are listed as advanced.
    pub advanced: u64,
    /// Rows whose difficulty is none of these; never listed.
    pub other: u64,
}

/// What the database is.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Facts {
    /// `PostgreSQL` or `SQLite`, with its version.
    pub engine: String,
    /// The role that looked; empty on SQLite.
    pub role: String,
    /// The newest migration applied; 0 for none.
    pub schema_version: i64,
    /// `None` when the table cannot be read.
    pub challenges: Option<Counts>,
    /// How full the queue of notifications is, 0 to 1; `None` on SQLite.
    pub notify_queue_usage: Option<f64>,
}

/// What `verify` found.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Report {
    /// What the database is.
    pub facts: Facts,
    /// What was noticed, the worst first.
    pub findings: Vec<Finding>,
}

impl Report {
    /// The worst severity; `None` when nothing was noticed.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }

    pub(super) fn note(&mut self, subject: impl Into<String>, text: impl Into<String>) {
        self.add(Severity::Note, subject, text);
    }

    pub(super) fn warn(&mut self, subject: impl Into<String>, text: impl Into<String>) {
        self.add(Severity::Warning, subject, text);
    }

    pub(super) fn error(&mut self, subject: impl Into<String>, text: impl Into<String>) {
        self.add(Severity::Error, subject, text);
    }

    /// An error for each migration that is pending.
    pub(super) fn pending(&mut self, rows: &[MigrationRow]) {
        for row in rows.iter().filter(|row| row.applied_at.is_none()) {
            let text = format!(
                "{} is pending: run `challenges-catalog migrate up`",
                row.name
            );
            self.error(format!("migration {:04}", row.version), text);
        }
    }

    /// The worst first; what is equally bad stays in the order it was noticed in.
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

/// How far a check of all rows is. Each row is looked at twice: as it lies there, and as reads show it.
pub(super) struct RowsDone<'a> {
    tell: &'a (dyn Fn(u64, u64) + Sync),
    done: u64,
    total: u64,
}

impl<'a> RowsDone<'a> {
    /// `tell` hears how many looks are done, and how many there are.
    pub(super) fn new(tell: &'a (dyn Fn(u64, u64) + Sync), rows: u64) -> Self {
        Self {
            tell,
            done: 0,
            total: rows.saturating_mul(2),
        }
    }

    pub(super) fn add(&mut self, looks: usize) {
        self.done += u64::try_from(looks).unwrap_or(u64::MAX);
        // Rows may have come meanwhile.
        self.total = self.total.max(self.done);
        (self.tell)(self.done, self.total);
    }
}
