//! The rows of edits, imports and the history, as both engines return them.
use std::time::Duration;

use sqlx::FromRow;
use uuid::Uuid;

use super::{
    row::{self, signed},
    sql_error::{DataError, data_error},
};
use crate::domain::{
    ChallengeId, EditRefusal, Error, IdempotencyKey, ImportTally, Imported, Revision,
    RevisionQuery, RowConflict, RowOutcome, UnixMicros, Version,
};

/// How long a request id is remembered: longer than any caller retries.
pub(super) const REQUESTS_KEPT: Duration = Duration::from_hours(24);

/// How many challenges an export reads at once, and holds in memory.
pub(super) const EXPORT_PAGE: i64 = 100;

/// The version of a commit.
#[derive(FromRow)]
pub(super) struct VersionRow {
    database: String,
    timeline: i64,
    seq: Option<i64>,
}

/// The version of a commit of ours; [`Error::outcome_unknown`] when the commit is missing, because another
/// server took over and lost it.
pub(super) fn version(row: Option<VersionRow>) -> Result<Version, Error> {
    let lost = || Error::outcome_unknown(DataError("the commit is not there".to_owned()));
    let row = row.ok_or_else(lost)?;
    row::version(&row.database, row.timeline, row.seq.ok_or_else(lost)?)
}

/// The outcome of an earlier request with the same id; all `None` when the id is new.
#[derive(Default, FromRow)]
pub(super) struct RequestRow<C> {
    pub(super) payload: Option<Vec<u8>>,
    /// The commit, as the engine identifies it; `None` when the request changed nothing.
    pub(super) commit_ref: Option<i64>,
    pub(super) challenge: Option<String>,
    pub(super) tally: Option<C>,
}

impl<C> RequestRow<C> {
    /// Whether the same request was carried out before.
    pub(super) fn is_repeated(&self, key: Option<&IdempotencyKey>) -> Result<bool, Error> {
        match (&self.payload, key) {
            (None, _) | (_, None) => Ok(false),
            (Some(before), Some(key)) if *before == key.payload => Ok(true),
            (Some(_), Some(_)) => Err(Error::Refused(EditRefusal::RequestIdReused)),
        }
    }

    /// The challenge that the request edited.
    pub(super) fn id(&self) -> Option<ChallengeId> {
        let id = self.challenge.as_deref()?;
        Uuid::try_parse(id).ok().map(ChallengeId::from)
    }
}

/// A row of the history.
#[derive(FromRow)]
pub(super) struct RevisionRow {
    number: i64,
    challenge: String,
    operation: String,
    editor: Option<String>,
    role: String,
    at: i64,
    database: String,
    timeline: i64,
    seq: i64,
    difficulty: Option<String>,
    title: Option<String>,
    description: Option<String>,
    points: Option<i64>,
    tips: Option<String>,
    created_at: Option<i64>,
}

pub(super) fn revision(row: RevisionRow) -> Result<Revision, Error> {
    let number = row.number;
    let invalid = |problem: String| data_error(format!("revision {number}: {problem}"));
    let challenge = ChallengeId::parse(&row.challenge);
    Ok(Revision {
        number,
        challenge: challenge.map_err(|problem| invalid(format!("id {problem}")))?,
        operation: row.operation.parse().map_err(invalid)?,
        editor: row.editor,
        role: row.role,
        at: UnixMicros(row.at),
        version: row::version(&row.database, row.timeline, row.seq)?,
        difficulty: row.difficulty.unwrap_or_default(),
        title: row.title.unwrap_or_default(),
        description: row.description.unwrap_or_default(),
        points: row.points.unwrap_or(10),
        tips: row.tips,
        created_at: row.created_at.map(UnixMicros),
    })
}

/// The bounds of a list of revisions: the number that they are below, and how many.
pub(super) fn bounds(query: RevisionQuery) -> (i64, i64) {
    (query.before.unwrap_or(i64::MAX), query.limit.into())
}

/// A text as its column has it: an empty one is NULL.
pub(super) fn not_empty(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A row of an import that conflicts with the catalog or with another row of the import.
#[derive(FromRow)]
pub(super) struct ConflictRow {
    line: i64,
    first_line: Option<i64>,
}

impl From<ConflictRow> for RowConflict {
    fn from(row: ConflictRow) -> Self {
        let line = row.line;
        match row.first_line {
            Some(first) => Self::Repeats { line, first },
            None => Self::Exists { line },
        }
    }
}

/// The result of an import before its commit, from one letter for each row.
pub(super) fn imported(letters: &str) -> Result<Imported, Error> {
    let mut tally = ImportTally::default();
    let outcomes = letters.chars().map(|letter| {
        let (outcome, count) = match letter {
            'c' => (RowOutcome::Created, &mut tally.created),
            'u' => (RowOutcome::Updated, &mut tally.updated),
            'n' => (RowOutcome::Unchanged, &mut tally.unchanged),
            other => return Err(data_error(format!("outcome {other:?}"))),
        };
        *count += 1;
        Ok(outcome)
    });
    let outcomes = outcomes.collect::<Result<_, _>>()?;
    Ok(Imported {
        tally,
        outcomes,
        version: None,
    })
}

/// The counts of a tally as column values, in the order that [`imported_before`] reads.
pub(super) fn counts(tally: ImportTally) -> [i64; 3] {
    [tally.created, tally.updated, tally.unchanged].map(signed)
}

/// The result of an import that was carried out before.
pub(super) fn imported_before(counts: &[i64], version: Version) -> Imported {
    let count = |at: usize| counts.get(at).map_or(0, |count| count.unsigned_abs());
    Imported {
        tally: ImportTally {
            created: count(0),
            updated: count(1),
            unchanged: count(2),
        },
        outcomes: Vec::new(),
        version: Some(version),
    }
}
