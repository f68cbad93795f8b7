//! What can be wrong in the rows, the same on both engines.
use super::{
    Counts, Report,
    odd_rows::{OddRow, Oddity},
    text::Text,
};
use crate::domain::ChallengeDraft;

/// How many rows one finding names.
const NAMED: usize = 20;
/// So many rows are looked at by one statement: with texts as long as they may be, 4 MiB.
pub(super) const CHECK_PAGE: i64 = 100;

/// How many rows of one difficulty have what.
#[derive(sqlx::FromRow)]
pub(super) struct Tally {
    difficulty: Text,
    rows: i64,
    no_description: i64,
    no_points: i64,
    odd_times: i64,
}

/// A row as imports and edits would have it: what is shown in place of NULL stands for it.
#[derive(sqlx::FromRow)]
pub(super) struct CheckedRow {
    id: Text,
    difficulty: Text,
    title: Text,
    description: Text,
    points: i64,
    tips: Option<Text>,
}

/// The fields in the order of the report, and what it means. Rows whose id or difficulty is odd are
/// among those that reads leave out.
const FIELDS: [(&str, &str); 4] = [
    (
        "title",
        "is not 1 to 200 characters on one line, in NFC and not blank: imports and edits refuse it",
    ),
    (
        "description",
        "is not at most 5000 characters in NFC without control characters but \\n and \\t: \
         imports and edits refuse it",
    ),
    (
        "points",
        "are outside of 0 to 1000: imports and edits refuse them",
    ),
    (
        "tips",
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
    pub(super) fn look(&mut self, page: &[CheckedRow]) -> Option<Text> {
        let last = page.last().map(|row| row.id.clone());
        for row in page {
            self.judge(row);
        }
        last
    }

    fn judge(&mut self, row: &CheckedRow) {
        let id = row.id.lossy();
        let draft = ChallengeDraft {
            id: id.clone(),
            difficulty: row.difficulty.lossy(),
            title: row.title.lossy(),
            description: row.description.lossy(),
            points: row.points,
            tips: row.tips.as_ref().map(Text::lossy),
        };
        let Err(wrong) = draft.check() else { return };
        for ((field, _), (ids, count)) in FIELDS.iter().zip(&mut self.of_field) {
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
        for ((field, meaning), (ids, count)) in FIELDS.into_iter().zip(self.of_field) {
            if !ids.is_empty() {
                let text = format!("{field} {meaning}: {}", named(&ids, count));
                report.warn("rows", text);
            }
        }
    }
}

/// The rows that reads leave out: per reason the first by id, and how many there are.
#[derive(Default)]
pub(super) struct RowsLeftOut {
    of_reason: Vec<(Oddity, Vec<String>, u64)>,
}

/// So many reasons are told apart: those of the database can be as many as the rows.
const MOST_REASONS: usize = 20;

impl RowsLeftOut {
    /// Takes in what one read left out.
    pub(super) fn note(&mut self, mut rows: Vec<OddRow>) {
        rows.sort_by(|one, other| one.id.cmp(&other.id));
        for OddRow { id, oddity } in rows {
            let known = self
                .of_reason
                .iter()
                .position(|(known, ..)| *known == oddity);
            let is_full = self.of_reason.len() >= MOST_REASONS;
            let known = known.or_else(|| is_full.then_some(MOST_REASONS - 1));
            match known.and_then(|at| self.of_reason.get_mut(at)) {
                Some((_, ids, count)) => {
                    *count += 1;
                    if ids.len() < NAMED {
                        ids.push(id);
                    }
                }
                None => self.of_reason.push((oddity, vec![id], 1)),
            }
        }
    }

    /// Adds an error for each reason.
    pub(super) fn tell(mut self, report: &mut Report) {
        self.of_reason
            .sort_by(|(one, ..), (other, ..)| one.cmp(other));
        for (oddity, ids, count) in self.of_reason {
            let text = format!(
                "{oddity}: lists leave them out, and reading them by id finds nothing: {}",
                named(&ids, count)
            );
            report.error("rows", text);
        }
    }
}

/// The first `ids` of `count`.
fn named(ids: &[String], count: u64) -> String {
    let more = match count.saturating_sub(NAMED as u64) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", ids.join(", "))
}

/// Adds the counts, and what is odd about them; gives how many rows there are.
pub(super) fn count(report: &mut Report, tallies: &[Tally]) -> u64 {
    let mut counts = Counts::default();
    let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
    for tally in tallies {
        let rows = unsigned(tally.rows);
        counts.total += rows;
        match tally.difficulty.lossy().as_str() {
            "beginner" => counts.beginner += rows,
            "intermediate" => counts.intermediate += rows,
            "advanced" => counts.advanced += rows,
            _ => counts.other += rows,
        }
    }
    let total = counts.total;
    report.facts.challenges = Some(counts);
    if total == 0 {
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
    let times = without(|tally| tally.odd_times);
    if times > 0 {
        let text = format!(
            "{times} rows have one outside of the years 1 to 9999, and are shown without it"
        );
        report.note("times", text);
    }
    total
}
