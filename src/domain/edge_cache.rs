//! Edge caches: what stands between callers and the HTTP interface, such as Varnish or a CDN. The ports by which they are
//! purged of what has changed, and asked whether they still serve it.
use std::time::Duration;

use async_trait::async_trait;

use super::{Change, Tag, Version};

/// Why an edge cache was not purged, or is not known to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct EdgeFailure {
    /// In words for receipts and the log; it repeats no secret, and at most the beginning of what the edge said.
    pub reason: String,
    /// How long the edge asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl EdgeFailure {
    /// A failure that says nothing of when to try again.
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            retry_after: None,
        }
    }
}

/// One edge cache: an instance of Varnish, or a service at a CDN.
///
/// Its entries have the tags of the answers that they are, by the names that `Tag` shows.
#[async_trait]
pub trait EdgeCache: Send + Sync {
    /// Names it, in receipts, the log and metrics, such as `varnish/10.0.0.1:6081`.
    fn name(&self) -> &str;

    /// Removes all entries that have one of `tags`; or, where `hard` is false and the edge can do so, has them count as
    /// expired, so that they serve only as the answers' own `stale-*` allow. Doing it again is harmless.
    ///
    /// # Errors
    ///
    /// What went wrong. Whether entries were removed is then not known.
    async fn purge(&self, tags: &[Tag], hard: bool) -> Result<(), EdgeFailure>;

    /// Asks once through the edge, as callers do, for what `tags` name.
    ///
    /// # Errors
    ///
    /// What came instead of answers that show `version`.
    async fn reached(&self, tags: &[Tag], version: Version) -> Result<(), EdgeFailure>;
}

/// What is known of one edge cache after a purge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeProof {
    /// The name of the edge.
    pub edge: String,
    /// Why it is not proven; `None` when it was purged and then gave an answer that shows the commit.
    pub missing: Option<String>,
}

/// All edge caches of the fleet.
#[async_trait]
pub trait EdgePurger: Send + Sync {
    /// Asks each edge what `tags` name, so that it has an entry from before the purge that is to be proven. It takes
    /// `within` at most, and that an edge does not answer is no failure.
    async fn visit(&self, tags: &[Tag], within: Duration);

    /// Has all edges purged: soon, and again when no replica answers from before a commit of now any more. Each purge
    /// is tried until it succeeds. It waits for nothing.
    fn purge(&self, tags: &[Tag], hard: bool);

    /// As [`Self::purge`], but for the first time: a proof does that.
    fn purge_settled(&self, tags: &[Tag], hard: bool);

    /// Has all edges purged once, at once; then asks through each until it shows `committed`. After `within`, an edge
    /// that does not is unproven.
    async fn prove(
        &self,
        tags: &[Tag],
        hard: bool,
        committed: Version,
        within: Duration,
    ) -> Vec<EdgeProof>;
}

/// How a replica learnt of commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LearntCommits<'a> {
    /// Its own poll found them.
    Found(&'a [Change]),
    /// Another replica found them and says so.
    Announced {
        /// What happened.
        changes: &'a [Change],
        /// Whether this replica is one of the two that stand first in the fleet, which act if that other one has
        /// crashed.
        is_deputy: bool,
    },
    /// Only that there were some.
    Unknown {
        /// Whether it is because the replica has just started.
        is_first: bool,
    },
}

/// Who wants to know of commits soon after they are known here.
pub trait CommitWatcher: Send + Sync {
    /// Takes note. It does not block.
    fn learnt(&self, commits: LearntCommits<'_>);
}
