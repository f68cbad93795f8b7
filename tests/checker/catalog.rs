//! The catalog that the check is made on: which rows and lists there are, and what an answer shows.
use std::hash::{DefaultHasher, Hash, Hasher};

use challenges_catalog::pb::catalog::v1 as pb;

/// Names an answer's content.
pub type Digest = u64;

/// The digest of "there is no such row".
pub const ABSENT: Digest = 0;

/// Rows up to this are written and read most; a third of them of each difficulty.
pub const HOT_ROWS: u32 = 24;
/// Rows up to this are never absent: they are only replaced within one transaction.
pub const LASTING_ROWS: u32 = 12;
/// More than 1 000, so that a statement on all of them is told as one change of everything.
pub const ALL_ROWS: u32 = 1_200;

/// The lists that are read: a difficulty (0 for all) and a page size.
pub const LISTS: [(u8, i32); 16] = [
    (0, 3),
    (0, 10),
    (0, 25),
    (0, 100),
    (1, 3),
    (1, 10),
    (1, 25),
    (1, 100),
    (2, 3),
    (2, 10),
    (2, 25),
    (2, 100),
    (3, 3),
    (3, 10),
    (3, 25),
    (3, 100),
];

/// A row as SQL or an answer shows it; ordered as the service lists them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row {
    pub difficulty: u8,
    pub points: i32,
    /// `c-<number> r<revision>`.
    pub title: String,
    pub number: u32,
}

impl Row {
    pub fn digest(&self) -> Digest {
        digest(self)
    }

    pub fn of_answer(challenge: &pb::Challenge) -> Self {
        Self {
            difficulty: u8::try_from(challenge.difficulty).unwrap_or(0),
            points: challenge.points,
            title: challenge.title.clone(),
            number: number_of(&challenge.id),
        }
    }
}

/// The digest of a page: how many rows the filter matches, and the first of them.
pub fn page_digest<'a>(total: usize, rows: impl Iterator<Item = &'a Row>) -> Digest {
    digest(&(total, rows.collect::<Vec<_>>()))
}

fn digest(value: &impl Hash) -> Digest {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish().max(ABSENT + 1)
}

/// The UUID of a row.
pub fn id_of(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// The row of a UUID; 0 for one that is not ours.
pub fn number_of(id: &str) -> u32 {
    id.rsplit('-')
        .next()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

pub fn difficulty_name(difficulty: u8) -> &'static str {
    match difficulty {
        1 => "beginner",
        2 => "intermediate",
        _ => "advanced",
    }
}

pub fn difficulty_of(name: &str) -> u8 {
    match name {
        "beginner" => 1,
        "intermediate" => 2,
        _ => 3,
    }
}
