//! Edits of the catalog: what is asked, what came of it, and the history.
use std::{str::FromStr, time::Duration};

use super::{
    Challenge, ChallengeChange, ChallengeId, Etag, NewChallenge, UnixMicros, Version,
    words::{read_by_word, words},
};

/// A caller's own name for one call, so that it can be made again without changing anything twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// How many bytes it may have.
    const MAX_BYTES: usize = 128;

    /// The name itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RequestId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_ordinary = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte);
        let fits = (1..=Self::MAX_BYTES).contains(&text.len()) && text.bytes().all(is_ordinary);
        fits.then(|| Self(text.to_owned())).ok_or_else(|| {
            let most = Self::MAX_BYTES;
            format!("must be 1 to {most} letters, digits and -_.:/+=, such as a UUID, or left out")
        })
    }
}

/// A call that is to be carried out once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The caller's name for it.
    pub id: RequestId,
    /// SHA-256 of all that it asks for: the same name with another one is a mistake.
    pub payload: [u8; 32],
}

/// The terms of an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditTerms {
    /// Who edits, such as `name ann@example.org`: for the history.
    pub editor: String,
    /// Set when the caller named the call.
    pub idempotency_key: Option<IdempotencyKey>,
    /// True: everything is tried, and nothing is kept.
    pub validate_only: bool,
    /// How long the edit may hold what it locks.
    pub patience: Duration,
}

/// What to do with one challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EditStep {
    /// Adds it; `created_at` is when it was first added, where it was there before.
    Insert {
        /// What to add.
        new: NewChallenge,
        /// `None` for now.
        created_at: Option<UnixMicros>,
    },
    /// Changes some of its fields.
    Update(ChallengeChange),
    /// Takes it out.
    Delete,
    /// It is as it should be.
    Keep,
}

/// What became of an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The challenge after the edit; `None` where it was deleted.
    pub challenge: Option<Challenge>,
    /// A version of the catalog that has the edit; `None` when nothing was kept.
    pub version: Option<Version>,
}

words! {
    /// What was done to a challenge.
    pub enum Operation {
        /// Nothing: it was so when its first change was noticed.
        Found = "found",
        /// It was added.
        Created = "created",
        /// It was changed.
        Updated = "updated",
        /// It was taken out; the revision shows it as it was before.
        Deleted = "deleted",
    }
}

read_by_word!(Operation);

/// One state that a challenge was in. Other programs write the table, so the fields are what they
/// wrote; the difficulty is a word for that reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Rises from change to change of one challenge.
    pub number: i64,
    /// Whose state it is.
    pub challenge: ChallengeId,
    /// What was done.
    pub operation: Operation,
    /// Who did it, by the program's word; `None` where it named nobody.
    pub editor: Option<String>,
    /// The database's role that did it; empty where there are none.
    pub role: String,
    /// When it was committed.
    pub at: UnixMicros,
    /// A version of the catalog that has the change.
    pub version: Version,
    /// How hard it was.
    pub difficulty: String,
    /// Its title.
    pub title: String,
    /// Its description; empty when it had none.
    pub description: String,
    /// Its points; 10 when it had none.
    pub points: i64,
    /// Its static tip.
    pub tips: Option<String>,
    /// When it was first added, where known.
    pub created_at: Option<UnixMicros>,
}

/// Which revisions to list: the newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevisionQuery {
    /// Those of one challenge, or all.
    pub challenge: Option<ChallengeId>,
    /// Only those before this number.
    pub before: Option<i64>,
    /// How many at most.
    pub limit: u8,
}

/// Which rows an import takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportMode {
    /// Only challenges that the catalog lacks; any other is a mistake.
    Create,
    /// Adds what is missing, and makes what is there as the row says.
    Upsert,
}

/// A row of an import that may be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportRow {
    /// Its number for people, such as the line of a file.
    pub line: i64,
    /// What it says.
    pub challenge: NewChallenge,
}

/// What became of one row of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOutcome {
    /// The catalog lacked it.
    Created,
    /// It was changed.
    Updated,
    /// It was as the row says.
    Unchanged,
}

/// How many rows of an import were what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportTally {
    /// Added.
    pub created: u64,
    /// Changed.
    pub updated: u64,
    /// Already as they should be.
    pub unchanged: u64,
}

/// What an import did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// How many rows were what.
    pub tally: ImportTally,
    /// What became of each row, in order; empty when the same call had been carried out before.
    pub outcomes: Vec<RowOutcome>,
    /// A version of the catalog that has the import; `None` when nothing was kept.
    pub version: Option<Version>,
}

/// A row of an import that the catalog cannot take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowConflict {
    /// The id stands in an earlier line of the import.
    Repeats {
        /// The row.
        line: i64,
        /// The earlier one.
        first: i64,
    },
    /// The catalog has the id, and every row was to be new.
    Exists {
        /// The row.
        line: i64,
    },
}

/// How an import ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportEnd {
    /// All of it was done.
    Done(Imported),
    /// None of it, because of these rows, in order; there may be more.
    Conflicts(Vec<RowConflict>),
}

/// How an edit ended that changed nothing, beside what any call can meet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditRefusal {
    /// There is a challenge of that id.
    #[error("challenge {0} exists already")]
    Exists(ChallengeId),
    /// Rows of another table refer to it.
    #[error("challenge {id} cannot be deleted: rows of the table {table} refer to it")]
    InUse {
        /// The challenge.
        id: ChallengeId,
        /// The table, with its schema where there are any.
        table: String,
    },
    /// It is not what the caller saw; the etag names what it is, where it is there at all.
    #[error("the challenge was changed since it was read: read it again, and decide anew")]
    Changed(Option<Etag>),
    /// The same name came with something else before.
    #[error("request_id was used for another call before: give each call one of its own")]
    RequestIdReused,
    /// The challenge has no such revision.
    #[error(
        "the challenge has no revision {number}{}",
        if *.may_be_pruned { ", or no longer: none that old is kept" } else { "" }
    )]
    NoSuchRevision {
        /// The number.
        number: i64,
        /// Whether it may have had it: no older one is kept.
        may_be_pruned: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_short_and_plain() {
        for good in [
            "x",
            "5f0c1d4e-8a53-4f0e-9d6b-0c8f6f1a2b01",
            &"x".repeat(128),
        ] {
            assert_eq!(good.parse::<RequestId>().unwrap().as_str(), good);
        }
        for bad in ["", "two words", "ä", "a\n", &"x".repeat(129)] {
            assert!(bad.parse::<RequestId>().is_err(), "{bad:?}");
        }
    }
}
