//! Collects the violations of a request, field by field.
use std::{collections::HashMap, fmt};

use super::{ChallengeId, Version};

/// What is wrong with one field of a request, in the caller's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldViolation {
    /// The field's path as the contract spells it, such as `ids[3]`.
    pub field: String,
    /// What was expected, such as `must be a UUID`.
    pub problem: String,
}

impl FieldViolation {
    /// One violation.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
        }
    }
}

impl fmt::Display for FieldViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

/// All that is wrong with a request, so that the caller hears all of it at once.
#[derive(Debug, Default)]
pub struct FieldViolations(Vec<FieldViolation>);

impl FieldViolations {
    /// The value, or nothing and a note.
    pub fn field<T>(&mut self, field: &str, parsed: Result<T, String>) -> Option<T> {
        parsed.map_err(|problem| self.note(field, problem)).ok()
    }

    /// Notes that `field` is wrong.
    pub fn note(&mut self, field: &str, problem: impl Into<String>) {
        self.0.push(FieldViolation::new(field, problem));
    }

    /// Notes all of `violations`.
    pub fn add(&mut self, violations: Vec<FieldViolation>) {
        self.0.extend(violations);
    }

    /// The value, or nothing and a note for each of its fields, which stand within the field `within`.
    pub fn fields_of<T>(
        &mut self,
        within: &str,
        checked: Result<T, Vec<FieldViolation>>,
    ) -> Option<T> {
        let inside = |violations: FieldViolation| {
            let field = format!("{within}.{}", violations.field);
            FieldViolation::new(field, violations.problem)
        };
        checked
            .map_err(|violations| self.0.extend(violations.into_iter().map(inside)))
            .ok()
    }

    /// Whether nothing is wrong so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The field `min_version`.
    pub fn version(&mut self, text: &str) -> Option<Option<Version>> {
        if text.is_empty() {
            return Some(None);
        }
        self.field("min_version", text.parse()).map(Some)
    }

    /// A list of 1 to `max` different ids.
    pub fn ids(&mut self, field: &str, texts: &[String], max: usize) -> Option<Vec<ChallengeId>> {
        if texts.is_empty() || texts.len() > max {
            let problem = format!("must be 1 to {max} ids, not {}", texts.len());
            return self.field(field, Err(problem));
        }
        let mut ids = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            match ChallengeId::parse(text) {
                Ok(id) => ids.push(id),
                Err(problem) => self.note(&format!("{field}[{index}]"), problem),
            }
        }
        if has_repeats(&ids) {
            self.note_repeats(field, texts);
        }
        self.is_empty().then_some(ids)
    }

    fn note_repeats(&mut self, field: &str, texts: &[String]) {
        let mut first_index_of = HashMap::with_capacity(texts.len());
        let ids = texts.iter().map(|text| ChallengeId::parse(text));
        for (index, id) in ids.enumerate() {
            let Ok(id) = id else { continue };
            let first = *first_index_of.entry(id).or_insert(index);
            if first != index {
                let problem = format!("repeats {field}[{first}]");
                self.note(&format!("{field}[{index}]"), problem);
            }
        }
    }
}

/// Sorting tells it faster than a map, and nearly always the answer is no.
fn has_repeats(ids: &[ChallengeId]) -> bool {
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    sorted.array_windows().any(|[a, b]| a == b)
}

impl From<FieldViolations> for Vec<FieldViolation> {
    fn from(violations: FieldViolations) -> Self {
        violations.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_that_is_wrong_or_repeated_is_named_with_its_place() {
        let id = "5f0c1d4e-8a53-4f0e-9d6b-0c8f6f1a2b01".to_owned();
        let texts = [id.clone(), "x".to_owned(), id.to_uppercase()];
        let mut violations = FieldViolations::default();
        assert!(violations.ids("ids", &texts, 3).is_none());
        let places: Vec<_> = violations.0.iter().map(ToString::to_string).collect();
        assert!(places[0].starts_with("ids[1]: must be a UUID"));
        assert_eq!(places[1..], ["ids[2]: repeats ids[0]"]);
    }
}
