use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::{cache::SharedCache, domain::KnownReplica, repository::Datastore, telemetry::Page};

/// How often others are asked for figures that only they know.
const BEAT: Duration = Duration::from_secs(15);
/// None is waited for longer.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// A replica that has told nothing for so long is silent, as for `GetCacheStatus`.
const SILENT_AFTER: Duration = Duration::from_secs(3);

/// What Redis and the database said of themselves a moment ago. A scrape asks neither: it must
/// not be slower than the dependency that is in trouble, nor add to that trouble.
pub(super) struct Samples {
    datastore: Arc<dyn Datastore>,
    shared: Option<Arc<SharedCache>>,
    /// How many replicas there should be.
    expected: u32,
    last: Mutex<Last>,
}

/// `None` where there is no answer.
#[derive(Clone, Copy, Default)]
struct Last {
    notify_queue: Option<f64>,
    redis_memory: Option<(u64, u64)>,
    replicas: Option<Replicas>,
}

#[derive(Clone, Copy)]
struct Replicas {
    heard: usize,
    silent: usize,
}

impl Samples {
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

    /// Asks at once and then on a beat, for ever.
    pub(super) async fn keep(self: Arc<Self>) {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            let queue = timeout(ASK_TIMEOUT, self.datastore.notify_queue_usage());
            let replicas = timeout(ASK_TIMEOUT, self.datastore.replicas());
            let (queue, memory, replicas) = tokio::join!(queue, self.memory(), replicas);
            let last = Last {
                notify_queue: queue.ok().and_then(Result::ok).flatten(),
                redis_memory: memory,
                replicas: replicas.ok().and_then(Result::ok).map(count),
            };
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = last;
        }
    }

    async fn memory(&self) -> Option<(u64, u64)> {
        let shared = self.shared.as_ref()?;
        timeout(ASK_TIMEOUT, shared.memory()).await.ok().flatten()
    }

    /// Writes the last answers; nothing for one that did not come.
    pub(super) fn collect(&self, page: &mut Page) {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(usage) = last.notify_queue {
            page.gauge(
                "catalog_database_notify_queue_ratio",
                "How full PostgreSQL's queue of notifications is, 0 to 1.",
            )
            .sample(&[], usage);
        }
        if let Some((used, most)) = last.redis_memory {
            page.gauge("catalog_redis_memory_bytes", "Memory that Redis uses.")
                .sample(&[], used);
            page.gauge(
                "catalog_redis_memory_max_bytes",
                "Memory that Redis may use; 0 for no limit.",
            )
            .sample(&[], most);
        }
        if let Some(replicas) = last.replicas {
            page.gauge(
                "catalog_fleet_replicas",
                "Replicas in the registry, by whether they told anything in the last 3 s.",
            )
            .sample(&[("state", "heard")], replicas.heard)
            .sample(&[("state", "silent")], replicas.silent);
        }
        page.gauge(
            "catalog_fleet_replicas_expected",
            "Replicas that the settings say there are.",
        )
        .sample(&[], self.expected);
    }
}

fn count(known: Vec<KnownReplica>) -> Replicas {
    let is_heard = |replica: &KnownReplica| replica.heard_ago <= SILENT_AFTER;
    let (heard, silent): (Vec<_>, Vec<_>) = known.into_iter().partition(is_heard);
    Replicas {
        heard: heard.len(),
        silent: silent.len(),
    }
}
