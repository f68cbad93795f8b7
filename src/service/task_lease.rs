//! The right to do what only one replica does at a time.
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

/// The right to do what only one in the fleet does at a time. It is renewed in the background, and
/// given back when this is dropped; one whose holder died is free again after [`Self::TTL`].
pub(super) struct TaskLease {
    name: &'static str,
    holder: ReplicaId,
    registry: Arc<dyn ReplicaRegistry>,
    tasks: TaskTracker,
    is_lost: Arc<AtomicBool>,
    renewal: CancellationToken,
    is_given_back: bool,
}

impl TaskLease {
    /// How long it holds without being renewed.
    const TTL: Duration = Duration::from_secs(15);
    const RENEWED_EVERY: Duration = Duration::from_secs(5);

    /// Takes it, unless another one has it.
    pub(super) async fn take(
        name: &'static str,
        registry: &Arc<dyn ReplicaRegistry>,
        tasks: &TaskTracker,
    ) -> Result<Option<Self>, Error> {
        // Every one is a holder of its own, so that two on one replica exclude each other too.
        let holder = ReplicaId(Uuid::new_v4());
        if !registry.take_task(name, holder, Self::TTL).await? {
            return Ok(None);
        }
        let lease = Self {
            name,
            holder,
            registry: Arc::clone(registry),
            tasks: tasks.clone(),
            is_lost: Arc::default(),
            renewal: CancellationToken::new(),
            is_given_back: false,
        };
        let renewing = renew(name, holder, Arc::clone(registry), lease.is_lost.clone());
        let renewal = lease.renewal.clone();
        tasks.spawn(renewal.run_until_cancelled_owned(renewing));
        Ok(Some(lease))
    }

    /// Gives it back and waits until that is done, so that whoever is told next finds it free.
    pub(super) async fn give_back(mut self) {
        self.is_given_back = true;
        self.renewal.cancel();
        give_back(self.name, self.holder, Arc::clone(&self.registry)).await;
    }

    /// Whether another one may have it by now.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost.load(Relaxed)
    }
}

async fn renew(
    name: &'static str,
    holder: ReplicaId,
    registry: Arc<dyn ReplicaRegistry>,
    is_lost: Arc<AtomicBool>,
) {
    let mut held = Instant::now();
    while !is_lost.load(Relaxed) {
        sleep(TaskLease::RENEWED_EVERY).await;
        let asked = Instant::now();
        match registry.take_task(name, holder, TaskLease::TTL).await {
            Ok(true) => held = asked,
            Ok(false) => is_lost.store(true, Relaxed),
            // The database may come back before anybody else could have it.
            Err(_) => is_lost.store(held.elapsed() > TaskLease::TTL, Relaxed),
        }
    }
}

impl Drop for TaskLease {
    fn drop(&mut self) {
        self.renewal.cancel();
        if !self.is_given_back {
            let registry = Arc::clone(&self.registry);
            let giving_back = give_back(self.name, self.holder, registry);
            self.tasks.spawn(giving_back);
        }
    }
}

async fn give_back(name: &'static str, holder: ReplicaId, registry: Arc<dyn ReplicaRegistry>) {
    if let Err(error) = registry.drop_task(name, holder).await {
        tracing::debug!(%error, name, "the lease of a task was not released; it expires");
    }
}
