//! Converts columns and rows of the change log and the replica registry. Ids are text and times are
//! microseconds, so that one struct fits both engines.
use std::time::Duration;

use sqlx::FromRow;
use uuid::Uuid;

use super::sql_error::{DataError, data_error};
use crate::domain::{
    Change, Changes, DatabaseId, Error, FeedPage, FleetPlace, KnownReplica, ReplicaId,
    ReplicaReport, Stamp, Tag, Version,
};

/// The most commits, and the most changes in them, that one poll returns one by one.
pub(super) const MAX_COMMITS: usize = 1_000;
const MAX_CHANGES: usize = 1_000;

/// How long changes are kept; a replica that was away for longer drops everything it has cached.
pub(super) const CHANGES_KEPT: Duration = Duration::from_hours(24);

/// The most rows of a table that one round of pruning removes. Every replica prunes about six times in an
/// hour, so a table grows without end above sixteen new rows a second.
pub(super) const MAX_PRUNED: i64 = 10_000;

/// The largest cache status that a replica reports, in bytes.
const MAX_STATUS_BYTES: usize = 64 * 1024;

/// A row of a poll: one commit, with the state of the whole log; no commit where nothing happened.
/// `T` is the type of the engine's `tags` column.
#[derive(FromRow)]
pub(super) struct FeedRow<T> {
    database: String,
    timeline: i64,
    head: i64,
    floor: i64,
    registered: bool,
    is_whole: bool,
    others_write: bool,
    replicas_before: Option<i64>,
    other_replicas: Option<i64>,
    seq: Option<i64>,
    tags: Option<T>,
    hard: Option<bool>,
    is_awaited: Option<bool>,
}

/// The result of a poll for commits after `after_seq`, which reads one commit more than [`MAX_COMMITS`].
/// `tags` makes a list of the engine's `tags` column.
pub(super) fn feed_page<T>(
    rows: Vec<FeedRow<T>>,
    after_seq: u64,
    tags: fn(T) -> Vec<String>,
) -> Result<FeedPage, Error> {
    let no_state = || data_error("the change log has no state");
    let first = rows.first().ok_or_else(no_state)?;
    let head = version(&first.database, first.timeline, first.head)?;
    // A head behind the reader is another past: the database was restored, or a standby lags.
    let is_lost = after_seq < unsigned(first.floor)? || after_seq > head.stamp.seq;
    let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    let place = first.replicas_before.zip(first.other_replicas);
    let mut page = FeedPage {
        database: head.database,
        head: head.stamp,
        changes: Changes::Lost,
        is_whole: first.is_whole,
        registered: first.registered,
        is_awaited: rows.iter().any(|row| row.is_awaited == Some(true)),
        others_write: first.others_write,
        place: place.map(|(before, others)| FleetPlace {
            before: count(before),
            others: count(others),
        }),
    };
    let (mut commits, mut changes) = (0, Vec::new());
    for row in rows {
        let Some((seq, list)) = row.seq.zip(row.tags) else {
            continue;
        };
        commits += 1;
        let (seq, hard) = (unsigned(seq)?, row.hard.unwrap_or(false));
        changes.extend(tags(list).iter().map(|tag| Change {
            seq,
            // A tag of a later release, or of an unknown difficulty.
            tag: tag.parse().unwrap_or(Tag::Everything),
            hard,
        }));
    }
    if !is_lost && commits <= MAX_COMMITS && changes.len() <= MAX_CHANGES {
        page.changes = Changes::All(changes);
    }
    Ok(page)
}

/// A row of the replica registry.
#[derive(FromRow)]
pub(super) struct ReplicaRow {
    id: String,
    name: String,
    database: String,
    timeline: i64,
    seq: i64,
    status: Vec<u8>,
    heard_ago_us: i64,
}

pub(super) fn replica(row: ReplicaRow) -> Result<KnownReplica, Error> {
    let id = Uuid::try_parse(&row.id);
    Ok(KnownReplica {
        report: ReplicaReport {
            id: ReplicaId(id.map_err(|_| data_error(format!("replica {:?}", row.id)))?),
            name: row.name,
            applied: Version {
                // Empty where an earlier release reported.
                database: database(&row.database).unwrap_or_default(),
                stamp: stamp(row.timeline, row.seq)?,
            },
            status: row.status.into(),
        },
        // A clock that was set back must not give a negative age.
        heard_ago: Duration::from_micros(u64::try_from(row.heard_ago_us).unwrap_or(0)),
    })
}

/// Refuses a report that no registry accepts.
pub(super) fn check_report(report: &ReplicaReport) -> Result<(), Error> {
    let refuse = |what: &str, bytes: usize| {
        let problem = DataError(format!("a {what} of {bytes} bytes"));
        Err(Error::internal("reporting", problem))
    };
    match (report.name.len(), report.status.len()) {
        (name @ (0 | 201..), _) => refuse("name", name),
        (_, status) if status > MAX_STATUS_BYTES => refuse("status", status),
        _ => Ok(()),
    }
}

/// The tags of a commit as text. A commit has at least one tag.
pub(super) fn tag_texts(tags: &[Tag]) -> Result<Vec<String>, Error> {
    if tags.is_empty() {
        let problem = DataError("no tags".into());
        return Err(Error::internal("invalidating", problem));
    }
    Ok(tags.iter().map(ToString::to_string).collect())
}

/// The version in the columns of a row.
pub(super) fn version(database_id: &str, timeline: i64, seq: i64) -> Result<Version, Error> {
    let unknown = || data_error(format!("database id {database_id:?}"));
    Ok(Version {
        database: database(database_id).ok_or_else(unknown)?,
        stamp: stamp(timeline, seq)?,
    })
}

fn database(id: &str) -> Option<DatabaseId> {
    u64::from_str_radix(id, 16).ok().map(DatabaseId)
}

/// A database id as a column value; empty for the default id, which means none.
pub(super) fn database_column(id: DatabaseId) -> String {
    if id == DatabaseId::default() {
        String::new()
    } else {
        id.to_string()
    }
}

pub(super) fn stamp(timeline: i64, seq: i64) -> Result<Stamp, Error> {
    let timeline = u32::try_from(timeline).map_err(|_| data_error(format!("timeline {timeline}")));
    Ok(Stamp {
        timeline: timeline?,
        seq: unsigned(seq)?,
    })
}

/// The key of page tokens, from the one row that has it.
pub(super) fn page_token_key(rows: Vec<(Vec<u8>,)>) -> Result<[u8; 32], Error> {
    let key = rows.into_iter().next().map(|(key,)| key.try_into());
    let invalid = || data_error("the key of page tokens is not 32 bytes");
    key.and_then(Result::ok).ok_or_else(invalid)
}

/// A count as a column value; beyond the range of the column, the largest value there is.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> Result<u64, Error> {
    u64::try_from(number).map_err(|_| data_error(format!("number {number} is negative")))
}

/// A duration as a column value.
pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
