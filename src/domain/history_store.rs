//! The port that prunes the history.
use std::time::Duration;

use async_trait::async_trait;

use super::Error;

/// Which revisions one step of pruning looks at, and what may go of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PruneStep {
    /// What was committed longer ago, by the database's clock, may go.
    pub older_than: Duration,
    /// Only revisions with a greater number are looked at, in their order.
    pub after: i64,
    /// How many are looked at; 1 or more.
    pub most: u32,
    /// Whether they are only counted.
    pub is_trial: bool,
}

/// What one step of pruning did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrunedStep {
    /// How many revisions went, or would have.
    pub removed: u64,
    /// The number to go on from; `None` where no more are old enough.
    pub next: Option<i64>,
}

/// The history, which grows as long as nobody prunes it.
#[async_trait]
pub trait HistoryStore: Send + Sync {
    /// Forgets old revisions, all in one commit: those of a challenge that is gone, and of one that is
    /// there all but the newest.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer; then nothing went.
    async fn prune_history(&self, step: PruneStep) -> Result<PrunedStep, Error>;
}
