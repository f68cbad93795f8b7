//! What is wrong with a request: all of it at once, within bounds.
use std::fmt;

use crate::domain::FieldViolations;

/// As many problems as are noted of one request; a hostile one has as many as it has bytes.
const NOTED_MAX: usize = 100;
/// As much of a name as is told, in bytes.
const NAME_MAX: usize = 100;

/// Why a request is no message of its method.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// The body is not JSON; what is wrong with it, and where.
    Malformed(String),
    /// Fields are wrong or unknown; each is named.
    Fields(FieldViolations),
}

/// Notes problems, of which the first ones are kept.
#[derive(Debug, Default)]
pub(super) struct RequestProblems {
    violations: FieldViolations,
    noted: usize,
}

impl RequestProblems {
    /// Notes that a field is wrong.
    pub(super) fn note(&mut self, field: impl fmt::Display, problem: impl Into<String>) {
        self.noted = self.noted.saturating_add(1);
        if self.noted <= NOTED_MAX {
            self.violations.note(&short(field.to_string()), problem);
        }
    }

    /// All is well, or why not.
    pub(super) fn end(self) -> Result<(), Unreadable> {
        if self.violations.is_empty() {
            Ok(())
        } else {
            Err(Unreadable::Fields(self.violations))
        }
    }
}

fn short(name: String) -> String {
    if name.len() <= NAME_MAX {
        return name;
    }
    let cut = name.floor_char_boundary(NAME_MAX);
    format!("{}…", name.get(..cut).unwrap_or_default())
}
