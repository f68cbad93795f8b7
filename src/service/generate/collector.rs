use std::{error::Error as _, sync::Arc, time::Duration};

use tokio::{sync::Notify, time::timeout};
use tokio_util::task::TaskTracker;

use crate::{
    domain::{Error, ReplicaRegistry, TipBatchStore, TipBatches},
    service::task_lease::TaskLease,
    telemetry::{Failing, FailureLog, LineLimit},
};

/// The name of the task that one collector in the fleet has.
const TASK: &str = "collect tips";
/// How often it looks when nobody hurries it, give or take a quarter, so that replicas do not look
/// together. A batch takes minutes to hours.
const PAUSE: Duration = Duration::from_secs(30);
/// Lines about batches that wait.
static WAITING: LineLimit = LineLimit::new();

/// Tips that are ordered in batches: who orders, where it is noted, and who is hurried.
#[derive(Clone)]
pub struct Batching {
    pub(super) desk: Arc<dyn TipBatches>,
    pub(super) store: Arc<dyn TipBatchStore>,
    pub(super) hurry: Arc<Notify>,
}

impl Batching {
    /// Batches of `desk`, noted in `store`.
    #[must_use]
    pub fn new(desk: Arc<dyn TipBatches>, store: Arc<dyn TipBatchStore>) -> Self {
        Self {
            desk,
            store,
            hurry: Arc::default(),
        }
    }

    /// Brings open batches to their ends, whoever ordered them, as long as it is polled. Every
    /// replica does this, and one at a time gets to.
    pub async fn collect(self, registry: Arc<dyn ReplicaRegistry>, tasks: TaskTracker) {
        let outage = FailureLog::default();
        loop {
            let pause = PAUSE.mul_f64(rand::random_range(0.75..1.25));
            // Hurried or not, it looks.
            let _ = timeout(pause, self.hurry.notified()).await;
            match self.round(&registry, &tasks).await {
                Ok(()) => {
                    if let Some(Failing { failures, lasted }) = outage.worked() {
                        tracing::info!(failures, ?lasted, "batches of tips go on");
                    }
                }
                Err(error) => {
                    if let Some(Failing { failures, lasted }) = outage.failed() {
                        let cause = error.source().map(ToString::to_string);
                        tracing::warn!(
                            %error, cause, failures, ?lasted,
                            "batches of tips wait for the database"
                        );
                    }
                }
            }
        }
    }

    /// One step with every open batch.
    async fn round(
        &self,
        registry: &Arc<dyn ReplicaRegistry>,
        tasks: &TaskTracker,
    ) -> Result<(), Error> {
        if self.store.open_batches().await?.is_empty() {
            return Ok(());
        }
        let Some(lease) = TaskLease::take(TASK, registry, tasks).await? else {
            return Ok(());
        };
        // Again, because the one who had the task before may have gone on with them.
        for batch in self.store.open_batches().await? {
            if lease.is_lost() {
                break;
            }
            // What keeps one from going on is nothing to the others.
            if let Err(error) = self.desk.advance(&batch).await
                && let Some(left_out) = WAITING.admit()
            {
                let batch = batch.batch.id;
                tracing::warn!(%batch, %error, left_out, "a batch of tips waits for the database");
            }
        }
        Ok(())
    }
}
