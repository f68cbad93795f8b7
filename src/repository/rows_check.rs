//! What can be wrong in the rows, the same on both engines.
use super::{Counts, Report};
use crate::domain::ChallengeDraft;

/// How many rows one finding names.
const NAMED: usize = 20;
/// So many rows are looked at by one statement: with texts as long as they may be, 4 MiB.
pub(super) const CHECK_PAGE: i64 = 100;

/// How many rows of one difficulty have what.
#[derive(sqlx::FromRow)]
pub(super) struct Tally {
    difficulty: String,
    rows: i64,
    no_description: i64,
    no_points: i64,
}

/// A row as imports and edits would have it: what is shown in place of NULL stands for it.
#[derive(sqlx::FromRow)]
pub(super) struct CheckedRow {
    id: String,
    difficulty: String,
    title: String,
    description: String,
    points: i64,
    tips: Option<String>,
}

/// The fields in the order of the report; whether readers suffer; and what it means.
const FIELDS: [(&str, bool, &str); 6] = [
    ("id", true, "is no UUID: reading it fails, and so do lists"),
    (
        "difficulty",
        true,
        "is none of beginner, intermediate, advanced: never listed, and reading it by id fails",
    ),
    (
        "title",
        false,
        "is not 1 to 200 characters on one line, in NFC and not blank: imports and edits refuse it",
    ),
    (
        "description",
        false,
        "is not at most 5000 characters in NFC without control characters but \\n and \\t: \
         imports and edits refuse it",
    ),
    (
        "points",
        false,
        "are outside of 0 to 1000: imports and edits refuse them",
    ),
    (
        "tips",
        false,
        "are not at most 5000 characters in NFC without control characters but \\n and \\t: \
         imports and edits refuse them",
    ),
];

/// The rows that break the one set of rules for what may be written: per field the first by id, and
/// how many there are. So much is kept and no more, however many are broken.
#[derive(Default)]
pub(super) struct BrokenRows {
    of_field: [(Vec<String>, u64); FIELDS.len()],
}

impl BrokenRows {
    /// Looks at a page, and gives where the next one begins; `None` when there was nothing on it.
    pub(super) fn look(&mut self, page: Vec<CheckedRow>) -> Option<String> {
        let last = page.last().map(|row| row.id.clone());
        for row in page {
            self.judge(row);
        }
        last
    }

    fn judge(&mut self, row: CheckedRow) {
        let id = row.id.clone();
        let draft = ChallengeDraft {
            id: row.id,
            difficulty: row.difficulty,
            title: row.title,
            description: row.description,
            points: row.points,
            tips: row.tips,
        };
        let Err(wrong) = draft.check() else { return };
        for ((field, ..), (ids, count)) in FIELDS.iter().zip(&mut self.of_field) {
            if wrong.iter().any(|violation| violation.field == *field) {
                *count += 1;
                if ids.len() < NAMED {
                    ids.push(id.clone());
                }
            }
        }
    }

    /// Adds what was found to the report.
    pub(super) fn tell(self, report: &mut Report) {
        for ((field, is_error, meaning), (ids, count)) in FIELDS.into_iter().zip(self.of_field) {
            if ids.is_empty() {
                continue;
            }
            let more = match count.saturating_sub(NAMED as u64) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let text = format!("{field} {meaning}: {}{more}", ids.join(", "));
            if is_error {
                report.error("rows", text);
            } else {
                report.warn("rows", text);
            }
        }
    }
}

/// Adds the counts, and what is odd about them.
pub(super) fn count(report: &mut Report, tallies: &[Tally]) {
    let mut counts = Counts::default();
    let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
    for tally in tallies {
        let rows = unsigned(tally.rows);
        counts.total += rows;
        match tally.difficulty.as_str() {
            "beginner" => counts.beginner += rows,
            "intermediate" => counts.intermediate += rows,
            "advanced" => counts.advanced += rows,
            _ => counts.other += rows,
        }
    }
    report.facts.challenges = Some(counts);
    if counts.total == 0 {
        let text = "there are no challenges: run `challenges-catalog seed`";
        report.warn("rows", text);
    }
    let without = |of: fn(&Tally) -> i64| tallies.iter().map(of).sum::<i64>();
    let descriptions = without(|tally| tally.no_description);
    if descriptions > 0 {
        let text = format!("{descriptions} rows have none, and are shown with an empty one");
        report.note("description", text);
    }
    let points = without(|tally| tally.no_points);
    if points > 0 {
        report.note(
            "points",
            format!("{points} rows have none, and are shown with 10"),
        );
    }
}
