//! Rows of the service's own tables as both engines give them, and what they mean. Ids come as text,
//! times as microseconds, so that one struct fits both. Challenges are in `challenge_row`.
use std::time::Duration;

use uuid::Uuid;

use crate::domain::{
    Change, Changes, DatabaseId, Error, FeedPage, KnownReplica, Place, ReplicaId, ReplicaReport,
    Stamp, Tag, Version,
};

use super::fault::Broken;

/// The most commits, and the most changes in them, that one poll tells one by one.
pub(super) const MOST_COMMITS: usize = 1_000;
const MOST_CHANGES: usize = 1_000;

/// For how long changes are kept; a replica that was away for longer starts over.
pub(super) const KEPT: Duration = Duration::from_hours(24);

/// The most that a replica tells of its caches, in bytes.
const MOST_STATUS: usize = 64 * 1024;

/// What a poll is told of the whole log, beside the commits.
#[derive(Clone, sqlx::FromRow)]
pub(super) struct FeedHead {
    database: String,
    timeline: i64,
    head: i64,
    floor: i64,
    registered: bool,
    is_whole: bool,
    others_write: bool,
    replicas_before: Option<i64>,
    other_replicas: Option<i64>,
}

impl FeedHead {
    fn place(&self) -> Option<Place> {
        let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
        Some(Place {
            before: count(self.replicas_before?),
            others: count(self.other_replicas?),
        })
    }
}

/// A commit as both engines give it.
pub(super) struct FeedCommit {
    pub(super) seq: i64,
    pub(super) tags: Vec<String>,
    pub(super) hard: bool,
    pub(super) is_awaited: bool,
}

/// A replica as both engines give it.
#[derive(sqlx::FromRow)]
pub(super) struct ReplicaRow {
    id: String,
    name: String,
    database: String,
    timeline: i64,
    seq: i64,
    status: Vec<u8>,
    heard_ago_us: i64,
}

/// The replica of a row.
pub(super) fn replica(row: ReplicaRow) -> Result<KnownReplica, Error> {
    let id = Uuid::try_parse(&row.id).map_err(|_| broken(format!("replica {:?}", row.id)))?;
    Ok(KnownReplica {
        report: ReplicaReport {
            id: ReplicaId(id),
            name: row.name,
            applied: Version {
                // None where a release before this one reported.
                database: database(&row.database).unwrap_or_default(),
                stamp: stamp(row.timeline, row.seq)?,
            },
            status: row.status.into(),
        },
        // A clock that was set back makes nobody younger than now.
        heard_ago: Duration::from_micros(u64::try_from(row.heard_ago_us).unwrap_or(0)),
    })
}

/// Refuses what no registry takes.
pub(super) fn check_report(report: &ReplicaReport) -> Result<(), Error> {
    let wrong = |what: &str, bytes: usize| {
        Err(Error::internal(
            "reporting",
            Broken(format!("a {what} of {bytes} bytes")),
        ))
    };
    match (report.name.len(), report.status.len()) {
        (name @ (0 | 201..), _) => wrong("name", name),
        (_, status) if status > MOST_STATUS => wrong("status", status),
        _ => Ok(()),
    }
}

/// Tags as the log has them; there is no commit of none.
pub(super) fn texts(tags: &[Tag]) -> Result<Vec<String>, Error> {
    if tags.is_empty() {
        return Err(Error::internal("invalidating", Broken("no tags".into())));
    }
    Ok(tags.iter().map(ToString::to_string).collect())
}

/// What a poll found after commit `after_seq`: at most one commit more than [`MOST_COMMITS`].
pub(super) fn feed_page(
    head: &FeedHead,
    commits: Vec<FeedCommit>,
    after_seq: u64,
) -> Result<FeedPage, Error> {
    let version = version(&head.database, head.timeline, head.head)?;
    let is_awaited = commits.iter().any(|commit| commit.is_awaited);
    // A head behind the reader is another past: restored in place, or a standby that lags.
    let is_lost = after_seq < unsigned(head.floor)? || after_seq > version.stamp.seq;
    let count: usize = commits.iter().map(|commit| commit.tags.len()).sum();
    let changes = if is_lost || commits.len() > MOST_COMMITS || count > MOST_CHANGES {
        Changes::Lost
    } else {
        Changes::All(changes(commits)?)
    };
    Ok(FeedPage {
        database: version.database,
        head: version.stamp,
        changes,
        is_whole: head.is_whole,
        registered: head.registered,
        is_awaited,
        others_write: head.others_write,
        place: head.place(),
    })
}

fn changes(commits: Vec<FeedCommit>) -> Result<Vec<Change>, Error> {
    let mut changes = Vec::new();
    for commit in commits {
        let seq = unsigned(commit.seq)?;
        changes.extend(commit.tags.iter().map(|tag| Change {
            seq,
            // A tag of a later release, or of a difficulty that nobody knows.
            tag: tag.parse().unwrap_or(Tag::Everything),
            hard: commit.hard,
        }));
    }
    Ok(changes)
}

/// The version of columns.
pub(super) fn version(database_id: &str, timeline: i64, seq: i64) -> Result<Version, Error> {
    Ok(Version {
        database: database(database_id)
            .ok_or_else(|| broken(format!("database id {database_id:?}")))?,
        stamp: stamp(timeline, seq)?,
    })
}

fn database(id: &str) -> Option<DatabaseId> {
    u64::from_str_radix(id, 16).ok().map(DatabaseId)
}

/// A database as a column has it; empty for the one that stands for none.
pub(super) fn database_column(id: DatabaseId) -> String {
    if id == DatabaseId::default() {
        String::new()
    } else {
        id.to_string()
    }
}

pub(super) fn stamp(timeline: i64, seq: i64) -> Result<Stamp, Error> {
    Ok(Stamp {
        timeline: u32::try_from(timeline).map_err(|_| broken(format!("timeline {timeline}")))?,
        seq: unsigned(seq)?,
    })
}

/// A number as a column has it.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> Result<u64, Error> {
    u64::try_from(number).map_err(|_| broken(format!("number {number} is negative")))
}

pub(super) fn broken(problem: String) -> Error {
    Error::internal("reading a row", Broken(problem))
}
