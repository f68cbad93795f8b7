//! Rows that cannot be shown: why, and that it is logged once.
use std::{
    collections::HashSet,
    fmt,
    sync::{Mutex, PoisonError},
};

/// The most bytes of a text that is read. The statements of `challenges` and `controls` have the
/// same number: a longer text is measured and not fetched.
pub(super) const MOST_TEXT_BYTES: usize = 256 << 10;

/// Why a row cannot be shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Oddity {
    /// The id is no UUID.
    Id,
    /// The difficulty is none that the contract knows.
    Difficulty,
    /// Points do not fit the contract.
    Points,
    /// A column has a longer text than is read.
    TooLong(String),
    /// A column has bytes that are not UTF-8.
    NotUtf8(&'static str),
    /// The row cannot be had as one text, which calls that change it tell it by.
    Whole,
    /// The database cannot read it.
    Unreadable(String),
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Points => f.write_str("points are not within 32 bits"),
            Self::TooLong(column) => write!(f, "{column} has more than {MOST_TEXT_BYTES} bytes"),
            Self::NotUtf8(column) => write!(f, "{column} is not UTF-8"),
            Self::Id => f.write_str("id is no UUID"),
            Self::Difficulty => {
                f.write_str("difficulty is none of beginner, intermediate, advanced")
            }
            Self::Whole => write!(
                f,
                "the row as a whole has more than {MOST_TEXT_BYTES} bytes, or bytes that are no text"
            ),
            Self::Unreadable(problem) => write!(f, "the database cannot read it ({problem})"),
        }
    }
}

/// A row that cannot be shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct OddRow {
    /// Names the row, as well as it goes.
    pub(super) id: String,
    /// Why.
    pub(super) oddity: Oddity,
}

/// Logs each odd row once for each reason, as long as there are not too many of them.
#[derive(Debug, Default)]
pub(super) struct OddRowLog(Mutex<HashSet<OddRow>>);

/// So many are remembered. More of them are not logged: `verify` names them all.
const MOST_REMEMBERED: usize = 1_000;

impl OddRowLog {
    /// Logs those challenges that were not logged before.
    pub(super) fn note_challenges(&self, rows: Vec<OddRow>) {
        self.note(
            rows,
            "a challenge cannot be shown: reads leave it out, and serve all others",
        );
    }

    /// Logs those rows of flags and settings that were not logged before.
    pub(super) fn note_controls(&self, rows: Vec<OddRow>) {
        self.note(
            rows,
            "a row counts, but not all of it can be shown, and no call can change it",
        );
    }

    fn note(&self, rows: Vec<OddRow>, harm: &'static str) {
        for row in rows {
            let OddRow { id, oddity } = row.clone();
            match self.remember(row) {
                Memory::Old => {}
                Memory::New => tracing::warn!(
                    %id, reason = %oddity, "{harm}"
                ),
                Memory::Last => tracing::warn!(
                    most = MOST_REMEMBERED,
                    "too many rows cannot be shown: further ones are not logged; run `verify`"
                ),
            }
        }
    }

    fn remember(&self, row: OddRow) -> Memory {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > MOST_REMEMBERED || known.contains(&row) {
            return Memory::Old;
        }
        known.insert(row);
        if known.len() > MOST_REMEMBERED {
            Memory::Last
        } else {
            Memory::New
        }
    }
}

/// What an [`OddRowLog`] does about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    /// It was logged, or there are too many.
    Old,
    /// It is logged.
    New,
    /// That there are too many is logged.
    Last,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn odd(number: usize, oddity: Oddity) -> OddRow {
        OddRow {
            id: number.to_string(),
            oddity,
        }
    }

    #[test]
    fn a_row_is_logged_once_for_each_reason() {
        let log = OddRowLog::default();
        let rows = [
            odd(1, Oddity::Points),
            odd(1, Oddity::Points),
            odd(1, Oddity::Id),
            odd(2, Oddity::Points),
        ];
        let told = rows.map(|row| log.remember(row));
        assert_eq!(told, [Memory::New, Memory::Old, Memory::New, Memory::New]);
    }

    #[test]
    fn beyond_a_thousand_rows_nothing_more_is_remembered() {
        let log = OddRowLog::default();
        let told: Vec<_> = (0..2_000)
            .map(|number| log.remember(odd(number, Oddity::Id)))
            .collect();
        let count = |memory| told.iter().filter(|told| **told == memory).count();
        assert_eq!(
            (count(Memory::New), count(Memory::Last), count(Memory::Old)),
            (1_000, 1, 999)
        );
        assert_eq!(log.0.lock().unwrap().len(), 1_001);
    }
}
