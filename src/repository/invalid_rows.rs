//! Rows that cannot be served: why, and that each is logged once.
use std::collections::HashSet;

use parking_lot::Mutex;

/// The largest text that is read, in bytes. The statements of challenges and of controls contain the same
/// number: a larger text is measured but not fetched.
pub(super) const MAX_TEXT_BYTES: usize = 256 << 10;

/// Why a row cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub(super) enum InvalidRowProblem {
    #[error("id is no UUID")]
    Id,
    #[error("difficulty is none of beginner, intermediate, advanced")]
    Difficulty,
    #[error("points are not within 32 bits")]
    Points,
    /// The text of this column is larger than [`MAX_TEXT_BYTES`].
    #[error("{0} has more than {MAX_TEXT_BYTES} bytes")]
    TooLong(String),
    /// This column is not UTF-8.
    #[error("{0} is not UTF-8")]
    NotUtf8(&'static str),
    /// The text of the whole row is too long or not UTF-8, so calls that change the row cannot compare it.
    #[error("the row as a whole has more than {MAX_TEXT_BYTES} bytes, or bytes that are no text")]
    NoFingerprint,
    /// The database cannot read the row.
    #[error("the database cannot read it ({0})")]
    Unreadable(String),
}

/// A row that cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct InvalidRow {
    /// Its id, or the text in place of one.
    pub(super) id: String,
    pub(super) problem: InvalidRowProblem,
}

/// Logs each invalid row once per problem, up to [`MAX_LOGGED`] rows; `verify` lists all of them.
#[derive(Debug, Default)]
pub(super) struct InvalidRowLog(Mutex<HashSet<InvalidRow>>);

const MAX_LOGGED: usize = 1_000;

impl InvalidRowLog {
    /// Logs the challenges among `rows` that were not logged before.
    pub(super) fn log_challenges(&self, rows: Vec<InvalidRow>) {
        self.log(
            rows,
            "a challenge is invalid: reads leave it out and serve all others",
        );
    }

    /// Logs the rows of flags and settings that were not logged before.
    pub(super) fn log_controls(&self, rows: Vec<InvalidRow>) {
        self.log(
            rows,
            "a row is in force, but cannot be shown in full, and no call can change it",
        );
    }

    fn log(&self, rows: Vec<InvalidRow>, effect: &'static str) {
        for row in rows {
            let InvalidRow { id, problem } = row.clone();
            match self.remember(row) {
                LogDecision::Skip => {}
                LogDecision::Log => tracing::warn!(%id, reason = %problem, "{effect}"),
                LogDecision::LogLimit => tracing::warn!(
                    most = MAX_LOGGED,
                    "too many rows are invalid: no more of them are logged; run `verify`"
                ),
            }
        }
    }

    fn remember(&self, row: InvalidRow) -> LogDecision {
        let mut known = self.0.lock();
        if known.len() > MAX_LOGGED || known.contains(&row) {
            return LogDecision::Skip;
        }
        known.insert(row);
        if known.len() > MAX_LOGGED {
            LogDecision::LogLimit
        } else {
            LogDecision::Log
        }
    }
}

/// What to log for an invalid row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LogDecision {
    Skip,
    Log,
    /// Log that the limit is reached.
    LogLimit,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invalid(number: usize, problem: InvalidRowProblem) -> InvalidRow {
        InvalidRow {
            id: number.to_string(),
            problem,
        }
    }

    #[test]
    fn a_row_is_logged_once_for_each_reason() {
        let log = InvalidRowLog::default();
        let rows = [
            invalid(1, InvalidRowProblem::Points),
            invalid(1, InvalidRowProblem::Points),
            invalid(1, InvalidRowProblem::Id),
            invalid(2, InvalidRowProblem::Points),
        ];
        let decisions = rows.map(|row| log.remember(row));
        assert_eq!(
            decisions,
            [
                LogDecision::Log,
                LogDecision::Skip,
                LogDecision::Log,
                LogDecision::Log
            ]
        );
    }

    #[test]
    fn beyond_a_thousand_rows_nothing_more_is_remembered() {
        let log = InvalidRowLog::default();
        let decisions: Vec<_> = (0..2_000)
            .map(|number| log.remember(invalid(number, InvalidRowProblem::Id)))
            .collect();
        let count = |decision| decisions.iter().filter(|made| **made == decision).count();
        assert_eq!(
            (
                count(LogDecision::Log),
                count(LogDecision::LogLimit),
                count(LogDecision::Skip)
            ),
            (1_000, 1, 999)
        );
        assert_eq!(log.0.lock().len(), 1_001);
    }
}
