use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout};

use super::Knowledge;
use crate::domain::{
    CacheInspector, CacheStatus, ReplicaId, ReplicaRegistry, ReplicaReport, Stamp,
};

/// Keeps this replica in the registry: registers it, tells every second how it
/// does, and at once how far it is when it applied something.
pub struct Membership {
    id: ReplicaId,
    name: String,
    registry: Arc<dyn ReplicaRegistry>,
    knowledge: Arc<Knowledge>,
    inspector: Arc<dyn CacheInspector>,
    encode: fn(&str, &CacheStatus) -> Bytes,
}

/// How often the replica tells how it does.
const BEAT: Duration = Duration::from_secs(1);
/// A report that takes longer has failed; another follows.
const REPORT_TIMEOUT: Duration = Duration::from_millis(500);
/// Between two full reports, whatever is wrong.
const REPORT_GAP: Duration = Duration::from_millis(20);
/// Acknowledgements that come thicker than this share a statement.
const LEAST_GAP: Duration = Duration::from_millis(2);

impl Membership {
    /// Reports as `name`, with a status written by `encode`.
    #[must_use]
    pub fn new(
        id: ReplicaId,
        name: String,
        registry: Arc<dyn ReplicaRegistry>,
        knowledge: Arc<Knowledge>,
        inspector: Arc<dyn CacheInspector>,
        encode: fn(&str, &CacheStatus) -> Bytes,
    ) -> Self {
        Self {
            id,
            name,
            registry,
            knowledge,
            inspector,
            encode,
        }
    }

    /// Registers; to be done before the first poll, which then may confirm.
    pub async fn register(&self) {
        self.report(Stamp::default()).await;
    }

    /// Tells how the replica does, for ever; registers it again when it was forgotten.
    pub async fn run(&self) {
        let (mut acknowledged, mut told) = (Stamp::default(), Instant::now());
        loop {
            let applied = self.knowledge.version().stamp;
            if told.elapsed() >= BEAT || !self.knowledge.is_registered() {
                self.report(applied).await;
                (acknowledged, told) = (applied, Instant::now());
                sleep(REPORT_GAP).await;
            } else if applied != acknowledged {
                let heard = self.registry.acknowledge(self.id, applied);
                if matches!(timeout(REPORT_TIMEOUT, heard).await, Ok(Ok(()))) {
                    acknowledged = applied;
                }
                sleep(LEAST_GAP).await;
            }
            // Whichever comes first; what came meanwhile is seen at once.
            let _ = timeout(BEAT, self.knowledge.progress(acknowledged)).await;
        }
    }

    /// Forgets the replica, so that nobody waits for it.
    pub async fn leave(&self) {
        let left = timeout(REPORT_TIMEOUT, self.registry.leave(self.id)).await;
        if !matches!(left, Ok(Ok(()))) {
            tracing::debug!("could not leave the registry; it forgets us in a minute");
        }
    }

    async fn report(&self, applied: Stamp) {
        let status = self.inspector.status().await;
        let report = ReplicaReport {
            id: self.id,
            name: self.name.clone(),
            applied,
            status: (self.encode)(&self.name, &status),
        };
        match timeout(REPORT_TIMEOUT, self.registry.report(&report)).await {
            Ok(Ok(())) if !self.knowledge.is_registered() => self.knowledge.want_poll(),
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "not reported"),
            Err(_) => tracing::debug!("not reported in time"),
        }
    }
}
