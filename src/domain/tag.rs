//! Tags: what a commit can touch and an answer can depend on.
use std::{fmt, str::FromStr};

use super::{ChallengeId, Difficulty, shown::quoted};

/// What a change touched, and what a cached answer depends on.
///
/// An answer is out of date when one of its tags, or [`Tag::Everything`], was
/// changed by a commit that the answer did not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tag {
    /// The whole catalog; every answer depends on it.
    Everything,
    /// The set of challenges of one difficulty.
    Difficulty(Difficulty),
    /// One challenge: its content, or that there is none.
    Challenge(ChallengeId),
    /// What operators decide; no answer depends on it.
    Flags,
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("challenges"),
            Self::Difficulty(difficulty) => write!(f, "difficulty:{difficulty}"),
            Self::Challenge(id) => write!(f, "challenge:{id}"),
            Self::Flags => f.write_str("flags"),
        }
    }
}

impl FromStr for Tag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "challenges" => Ok(Self::Everything),
            None if text == "flags" => Ok(Self::Flags),
            Some(("difficulty", name)) => name.parse().map(Self::Difficulty),
            Some(("challenge", id)) => ChallengeId::parse(id).map(Self::Challenge),
            None | Some(_) => Err(format!(
                "must be challenges, difficulty:<difficulty> or challenge:<id>, not {}",
                quoted(text)
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_reads_back_as_it_is_shown() {
        let id = ChallengeId::parse("5f0c1d4e-8a53-4f0e-9d6b-0c8f6f1a2b01").unwrap();
        for tag in [
            Tag::Everything,
            Tag::Difficulty(Difficulty::Advanced),
            Tag::Challenge(id),
            Tag::Flags,
        ] {
            assert_eq!(tag.to_string().parse(), Ok(tag));
        }
    }
}
