//! A challenge, its id and its difficulty.
use std::fmt;

use uuid::Uuid;

use super::{
    UnixMicros,
    words::{read_by_word, words},
};

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

words! {
    /// How much courage a challenge asks for. Ordered: beginner first.
    #[derive(PartialOrd, Ord)]
    pub enum Difficulty {
        /// A first small step.
        Beginner = "beginner",
        /// Needs some practice.
        Intermediate = "intermediate",
        /// A real stretch.
        Advanced = "advanced",
    }
}

read_by_word!(Difficulty);

impl Difficulty {
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

/// One exercise, as the catalog holds it.
///
/// Other programs write the table, so the texts and points are what they
/// wrote; only [`super::NewChallenge`] promises more.
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
    /// persona, while it is current.
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
}
