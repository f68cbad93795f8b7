//! Pruning against a store that is slow, or another replica that is at it.
use std::sync::{
    Mutex,
    atomic::{AtomicU32, Ordering::SeqCst},
};

use async_trait::async_trait;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use super::*;
use crate::domain::{KnownReplica, PrunedStep, ReplicaId, ReplicaRegistry};

/// A free task.
struct Free;

#[async_trait]
impl ReplicaRegistry for Free {
    async fn leave(&self, _: ReplicaId) -> Result<(), Error> {
        Ok(())
    }

    async fn replicas(&self) -> Result<Vec<KnownReplica>, Error> {
        Ok(Vec::new())
    }

    async fn take_task(&self, _: &'static str, _: ReplicaId, _: Duration) -> Result<bool, Error> {
        Ok(true)
    }

    async fn drop_task(&self, _: &'static str, _: ReplicaId) -> Result<(), Error> {
        Ok(())
    }
}

/// A history of 25 old revisions, which fails steps that look at more than `bears`.
struct Slow {
    bears: AtomicU32,
    asked: Mutex<Vec<(i64, u32)>>,
}

impl Slow {
    fn new(bears: u32) -> Arc<Self> {
        Arc::new(Self {
            bears: bears.into(),
            asked: Mutex::default(),
        })
    }
}

#[async_trait]
impl HistoryStore for Slow {
    async fn prune_history(&self, step: PruneStep) -> Result<PrunedStep, Error> {
        self.asked.lock().unwrap().push((step.after, step.most));
        if step.most > self.bears.load(SeqCst) {
            return Err(Error::datastore("too slow"));
        }
        let end = (step.after + i64::from(step.most)).min(25);
        Ok(PrunedStep {
            removed: u64::try_from(end - step.after).unwrap(),
            next: Some(end).filter(|end| *end < 25),
        })
    }
}

fn pruning(store: &Arc<Slow>) -> HistoryPruning {
    HistoryPruning::new(
        Arc::clone(store) as _,
        FleetTasks::new(Arc::new(Free), TaskTracker::new()),
    )
}

#[tokio::test]
async fn a_step_that_takes_too_long_is_made_smaller() {
    let store = Slow::new(10);
    let mut told = Vec::new();
    let pruned = pruning(&store)
        .prune(LONG, false, &mut |removed| told.push(removed))
        .await;
    assert_eq!(pruned.unwrap(), Some(25));
    assert_eq!(told, [10, 10, 5]);
    let asked = store.asked.lock().unwrap().clone();
    assert_eq!(asked, [(0, 1_000), (0, 100), (0, 10), (10, 10), (20, 10)]);
}

#[tokio::test]
async fn a_history_that_cannot_be_pruned_at_all_is_an_error() {
    let pruned = pruning(&Slow::new(0)).prune(LONG, false, &mut |_| ()).await;
    assert!(matches!(pruned, Err(Error::Unavailable { .. })));
}

#[tokio::test(start_paused = true)]
async fn pruning_is_behind_from_the_first_round_that_fails_to_the_next_that_does_not() {
    let store = Slow::new(0);
    let metrics = Arc::new(HistoryMetrics::new(Some(LONG)));
    let keeping = pruning(&store).keep(LONG, Arc::clone(&metrics));
    let mut tasks = JoinSet::new();
    tasks.spawn(keeping);
    sleep(Duration::from_secs(1)).await;
    assert!(metrics.is_behind());
    store.bears.store(MOST, SeqCst);
    sleep(RETRY * 2).await;
    assert!(!metrics.is_behind());
    assert_eq!(metrics.removed.get(), 25);
}
