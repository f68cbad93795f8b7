//! The checks of `verify` on rows, the same on both engines: counts, rows that break the rules for edits,
//! rows that reads leave out, and flags or settings without effect.
use strsim::levenshtein;

use super::{
    ChallengeCounts, VerifyReport,
    control_row::{self, RawControlRow},
    invalid_rows::{InvalidRow, InvalidRowProblem},
    raw_text::RawText,
};
use crate::domain::{
    CHALLENGE_FIELDS, ChallengeDraft, ControlRow, Flag, ListQuery, RuntimeControl, RuntimeSetting,
    problems_of,
};

/// How many characters may differ in a name that was mistyped.
const NEAR: usize = 2;
/// How many rows one finding names.
const MAX_NAMED: usize = 20;
/// How many rows one statement checks; with texts of the largest size, 4 MiB.
pub(super) const CHECK_PAGE: i64 = 100;

/// Row counts of one difficulty.
#[derive(sqlx::FromRow)]
pub(super) struct DifficultyCounts {
    difficulty: RawText,
    rows: i64,
    no_description: i64,
    no_points: i64,
    invalid_times: i64,
}

/// A row as imports and edits would have it: NULL is replaced by what is shown in its place.
#[derive(sqlx::FromRow)]
pub(super) struct CheckedRow {
    id: RawText,
    difficulty: RawText,
    title: RawText,
    description: RawText,
    points: i64,
    tips: Option<RawText>,
}

/// The checked fields in the order of the report, with the text of the finding: all of a challenge but the
/// difficulty. Rows with an invalid id or difficulty are reported by [`InvalidRowSummary`].
const FIELDS: [(&str, &str); CHALLENGE_FIELDS.len() - 1] = [
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

/// Rows of one finding: the first ids, and how many there are. Its size is bounded, however many rows.
#[derive(Default)]
struct NamedRows {
    ids: Vec<String>,
    count: u64,
}

impl NamedRows {
    fn add(&mut self, id: String) {
        self.count += 1;
        if self.ids.len() < MAX_NAMED {
            self.ids.push(id);
        }
    }

    fn text(&self) -> String {
        let more = match self.count.saturating_sub(MAX_NAMED as u64) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{}{more}", self.ids.join(", "))
    }
}

/// The rows that break the rules for edits, by field.
#[derive(Default)]
pub(super) struct RuleViolations([NamedRows; FIELDS.len()]);

impl RuleViolations {
    /// Checks a page; returns the last id, behind which the next page begins, or `None` for an empty page.
    pub(super) fn check_page(&mut self, page: &[CheckedRow]) -> Option<RawText> {
        for row in page {
            self.check(row);
        }
        page.last().map(|row| row.id.clone())
    }

    fn check(&mut self, row: &CheckedRow) {
        let id = row.id.lossy();
        let draft = ChallengeDraft {
            id: id.clone(),
            difficulty: row.difficulty.lossy(),
            title: row.title.lossy(),
            description: row.description.lossy(),
            points: row.points,
            tips: row.tips.as_ref().map(RawText::lossy),
        };
        let Err(violations) = draft.check() else {
            return;
        };
        for ((field, _), rows) in FIELDS.iter().zip(&mut self.0) {
            if violations.iter().any(|violation| violation.field == *field) {
                rows.add(id.clone());
            }
        }
    }

    /// Adds a warning for each field.
    pub(super) fn report(&self, report: &mut VerifyReport) {
        for ((field, problem), rows) in FIELDS.into_iter().zip(&self.0) {
            if rows.count > 0 {
                report.warn("rows", format!("{field} {problem}: {}", rows.text()));
            }
        }
    }
}

/// The rows that reads leave out, by problem.
#[derive(Default)]
pub(super) struct InvalidRowSummary(Vec<(InvalidRowProblem, NamedRows)>);

/// How many problems are told apart: those of the database can be as many as the rows.
const MAX_PROBLEMS: usize = 20;

impl InvalidRowSummary {
    /// Adds the rows that one read left out.
    pub(super) fn add(&mut self, mut rows: Vec<InvalidRow>) {
        rows.sort_by(|one, other| one.id.cmp(&other.id));
        for InvalidRow { id, problem } in rows {
            let known = self.0.iter().position(|(known, _)| *known == problem);
            let place = known.unwrap_or(self.0.len().min(MAX_PROBLEMS - 1));
            if place == self.0.len() {
                self.0.push((problem, NamedRows::default()));
            }
            if let Some((_, named)) = self.0.get_mut(place) {
                named.add(id);
            }
        }
    }

    /// Adds an error for each problem.
    pub(super) fn report(mut self, report: &mut VerifyReport) {
        self.0.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (problem, rows) in self.0 {
            let text = format!(
                "{problem}: lists leave them out, and reading them by id finds nothing: {}",
                rows.text()
            );
            report.error("rows", text);
        }
    }
}

/// Adds the counts, and what is unusual about them; returns the number of rows.
pub(super) fn report_counts(report: &mut VerifyReport, difficulties: &[DifficultyCounts]) -> u64 {
    let mut counts = ChallengeCounts::default();
    for one in difficulties {
        let rows = one.rows.unsigned_abs();
        counts.total += rows;
        match one.difficulty.lossy().as_str() {
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
    let mut note = |subject: &str, of: fn(&DifficultyCounts) -> i64, text: &str| {
        let rows: i64 = difficulties.iter().map(of).sum();
        if rows > 0 {
            report.note(subject, format!("{rows} rows have {text}"));
        }
    };
    note(
        "description",
        |counts| counts.no_description,
        "none, and are shown with an empty one",
    );
    note(
        "points",
        |counts| counts.no_points,
        "none, and are shown with 10",
    );
    note(
        "times",
        |counts| counts.invalid_times,
        "one outside of the years 1 to 9999, and are shown without it",
    );
    total
}

/// Adds an error for a list that cannot be read.
pub(super) fn report_list(report: &mut VerifyReport, query: &ListQuery, problem: &str) {
    let which = query.difficulty.map_or("all", |only| only.as_str());
    let text = format!("the list of {which} challenges fails: {problem}");
    report.error("rows", text);
}

/// Adds what is wrong with the rows of flags and settings, or why they cannot be read.
pub(super) fn report_controls(
    report: &mut VerifyReport,
    rows: Result<Vec<RawControlRow>, sqlx::Error>,
) {
    let found = match rows.map(control_row::controls) {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return report.error("flags", error.to_string()),
        Err(error) => return report.error("flags", format!("reading them fails: {error}")),
    };
    for InvalidRow { id, problem } in found.invalid {
        let text =
            format!("{problem}: it counts, but is not shown in full, and no call can change it");
        report.error(id, text);
    }
    report_kind::<Flag>(report, &found.rows.flags);
    report_kind::<RuntimeSetting>(report, &found.rows.settings);
}

/// Notes each name of a row that is nearly that of a flag. The table may belong to others, whose names mean nothing here.
pub(super) fn report_near_names(
    report: &mut VerifyReport,
    names: impl IntoIterator<Item = String>,
) {
    for name in names {
        let known = Flag::EACH.iter().map(|flag| flag.name());
        let nearest = known.min_by_key(|known| levenshtein(&name, known));
        let near = nearest.filter(|known| (1..=NEAR).contains(&levenshtein(&name, known)));
        if let Some(near) = near {
            let text = format!("its row is of no flag of this service; did you mean {near}?");
            report.note(format!("feature flag {name}"), text);
        }
    }
}

fn report_kind<C: RuntimeControl>(report: &mut VerifyReport, rows: &[ControlRow<C::Raw>]) {
    for problem in problems_of::<C>(rows) {
        let subject = format!("{} {}", C::KIND.as_str(), problem.name);
        if problem.is_broken {
            let text = format!("{}: the last good value stays in force", problem.text);
            report.warn(subject, text);
        } else {
            let text = format!("it {}: the row does nothing", problem.text);
            report.note(subject, text);
        }
    }
}
