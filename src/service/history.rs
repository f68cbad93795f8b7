//! Prunes the history, on one replica at a time.
use std::{error::Error as _, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{FleetTasks, HistoryMetrics};
use crate::domain::{Error, HistoryStore, PruneStep};

/// The name of the task that one in the fleet has.
const TASK: &str = "prune history";
/// How many revisions a step looks at; fewer if the database takes too long.
const MOST: u32 = 1_000;
/// How long after a round the next one begins, give or take a half, so that replicas do not prune together.
const PAUSE: Duration = Duration::from_hours(1);
/// The same after a round that failed.
const RETRY: Duration = Duration::from_mins(1);
/// A round that takes longer does not keep up with those who write.
const LONG: Duration = Duration::from_hours(1);

/// Prunes the history, in steps that are short for the database.
#[derive(Clone)]
pub struct HistoryPruning {
    store: Arc<dyn HistoryStore>,
    fleet: FleetTasks,
}

impl HistoryPruning {
    /// Prunes the history of `store`, one in the `fleet` at a time.
    #[must_use]
    pub fn new(store: Arc<dyn HistoryStore>, fleet: FleetTasks) -> Self {
        Self { store, fleet }
    }

    /// Forgets revisions that are older than `older_than`, or only counts them; tells `progress` after each
    /// step how many it was, and gives how many in all. `None` when another one is at it.
    ///
    /// # Errors
    ///
    /// As [`HistoryStore::prune_history`]; what went until then is gone.
    pub async fn prune(
        &self,
        older_than: Duration,
        is_trial: bool,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Option<u64>, Error> {
        let Some(lease) = self.fleet.take(TASK).await? else {
            return Ok(None);
        };
        let (mut removed, mut after, mut most) = (0, 0, MOST);
        while !lease.is_lost() {
            let step = PruneStep {
                older_than,
                after,
                most,
                is_trial,
            };
            match self.store.prune_history(step).await {
                Ok(done) => {
                    removed += done.removed;
                    progress(done.removed);
                    let Some(next) = done.next else {
                        lease.give_back().await;
                        return Ok(Some(removed));
                    };
                    after = next;
                }
                // A smaller step is done within the time that a statement has.
                Err(_) if most > 1 => most /= 10,
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Keeps the history for `retention`, for ever: every replica does this, and one at a time gets to.
    pub async fn keep(self, retention: Duration, metrics: Arc<HistoryMetrics>) {
        loop {
            let began = Instant::now();
            let mut progress = |removed| {
                metrics.removed.add(removed);
                if began.elapsed() > LONG {
                    metrics.fall_behind(&"a round takes longer than an hour", None);
                }
            };
            let pause = match self.prune(retention, false, &mut progress).await {
                Ok(Some(removed)) => {
                    if removed > 0 {
                        tracing::info!(removed, "old revisions were pruned");
                    }
                    metrics.keep_up();
                    PAUSE
                }
                // Whoever is at it may fail too.
                Ok(None) if metrics.is_behind() => RETRY,
                Ok(None) => PAUSE,
                Err(error) => {
                    metrics.fall_behind(&error, error.source());
                    RETRY
                }
            };
            sleep(pause.mul_f64(rand::random_range(0.5..1.5))).await;
        }
    }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
