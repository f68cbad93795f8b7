//! Adds challenges to a catalog that lacks them.
use std::collections::HashMap;

use serde_json::Value;

use crate::domain::{ChallengeRepository, Error, JsonFields, NewChallenge};

/// The challenges that come with the program.
pub const EMBEDDED: &str = include_str!("../../seeds/challenges.json");

/// What seeding did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Seeding {
    /// How many challenges were offered.
    pub read: u64,
    /// How many of them were missing, and were added.
    pub added: u64,
}

/// Why nothing was seeded.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The text is not what it should be, for these reasons; nothing was added.
    #[error("{}", listed(.0))]
    Bad(Vec<String>),
    /// The catalog could not take them; nothing was added.
    #[error("the challenges could not be added")]
    Store(#[source] Error),
}

/// Adds the challenges of `json`, a list of objects, that the catalog lacks.
/// Rows that exist stay as they are, whatever was done to them.
///
/// # Errors
///
/// [`SeedError::Bad`] names every bad row and field.
pub async fn load(challenges: &dyn ChallengeRepository, json: &str) -> Result<Seeding, SeedError> {
    let parsed = parse(json).map_err(SeedError::Bad)?;
    let added = challenges
        .insert_missing(&parsed)
        .await
        .map_err(SeedError::Store)?;
    Ok(Seeding {
        read: parsed.len() as u64,
        added,
    })
}

fn parse(json: &str) -> Result<Vec<NewChallenge>, Vec<String>> {
    let rows = rows(json);
    let rows = rows.map_err(|problem| vec![format!("not a list of challenges: {problem}")])?;
    let (mut challenges, mut problems) = (Vec::with_capacity(rows.len()), Vec::new());
    let mut first_row_of = HashMap::new();
    for (row, value) in (1..).zip(rows) {
        match check(value) {
            Ok(challenge) => {
                if let Some(first) = first_row_of.insert(challenge.id, row) {
                    problems.push(format!("row {row}, id: is that of row {first}"));
                }
                challenges.push(challenge);
            }
            Err(wrong) => problems.extend(wrong.iter().map(|wrong| format!("row {row}{wrong}"))),
        }
    }
    if problems.is_empty() {
        Ok(challenges)
    } else {
        Err(problems)
    }
}

/// The list, of whatever it may be.
fn rows(json: &str) -> Result<Vec<Value>, String> {
    let value: Value = serde_json::from_str(json).map_err(|error| {
        let text = error.to_string();
        let problem = text.split(" at line ").next().unwrap_or_default();
        let (line, column) = (error.line(), error.column());
        format!("line {line}, column {column} is not JSON: {problem}")
    })?;
    let Value::Array(rows) = value else {
        return Err("it must begin with [".to_owned());
    };
    Ok(rows)
}

/// The challenge, or what is wrong with it, behind the name of the field.
fn check(value: Value) -> Result<NewChallenge, Vec<String>> {
    let Value::Object(fields) = value else {
        return Err(vec![": must be a challenge in { }".to_owned()]);
    };
    let checked = JsonFields::from(fields).check();
    checked.map_err(|wrong| wrong.iter().map(|wrong| format!(", {wrong}")).collect())
}

/// How many problems are listed.
const LISTED_MAX: usize = 50;

fn listed(problems: &[String]) -> String {
    match problems.split_at_checked(LISTED_MAX) {
        Some((listed, [_, ..])) => {
            let more = problems.len() - LISTED_MAX;
            format!("{}\nand {more} more", listed.join("\n"))
        }
        Some(_) | None => problems.join("\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"id":"5f0c1d4e-8a53-4f0e-9d6b-0c8f6f1a2b01","difficulty":"beginner","title":"T","points":10}"#;

    fn problems_of(json: &str) -> String {
        listed(&parse(json).unwrap_err())
    }

    #[test]
    fn the_challenges_that_come_with_the_program_are_good() {
        let challenges = parse(EMBEDDED).unwrap();
        assert!(challenges.len() >= 12);
        assert!(challenges.iter().all(|challenge| challenge.tips.is_some()));
    }

    #[test]
    fn a_bad_row_is_named_with_its_field() {
        let bad = GOOD
            .replace("beginner", "easy")
            .replace("\"points\":10", "\"points\":-5");
        let problems = problems_of(&format!("[{GOOD},{bad}]"));
        assert!(
            problems.contains("row 2, difficulty: must be beginner"),
            "{problems}"
        );
        assert!(
            problems.contains("row 2, points: must be 0 to 1000, not -5"),
            "{problems}"
        );
    }

    #[test]
    fn an_id_twice_an_unknown_field_and_a_text_that_is_no_list_are_refused() {
        assert_eq!(
            problems_of(&format!("[{GOOD},{GOOD}]")),
            "row 2, id: is that of row 1"
        );
        let unknown = GOOD.replace("\"title\"", "\"name\"");
        assert!(
            problems_of(&format!("[{unknown}]"))
                .contains("row 1, name: is no field of a challenge")
        );
        assert_eq!(problems_of("[7]"), "row 1: must be a challenge in { }");
        assert_eq!(
            problems_of("{}"),
            "not a list of challenges: it must begin with ["
        );
        assert_eq!(
            problems_of("[\n  x]"),
            "not a list of challenges: line 2, column 3 is not JSON: expected value"
        );
    }

    #[test]
    fn a_field_of_the_wrong_kind_is_told_with_what_it_must_be() {
        let bad = GOOD.replace(":10", ":\"ten\"").replace("\"T\"", "5");
        assert_eq!(
            problems_of(&format!("[{bad}]")),
            "row 1, title: must be text, not 5\nrow 1, points: must be a whole number, not \"ten\""
        );
    }
}
