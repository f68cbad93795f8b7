use std::{fmt, time::Duration};

use bytes::Bytes;
use tonic::async_trait;
use uuid::Uuid;

use super::{Error, Stamp, Tag};

/// Names one run of one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReplicaId(pub Uuid);

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

/// What a replica tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaReport {
    /// Names it.
    pub id: ReplicaId,
    /// For people: host, process id and the first digits of the id; 1 to 200 bytes.
    pub name: String,
    /// The newest commit that it applied.
    pub applied: Stamp,
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
/// A replica registers before it may call any answer fresh, and every poll
/// tells it whether it still is; so an invalidation that waits for all that
/// are registered has waited for all that matter.
#[async_trait]
pub trait ReplicaRegistry: Send + Sync {
    /// Registers the replica, or takes in what it tells now. Forgets replicas
    /// that have told nothing for a minute.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer.
    async fn report(&self, report: &ReplicaReport) -> Result<(), Error>;

    /// Takes in how far a replica is, and nothing else; nothing happens when it is not registered.
    ///
    /// # Errors
    ///
    /// As [`Self::report`].
    async fn acknowledge(&self, replica: ReplicaId, applied: Stamp) -> Result<(), Error>;

    /// Forgets a replica that is leaving.
    ///
    /// # Errors
    ///
    /// As [`Self::report`].
    async fn leave(&self, replica: ReplicaId) -> Result<(), Error>;

    /// All that are registered.
    ///
    /// # Errors
    ///
    /// As [`Self::report`].
    async fn replicas(&self) -> Result<Vec<KnownReplica>, Error>;

    /// Gives `holder` the task `name` for `ttl`, or renews it; false while another one has it.
    ///
    /// # Errors
    ///
    /// As [`Self::report`].
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
    /// As [`Self::report`].
    async fn drop_task(&self, name: &'static str, holder: ReplicaId) -> Result<(), Error>;
}

/// Declares parts of the catalog changed, as a change of the rows would.
#[async_trait]
pub trait Invalidator: Send + Sync {
    /// Commits that everything `tags` name has changed, and tells the commit.
    /// `hard` forbids to serve copies from before it, even as stale ones.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer; whether it
    /// was committed is then not known.
    async fn invalidate(&self, tags: &[Tag], hard: bool) -> Result<Stamp, Error>;
}
