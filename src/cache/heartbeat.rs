//! What a replica tells the fleet of itself.
//!
//! The status is gathered here once a second, beside the polls, because it asks Redis too; the next poll
//! takes it along ([`super::FeedTask`]). So a replica that gathers slowly polls as ever.
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::InvalidationState;
use crate::domain::{
    CacheStatus, CacheStatusSource, ReplicaId, ReplicaRegistry, ReplicaReport, Version,
};

/// Keeps ready what this replica tells the fleet, and takes it out of the registry when it leaves.
pub struct ReplicaHeartbeat {
    id: ReplicaId,
    name: String,
    registry: Arc<dyn ReplicaRegistry>,
    invalidation: Arc<InvalidationState>,
    inspector: Arc<dyn CacheStatusSource>,
    encode: fn(&str, &CacheStatus) -> Bytes,
    /// The status that no poll has taken along yet.
    due: Mutex<Option<Bytes>>,
}

/// How often the replica tells how it does.
const BEAT: Duration = Duration::from_secs(1);
/// A replica that leaves waits no longer for the registry.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

impl ReplicaHeartbeat {
    /// Tells of `id` as `name`, with a status written by `encode`.
    #[must_use]
    pub fn new(
        id: ReplicaId,
        name: String,
        registry: Arc<dyn ReplicaRegistry>,
        invalidation: Arc<InvalidationState>,
        inspector: Arc<dyn CacheStatusSource>,
        encode: fn(&str, &CacheStatus) -> Bytes,
    ) -> Self {
        Self {
            id,
            name,
            registry,
            invalidation,
            inspector,
            encode,
            due: Mutex::default(),
        }
    }

    /// The replica that this is about.
    pub(super) fn id(&self) -> ReplicaId {
        self.id
    }

    /// Gathers the status every second, for ever. A replica that is not registered polls at once with it.
    pub async fn run(&self) {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            self.gather().await;
            if !self.invalidation.is_registered() {
                self.invalidation.want_poll();
            }
        }
    }

    /// Gathers the status for the next poll.
    pub async fn gather(&self) {
        let status = self.inspector.status().await;
        let status = (self.encode)(&self.name, &status);
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
    }

    /// What the next poll takes along, for a replica that has applied `applied`.
    pub(super) fn take_report(&self, applied: Version) -> Option<ReplicaReport> {
        let status = self
            .due
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()?;
        Some(ReplicaReport {
            id: self.id,
            name: self.name.clone(),
            applied,
            status,
        })
    }

    /// Forgets the replica, so that nobody waits for it.
    pub async fn leave(&self) {
        let left = timeout(LEAVE_TIMEOUT, self.registry.leave(self.id)).await;
        if !matches!(left, Ok(Ok(()))) {
            tracing::debug!(
                "this replica could not leave the registry, which drops it after a minute"
            );
        }
    }
}
