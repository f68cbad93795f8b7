use std::collections::HashMap;

use crate::domain::{ChallengeId, Error, FieldViolation, Version};

/// Gathers what is wrong with a request, so that the caller hears all of it at once.
#[derive(Default)]
pub(super) struct Wrong(Vec<FieldViolation>);

impl Wrong {
    /// The value, or nothing and a note.
    pub(super) fn field<T>(&mut self, field: &str, parsed: Result<T, String>) -> Option<T> {
        parsed.map_err(|problem| self.note(field, problem)).ok()
    }

    /// Notes that `field` is wrong.
    pub(super) fn note(&mut self, field: &str, problem: impl Into<String>) {
        self.0.push(FieldViolation::new(field, problem));
    }

    /// Whether nothing is wrong so far.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The field `min_version`.
    #[expect(
        clippy::option_option,
        reason = "outer: could it be read; inner: was it given"
    )]
    pub(super) fn version(&mut self, text: &str) -> Option<Option<Version>> {
        if text.is_empty() {
            return Some(None);
        }
        self.field("min_version", text.parse()).map(Some)
    }

    /// A list of 1 to `max` different ids.
    pub(super) fn ids(
        &mut self,
        field: &str,
        texts: &[String],
        max: usize,
    ) -> Option<Vec<ChallengeId>> {
        if texts.is_empty() || texts.len() > max {
            let problem = format!("must be 1 to {max} ids, not {}", texts.len());
            return self.field(field, Err(problem));
        }
        let mut ids = Vec::with_capacity(texts.len());
        let mut first_index_of = HashMap::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            let place = || format!("{field}[{index}]");
            match ChallengeId::parse(text) {
                Ok(id) => {
                    let first = *first_index_of.entry(id).or_insert(index);
                    if first != index {
                        self.note(&place(), format!("repeats {field}[{first}]"));
                    }
                    ids.push(id);
                }
                Err(problem) => self.note(&place(), problem),
            }
        }
        self.is_empty().then_some(ids)
    }
}

impl From<Wrong> for Error {
    fn from(wrong: Wrong) -> Self {
        Self::Invalid(wrong.0)
    }
}
