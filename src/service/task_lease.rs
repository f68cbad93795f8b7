//! A lease for a task that only one replica runs at a time.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::domain::{Error, ReplicaId, ReplicaRegistry};

/// Hands out the tasks that one in the fleet does at a time.
#[derive(Clone)]
pub struct FleetTasks {
    registry: Arc<dyn ReplicaRegistry>,
    tasks: TaskTracker,
}

impl FleetTasks {
    /// The tasks of the fleet of `registry`; leases are renewed and given back on `tasks`.
    #[must_use]
    pub fn new(registry: Arc<dyn ReplicaRegistry>, tasks: TaskTracker) -> Self {
        Self { registry, tasks }
    }

    /// Takes the task `name`; `None` while another one has it.
    pub(super) async fn take(&self, name: &'static str) -> Result<Option<TaskLease>, Error> {
        let claim = Arc::new(Claim {
            name,
            // Every one is a holder of its own, so that two on one replica exclude each other too.
            holder: ReplicaId(Uuid::new_v4()),
            registry: Arc::clone(&self.registry),
            is_lost: AtomicBool::new(false),
        });
        if !claim.take().await? {
            return Ok(None);
        }
        let renewal = CancellationToken::new();
        let renewing = Arc::clone(&claim).renew();
        self.tasks
            .spawn(renewal.clone().run_until_cancelled_owned(renewing));
        Ok(Some(TaskLease {
            claim,
            tasks: self.tasks.clone(),
            renewal,
            is_given_back: false,
        }))
    }
}

/// The right to do what only one in the fleet does at a time. It is renewed in the background, and
/// given back when this is dropped; one whose holder died is free again after [`Claim::TTL`].
pub(super) struct TaskLease {
    claim: Arc<Claim>,
    tasks: TaskTracker,
    renewal: CancellationToken,
    is_given_back: bool,
}

impl TaskLease {
    /// Gives it back and waits until that is done, so that whoever is told next finds it free.
    pub(super) async fn give_back(mut self) {
        self.is_given_back = true;
        self.renewal.cancel();
        Arc::clone(&self.claim).give_back().await;
    }

    /// Whether another one may have it by now.
    pub(super) fn is_lost(&self) -> bool {
        self.claim.is_lost.load(Relaxed)
    }
}

impl Drop for TaskLease {
    fn drop(&mut self) {
        self.renewal.cancel();
        if !self.is_given_back {
            self.tasks.spawn(Arc::clone(&self.claim).give_back());
        }
    }
}

/// Who holds which task.
struct Claim {
    name: &'static str,
    holder: ReplicaId,
    registry: Arc<dyn ReplicaRegistry>,
    is_lost: AtomicBool,
}

impl Claim {
    /// How long it holds without being renewed.
    const TTL: Duration = Duration::from_secs(15);
    const RENEWED_EVERY: Duration = Duration::from_secs(5);

    async fn take(&self) -> Result<bool, Error> {
        let taken = self.registry.take_task(self.name, self.holder, Self::TTL);
        taken.await
    }

    async fn renew(self: Arc<Self>) {
        let mut held = Instant::now();
        while !self.is_lost.load(Relaxed) {
            sleep(Self::RENEWED_EVERY).await;
            let asked = Instant::now();
            match self.take().await {
                Ok(true) => held = asked,
                Ok(false) => self.is_lost.store(true, Relaxed),
                // The database may come back before anybody else could have it.
                Err(_) => self.is_lost.store(held.elapsed() > Self::TTL, Relaxed),
            }
        }
    }

    async fn give_back(self: Arc<Self>) {
        if let Err(error) = self.registry.drop_task(self.name, self.holder).await {
            tracing::debug!(%error, name = self.name, "the lease of a task was not released; it expires");
        }
    }
}
