//! Edits and their history as both engines keep them.
use std::time::Duration;

use uuid::Uuid;

use super::{
    fault::Broken,
    row::{self, broken},
};
use crate::domain::{
    ChallengeId, EditRefusal, Error, IdempotencyKey, ImportTally, Imported, NewChallenge,
    PrunedStep, Revision, RevisionQuery, RowConflict, RowOutcome, UnixMicros, Version,
};

/// How long a request is known again: longer than any caller tries.
pub(super) const REQUESTS_KEPT: Duration = Duration::from_hours(24);

/// How many challenges an export reads at once: they are in memory together.
pub(super) const EXPORT_PAGE: i64 = 100;

/// The version that a commit made.
#[derive(sqlx::FromRow)]
pub(super) struct VersionRow {
    database: String,
    timeline: i64,
    seq: Option<i64>,
}

/// The version of the row; [`Error::outcome_unknown`] when the commit is not there, because another
/// server took over and lost it.
pub(super) fn version(row: Option<VersionRow>) -> Result<Version, Error> {
    let lost = || Error::outcome_unknown(Broken("the commit is not there".to_owned()));
    let row = row.ok_or_else(lost)?;
    row::version(&row.database, row.timeline, row.seq.ok_or_else(lost)?)
}

/// What came of a request that was carried out before; all `None` when it is new.
#[derive(Default, sqlx::FromRow)]
pub(super) struct RequestRow<C> {
    pub(super) payload: Option<Vec<u8>>,
    /// The commit, as the engine names it; `None` when nothing was changed.
    pub(super) commit_ref: Option<i64>,
    pub(super) challenge: Option<String>,
    pub(super) tally: Option<C>,
}

impl<C> RequestRow<C> {
    /// Whether it was carried out before.
    pub(super) fn is_repeated(&self, once: Option<&IdempotencyKey>) -> Result<bool, Error> {
        match (&self.payload, once) {
            (None, _) | (_, None) => Ok(false),
            (Some(before), Some(once)) if *before == once.payload => Ok(true),
            (Some(_), Some(_)) => Err(Error::Refused(EditRefusal::RequestIdReused)),
        }
    }

    /// The challenge that it was about.
    pub(super) fn id(&self) -> Option<ChallengeId> {
        let id = self.challenge.as_deref()?;
        Uuid::try_parse(id).ok().map(ChallengeId::from)
    }
}

/// A revision as both engines give it.
#[derive(sqlx::FromRow)]
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

/// The revision of a row.
pub(super) fn revision(row: RevisionRow) -> Result<Revision, Error> {
    let number = row.number;
    let wrong = |problem: String| broken(format!("revision {number}: {problem}"));
    Ok(Revision {
        number,
        challenge: ChallengeId::parse(&row.challenge)
            .map_err(|problem| wrong(format!("id {problem}")))?,
        operation: row.operation.parse().map_err(wrong)?,
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

/// What a step of pruning did, as both engines give it.
#[derive(sqlx::FromRow)]
pub(super) struct PrunedRow {
    pub(super) removed: i64,
    pub(super) next: Option<i64>,
}

/// The step of a row.
pub(super) fn pruned(row: &PrunedRow) -> Result<PrunedStep, Error> {
    Ok(PrunedStep {
        removed: row::unsigned(row.removed)?,
        next: row.next,
    })
}

/// The bounds of a list of revisions: before which number, and how many.
pub(super) fn bounds(query: RevisionQuery) -> (i64, i64) {
    (query.before.unwrap_or(i64::MAX), query.limit.into())
}

/// A tip as the table has it: an empty one is none.
pub(super) fn tip_of(new: &NewChallenge) -> Option<String> {
    new.tips.clone().filter(|tip| !tip.is_empty())
}

/// A row of an import that cannot be taken.
#[derive(sqlx::FromRow)]
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

/// What became of an import, of which each row has a letter.
pub(super) fn outcomes(letters: &str) -> Result<Vec<RowOutcome>, Error> {
    let outcome = |letter| match letter {
        'c' => Ok(RowOutcome::Created),
        'u' => Ok(RowOutcome::Updated),
        'n' => Ok(RowOutcome::Unchanged),
        other => Err(broken(format!("outcome {other:?}"))),
    };
    letters.chars().map(outcome).collect()
}

/// How many rows were what.
pub(super) fn tally(outcomes: &[RowOutcome]) -> ImportTally {
    let mut tally = ImportTally::default();
    for outcome in outcomes {
        match outcome {
            RowOutcome::Created => tally.created += 1,
            RowOutcome::Updated => tally.updated += 1,
            RowOutcome::Unchanged => tally.unchanged += 1,
        }
    }
    tally
}

/// A tally as columns, and back.
pub(super) fn counts(tally: ImportTally) -> [i64; 3] {
    [tally.created, tally.updated, tally.unchanged]
        .map(|count| count.try_into().unwrap_or(i64::MAX))
}

/// An import that was carried out before.
pub(super) fn imported_before(counts: &[i64], version: Version) -> Imported {
    let count = |at: usize| counts.get(at).and_then(|count| u64::try_from(*count).ok());
    Imported {
        tally: ImportTally {
            created: count(0).unwrap_or(0),
            updated: count(1).unwrap_or(0),
            unchanged: count(2).unwrap_or(0),
        },
        outcomes: Vec::new(),
        version: Some(version),
    }
}
