//! Samples what Redis and the database report about themselves, for the metrics page. A scrape asks
//! neither: it must not be as slow as a dependency in trouble, nor add load to it.
use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::{cache::SharedCache, domain::KnownReplica, repository::Datastore, telemetry::Page};

const SAMPLE_INTERVAL: Duration = Duration::from_secs(15);
const SAMPLE_TIMEOUT: Duration = Duration::from_secs(2);
/// A replica without a heartbeat for this long is silent, as for `GetCacheStatus`.
const SILENT_AFTER: Duration = Duration::from_secs(3);

/// Samples the dependencies and keeps the last answers.
pub(super) struct DependencyProbe {
    datastore: Arc<dyn Datastore>,
    shared: Option<Arc<SharedCache>>,
    /// How many replicas the settings say there are.
    expected: u32,
    last: Mutex<Sample>,
}

/// The answers of one round; `None` where there was none.
#[derive(Clone, Copy, Default)]
struct Sample {
    notify_queue: Option<f64>,
    /// Bytes used, and bytes allowed.
    redis_memory: Option<(u64, u64)>,
    replicas: Option<ReplicaCounts>,
}

#[derive(Clone, Copy)]
struct ReplicaCounts {
    heard: usize,
    silent: usize,
}

impl DependencyProbe {
    pub(super) fn new(
        datastore: Arc<dyn Datastore>,
        shared: Option<Arc<SharedCache>>,
        expected: u32,
    ) -> Self {
        Self {
            datastore,
            shared,
            expected,
            last: Mutex::default(),
        }
    }

    /// Samples at once and then at [`SAMPLE_INTERVAL`], forever.
    pub(super) async fn run(self: Arc<Self>) {
        let mut ticks = interval(SAMPLE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let queue = timeout(SAMPLE_TIMEOUT, self.datastore.notify_queue_usage());
            let replicas = timeout(SAMPLE_TIMEOUT, self.datastore.replicas());
            let (queue, redis_memory, replicas) =
                tokio::join!(queue, self.redis_memory(), replicas);
            let sample = Sample {
                notify_queue: queue.ok().and_then(Result::ok).flatten(),
                redis_memory,
                replicas: replicas.ok().and_then(Result::ok).map(count),
            };
            *self.last.lock() = sample;
        }
    }

    async fn redis_memory(&self) -> Option<(u64, u64)> {
        let shared = self.shared.as_ref()?;
        timeout(SAMPLE_TIMEOUT, shared.memory())
            .await
            .ok()
            .flatten()
    }

    /// Writes the last answers, and nothing for a missing one.
    pub(super) fn collect(&self, page: &mut Page) {
        let last = *self.last.lock();
        if let Some(usage) = last.notify_queue {
            page.gauge(
                "catalog_database_notify_queue_ratio",
                "How full PostgreSQL's notification queue is, 0 to 1.",
            )
            .sample(&[], usage);
        }
        if let Some((used, max)) = last.redis_memory {
            page.gauge(
                "catalog_redis_memory_bytes",
                "Memory that Redis uses, in bytes.",
            )
            .sample(&[], used);
            page.gauge(
                "catalog_redis_memory_max_bytes",
                "The most memory that Redis may use, in bytes; 0 for no limit.",
            )
            .sample(&[], max);
        }
        if let Some(replicas) = last.replicas {
            page.gauge(
                "catalog_fleet_replicas",
                "Replicas in the registry, by whether they sent a heartbeat in the last 3 s.",
            )
            .sample(&[("state", "heard")], replicas.heard)
            .sample(&[("state", "silent")], replicas.silent);
        }
        page.gauge(
            "catalog_fleet_replicas_expected",
            "The number of replicas that the setting `replicas` states.",
        )
        .sample(&[], self.expected);
    }
}

fn count(known: Vec<KnownReplica>) -> ReplicaCounts {
    let is_heard = |replica: &KnownReplica| replica.heard_ago <= SILENT_AFTER;
    let (heard, silent): (Vec<_>, Vec<_>) = known.into_iter().partition(is_heard);
    ReplicaCounts {
        heard: heard.len(),
        silent: silent.len(),
    }
}
