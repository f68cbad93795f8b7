//! The status of this replica's caches: gathered in bounded time whatever its dependencies do, for operators, and for the
//! registry of replicas, which the next poll takes it to ([`super::FeedTask`]). It is gathered beside the polls, because
//! it asks Redis too: a replica that gathers slowly polls as ever.
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{CachedCatalog, InvalidationState};
use crate::domain::{
    CacheMode, CacheStatus, CacheStatusSource, Clock, DatabaseProbe, DatabaseStatus, Flag,
    NearStatus, ReplicaId, ReplicaRegistry, ReplicaReport, SharedStatus, Tag, UnixMicros, Version,
};

/// No dependency is waited for longer than this.
const ASK_TIMEOUT: Duration = Duration::from_millis(500);

/// Shows operators how the caches of this replica do.
pub struct CacheStatusReporter {
    catalog: Arc<CachedCatalog>,
    database: Arc<dyn DatabaseProbe>,
    clock: Arc<dyn Clock>,
    started_at: UnixMicros,
}

impl CacheStatusReporter {
    /// Reports on `catalog` and what it depends on.
    #[must_use]
    pub fn new(
        catalog: Arc<CachedCatalog>,
        database: Arc<dyn DatabaseProbe>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let started_at = clock.now();
        Self {
            catalog,
            database,
            clock,
            started_at,
        }
    }

    fn invalidation(&self) -> &InvalidationState {
        &self.catalog.loader.invalidation
    }

    fn near(&self) -> NearStatus {
        let (stats, near) = (self.catalog.stats(), &self.catalog.loader.near);
        let (entries, bytes) = near.size();
        NearStatus {
            entries: entries as u64,
            bytes,
            capacity_bytes: near.capacity_bytes(),
            hits: stats.near_hits.get(),
            misses_absent: stats.near_absent.get(),
            misses_expired: stats.near_expired.get(),
            misses_changed: stats.near_changed.get(),
            misses_unconfirmed: stats.near_unconfirmed.get(),
            evictions: stats.evictions.get(),
            early_refreshes: stats.early_refreshes.get(),
        }
    }

    async fn shared(&self) -> Option<SharedStatus> {
        let (stats, shared) = (self.catalog.stats(), self.catalog.loader.shared.as_ref()?);
        let ping = timeout(ASK_TIMEOUT, shared.try_reads())
            .await
            .ok()
            .flatten();
        let memory = match ping {
            Some(_) => timeout(ASK_TIMEOUT, shared.memory()).await.ok().flatten(),
            None => None,
        };
        let (used_memory_bytes, max_memory_bytes) = memory.unwrap_or_default();
        Some(SharedStatus {
            available: ping.is_some() && !shared.is_bypassed(),
            hits: stats.shared_hits.get(),
            misses: stats.shared_misses.get(),
            errors: stats.shared_errors.get(),
            leases: stats.leases.get(),
            lease_waits: stats.lease_waits.get(),
            ping,
            used_memory_bytes,
            max_memory_bytes,
        })
    }

    fn database(&self) -> DatabaseStatus {
        let (stats, pool) = (self.catalog.stats(), self.database.pool());
        let poll_us = stats.poll_us.load(Relaxed);
        DatabaseStatus {
            available: !self.invalidation().is_lost() && !self.catalog.loads_fail(),
            reads: stats.database_reads.get(),
            errors: stats.database_errors.get(),
            fills_superseded: stats.fills_superseded.get(),
            ping: (poll_us > 0 && !self.invalidation().is_lost())
                .then(|| Duration::from_micros(poll_us)),
            pool_open: pool.open,
            pool_idle: pool.idle,
            pool_max: pool.max,
        }
    }
}

#[async_trait]
impl CacheStatusSource for CacheStatusReporter {
    async fn status(&self) -> CacheStatus {
        let (shared, database) = (self.shared().await, self.database());
        let stats = self.catalog.stats();
        let redis_works = shared.as_ref().is_some_and(|shared| shared.available);
        let redis_works = redis_works && self.catalog.is_on(Flag::SharedCache);
        CacheStatus {
            at: self.clock.now(),
            started_at: self.started_at,
            version: self.invalidation().version(),
            confirmation_age: self.invalidation().age(),
            mode: match (database.available, redis_works) {
                (false, _) => CacheMode::DatabaseLost,
                (true, false) => CacheMode::RedisBypassed,
                (true, true) => CacheMode::Normal,
            },
            near: self.near(),
            shared,
            database,
            hit_ratio: stats.hit_ratio(),
            hit_latency: stats.hit_latency.summary(),
            load_latency: stats.load_latency.summary(),
            hit_latency_1m: stats.hit_latency.last_minute(),
            load_latency_1m: stats.load_latency.last_minute(),
            stale_answers: stats.stale_answers.get(),
            audit_checked: stats.audit_checked.get(),
            audit_violations: stats.audit_violations.get(),
            last_error: stats.last_error(),
        }
    }

    fn count(&self, tags: &[Tag]) -> u64 {
        let entries = self.catalog.loader.near.iter();
        entries
            .filter(|(key, _)| tags.iter().any(|tag| key.depends_on(*tag)))
            .count() as u64
    }

    fn drop_copies(&self, tags: &[Tag]) -> u64 {
        let near = &self.catalog.loader.near;
        near.remove(|key| tags.iter().any(|tag| key.depends_on(*tag))) as u64
    }

    fn hurry(&self) {
        self.invalidation().want_poll();
    }

    fn max_staleness(&self) -> Duration {
        self.invalidation().max_staleness()
    }
}

/// Keeps this replica in the registry: has its status ready for the next poll, and takes it out at its end.
pub struct ReplicaHeartbeat {
    id: ReplicaId,
    name: String,
    registry: Arc<dyn ReplicaRegistry>,
    invalidation: Arc<InvalidationState>,
    reporter: Arc<dyn CacheStatusSource>,
    encode: fn(&str, &CacheStatus) -> Bytes,
    /// The status that no poll has taken along yet.
    due: Mutex<Option<Bytes>>,
}

/// How often the replica reports its status.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// A replica that leaves waits no longer for the registry.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

impl ReplicaHeartbeat {
    /// Registers `id` as `name`, with a status written by `encode`.
    #[must_use]
    pub fn new(
        id: ReplicaId,
        name: String,
        registry: Arc<dyn ReplicaRegistry>,
        invalidation: Arc<InvalidationState>,
        reporter: Arc<dyn CacheStatusSource>,
        encode: fn(&str, &CacheStatus) -> Bytes,
    ) -> Self {
        Self {
            id,
            name,
            registry,
            invalidation,
            reporter,
            encode,
            due: Mutex::default(),
        }
    }

    /// The replica that is registered.
    pub(super) fn id(&self) -> ReplicaId {
        self.id
    }

    /// Gathers the status every second, for ever. A replica that is not registered polls at once with it.
    pub async fn run(&self) {
        let mut ticks = interval(REPORT_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.gather().await;
            if !self.invalidation.is_registered() {
                self.invalidation.want_poll();
            }
        }
    }

    /// Gathers the status for the next poll.
    pub async fn gather(&self) {
        let status = self.reporter.status().await;
        let status = (self.encode)(&self.name, &status);
        *self.due.lock() = Some(status);
    }

    /// What the next poll takes along, for a replica that has applied `applied`.
    pub(super) fn take_report(&self, applied: Version) -> Option<ReplicaReport> {
        let status = self.due.lock().take()?;
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
