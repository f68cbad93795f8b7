//! What can be wrong in the rows, the same on both engines.
use super::{Counts, Report};

/// How many rows one finding names.
const NAMED: usize = 20;

/// How many rows of one difficulty have what.
#[derive(sqlx::FromRow)]
pub(super) struct Tally {
    difficulty: String,
    rows: i64,
    no_description: i64,
    no_points: i64,
}

/// A row that breaks a rule.
#[derive(sqlx::FromRow)]
pub(super) struct BrokenRow {
    rule: String,
    id: String,
}

/// The order of the rules in the report, and what each means to readers.
const RULES: [(&str, bool, &str); 3] = [
    (
        "difficulty",
        true,
        "is none of beginner, intermediate, advanced: never listed, and reading it by id fails",
    ),
    ("title", false, "is empty"),
    ("points", false, "are outside of 0 to 1000"),
];

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

/// Adds the broken rows by id; `rows` has one more than are named when there are more.
pub(super) fn broken(report: &mut Report, rows: &[BrokenRow]) {
    for (rule, is_error, meaning) in RULES {
        let of_rule = rows.iter().filter(|row| row.rule == rule);
        let ids: Vec<_> = of_rule.map(|row| row.id.as_str()).collect();
        if ids.is_empty() {
            continue;
        }
        let named = ids
            .iter()
            .take(NAMED)
            .copied()
            .collect::<Vec<_>>()
            .join(", ");
        let more = if ids.len() > NAMED { " and more" } else { "" };
        let text = format!("{rule} {meaning}: {named}{more}");
        if is_error {
            report.error("rows", text);
        } else {
            report.warn("rows", text);
        }
    }
}
