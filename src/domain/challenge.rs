use std::{fmt, str::FromStr};

use uuid::Uuid;

use super::{FieldViolation, UnixMicros};

/// Names a challenge: the UUID of its row. Shown in lower case with hyphens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChallengeId(Uuid);

impl ChallengeId {
    /// Reads a UUID of 32 hexadecimal digits in either case, with hyphens or without.
    ///
    /// # Errors
    ///
    /// A sentence that says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let plain = matches!(text.len(), 32 | 36);
        match Uuid::try_parse(text) {
            Ok(uuid) if plain => Ok(Self(uuid)),
            Ok(_) | Err(_) => {
                Err("must be a UUID, such as 5f0c1d4e-8a53-4f0e-9d6b-0c8f6f1a2b01".to_owned())
            }
        }
    }

    /// The bare UUID, for adapters to bind.
    #[must_use]
    pub fn uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for ChallengeId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for ChallengeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

/// How much courage a challenge asks for. Ordered: beginner first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Difficulty {
    /// A first small step.
    Beginner,
    /// Needs some practice.
    Intermediate,
    /// A real stretch.
    Advanced,
}

impl Difficulty {
    /// Every difficulty, in order.
    pub const ALL: [Self; 3] = [Self::Beginner, Self::Intermediate, Self::Advanced];

    /// The word that the table and the command line use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Beginner => "beginner",
            Self::Intermediate => "intermediate",
            Self::Advanced => "advanced",
        }
    }

    /// The place in the order of a list, 1 to 3; statements sort by the same numbers.
    #[must_use]
    pub const fn rank(self) -> i32 {
        match self {
            Self::Beginner => 1,
            Self::Intermediate => 2,
            Self::Advanced => 3,
        }
    }
}

impl fmt::Display for Difficulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Difficulty {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|difficulty| difficulty.as_str() == text)
            .ok_or_else(|| format!("must be beginner, intermediate or advanced, not {text:?}"))
    }
}

/// One exercise, as the catalog holds it.
///
/// Other programs write the table, so the texts and points are what they
/// wrote; only [`NewChallenge`] promises more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Names it.
    pub id: ChallengeId,
    /// How hard it is.
    pub difficulty: Difficulty,
    /// One line.
    pub title: String,
    /// What to do; empty when the table has none.
    pub description: String,
    /// What it earns; 10 when the table does not say.
    pub points: i32,
    /// A short coaching tip that a person wrote.
    pub tips: Option<String>,
    /// The newest tip that a provider wrote for these very texts, in the default language and
    /// voice, while it is current.
    pub written_tip: Option<String>,
    /// When the row was added, where known.
    pub created_at: Option<UnixMicros>,
    /// When the row was last changed, where known.
    pub updated_at: Option<UnixMicros>,
}

impl Challenge {
    /// The tip that the catalog shows: the one that was written for it, else the static one.
    #[must_use]
    pub fn shown_tip(&self) -> Option<&str> {
        self.written_tip.as_deref().or(self.tips.as_deref())
    }
}

/// A challenge as somebody proposes it: nothing is checked yet.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChallengeDraft {
    /// A UUID.
    pub id: String,
    /// beginner, intermediate or advanced.
    pub difficulty: String,
    /// 1 to 200 characters, no control characters.
    pub title: String,
    /// Any text; line breaks and tabs are the only control characters.
    #[serde(default)]
    pub description: String,
    /// 0 to 1 000.
    pub points: i64,
    /// As `description`.
    #[serde(default)]
    pub tips: Option<String>,
}

/// A challenge that may be written: every field was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewChallenge {
    /// Names it.
    pub id: ChallengeId,
    /// How hard it is.
    pub difficulty: Difficulty,
    /// 1 to 200 characters.
    pub title: String,
    /// What to do; may be empty.
    pub description: String,
    /// 0 to 1 000.
    pub points: i32,
    /// A short coaching tip.
    pub tips: Option<String>,
}

impl ChallengeDraft {
    /// The longest title, in characters: the column's width.
    pub const TITLE_MAX_CHARS: usize = 200;
    /// The most points.
    pub const POINTS_MAX: i64 = 1_000;

    /// Checks every field; text is kept as given.
    ///
    /// # Errors
    ///
    /// Every field that is wrong, at once.
    pub fn check(self) -> Result<NewChallenge, Vec<FieldViolation>> {
        let mut wrong = Vec::new();
        let mut note = |field: &str, problem: Option<String>| {
            wrong.extend(problem.map(|problem| FieldViolation::new(field, problem)));
        };
        let id = ChallengeId::parse(&self.id)
            .map_err(|problem| note("id", Some(problem)))
            .ok();
        let difficulty = self
            .difficulty
            .parse()
            .map_err(|problem| note("difficulty", Some(problem)))
            .ok();
        note("title", title_problem(&self.title));
        note("description", text_problem(&self.description));
        note("tips", self.tips.as_deref().and_then(text_problem));
        let points = i32::try_from(self.points)
            .ok()
            .filter(|_| (0..=Self::POINTS_MAX).contains(&self.points));
        if points.is_none() {
            note(
                "points",
                Some(format!(
                    "must be 0 to {}, not {}",
                    Self::POINTS_MAX,
                    self.points
                )),
            );
        }
        match (id, difficulty, points) {
            (Some(id), Some(difficulty), Some(points)) if wrong.is_empty() => Ok(NewChallenge {
                id,
                difficulty,
                title: self.title,
                description: self.description,
                points,
                tips: self.tips,
            }),
            _ => Err(wrong),
        }
    }
}

fn title_problem(title: &str) -> Option<String> {
    let chars = title.chars().count();
    if !(1..=ChallengeDraft::TITLE_MAX_CHARS).contains(&chars) {
        return Some(format!(
            "must be 1 to {} characters, not {chars}",
            ChallengeDraft::TITLE_MAX_CHARS
        ));
    }
    title
        .chars()
        .any(char::is_control)
        .then(|| "must not have control characters".to_owned())
}

fn text_problem(text: &str) -> Option<String> {
    let bad = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    text.chars()
        .any(bad)
        .then(|| "must not have control characters but line breaks and tabs".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_in_any_case_and_shown_in_one() {
        let id = ChallengeId::parse("5F0C1D4E8A534F0E9D6B0C8F6F1A2B01").unwrap();
        assert_eq!(id.to_string(), "5f0c1d4e-8a53-4f0e-9d6b-0c8f6f1a2b01");
    }

    #[test]
    fn text_that_is_no_uuid_is_refused() {
        for text in ["", "beg-001", "{5f0c1d4e-8a53-4f0e-9d6b-0c8f6f1a2b01}"] {
            assert!(ChallengeId::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_draft_names_all_its_bad_fields_at_once() {
        let draft = ChallengeDraft {
            id: "beg-001".to_owned(),
            difficulty: "easy".to_owned(),
            title: "x".repeat(201),
            description: "bell \u{7}".to_owned(),
            points: -1,
            tips: Some("\0".to_owned()),
        };
        let wrong: Vec<_> = draft
            .check()
            .unwrap_err()
            .into_iter()
            .map(|w| w.field)
            .collect();
        assert_eq!(
            wrong,
            ["id", "difficulty", "title", "description", "tips", "points"]
        );
    }
}
