//! The replicas of one database, and invalidations that all of them see.
use std::{fmt, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use uuid::Uuid;

use super::{Error, Tag, Version};

/// Names one run of one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReplicaId(pub Uuid);

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

/// What a replica reports about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaReport {
    /// Names it.
    pub id: ReplicaId,
    /// For people: host, process id and the first digits of the id; 1 to 200 bytes.
    pub name: String,
    /// The newest commit that it applied; of database 0 before its first poll.
    pub applied: Version,
    /// How its caches do, opaque here; at most 64 KiB.
    pub status: Bytes,
}

/// A replica as the database knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownReplica {
    /// What it last told.
    pub report: ReplicaReport,
    /// How long ago that was, by the database's clock.
    pub heard_ago: Duration,
}

/// The replicas of the fleet, kept in the database.
///
/// A replica registers, by [`super::Tell::Status`], before it may call any answer fresh, and
/// every poll tells it whether it still is; so an invalidation that waits for all that
/// are registered has waited for all that matter. One that has told nothing for a minute is forgotten.
#[async_trait]
pub trait ReplicaRegistry: Send + Sync {
    /// Forgets a replica that is leaving.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer.
    async fn leave(&self, replica: ReplicaId) -> Result<(), Error>;

    /// All that are registered.
    ///
    /// # Errors
    ///
    /// As [`Self::leave`].
    async fn replicas(&self) -> Result<Vec<KnownReplica>, Error>;

    /// Gives `holder` the task `name` for `ttl`, or renews it; false while another one has it.
    ///
    /// # Errors
    ///
    /// As [`Self::leave`].
    async fn take_task(
        &self,
        name: &'static str,
        holder: ReplicaId,
        ttl: Duration,
    ) -> Result<bool, Error>;

    /// Gives the task back, if `holder` has it.
    ///
    /// # Errors
    ///
    /// As [`Self::leave`].
    async fn drop_task(&self, name: &'static str, holder: ReplicaId) -> Result<(), Error>;
}

/// How to declare parts of the catalog changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Invalidation {
    /// Forbids to serve copies from before it, even as stale ones.
    pub hard: bool,
    /// Somebody waits until every replica has applied it, so that each says so at once.
    pub awaited: bool,
}

/// Declares parts of the catalog changed, as a change of the rows would.
#[async_trait]
pub trait Invalidator: Send + Sync {
    /// Commits that everything `tags` name has changed, and tells the version that has it.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer; whether it
    /// was committed is then not known.
    async fn invalidate(&self, tags: &[Tag], how: Invalidation) -> Result<Version, Error>;
}
