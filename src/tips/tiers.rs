//! Where finished tips are kept: the memory of this replica, Redis, and the store. They are searched in this order.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use quick_cache::{Weighter, sync::Cache};
use tokio::time::{Instant, error::Elapsed, sleep, timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    TipStats,
    cluster::TipCluster,
    late_writes::{LateWrite, LateWrites},
    log::Failed,
    request::GenerationRequest,
    settings::STORE_TIMEOUT,
};
use crate::{
    domain::{Clock, Error, Tip, TipKey, TipOrigin, TipStore, UnixMicros},
    telemetry::{Failing, FailureLog},
};

/// The size of a tip that the layout of the memory tier assumes, in bytes.
const TYPICAL_TIP_BYTES: u64 = 1 << 10;
/// How many failures are remembered.
const FAILURES: usize = 1_000;
/// How long a failure keeps other readers from trying, and how much longer at most, so that tips
/// that failed together are not tried together again.
const RECENT: Duration = Duration::from_secs(15);
const RECENT_JITTER: Duration = Duration::from_secs(45);
/// How old a tip of Redis may be to be saved once more. Older ones are left out, so that a replica that starts does
/// not save all that its fleet wrote.
const UNSAVED_MAX_AGE: Duration = Duration::from_hours(1);

/// See the module.
pub(super) struct TipTiers {
    memory: Cache<TipKey, Arc<Tip>, TipWeighter>,
    /// Tips whose generation failed a moment ago, and until when that counts.
    failures: Cache<TipKey, (Instant, Failed)>,
    cluster: Option<Arc<TipCluster>>,
    store: Arc<dyn TipStore>,
    late_writes: LateWrites,
    clock: Arc<dyn Clock>,
    stats: Arc<TipStats>,
    tasks: TaskTracker,
    stop: CancellationToken,
    store_outage: FailureLog,
    /// Whether the store has tips to show, and whether a task here shows them.
    is_show_due: AtomicBool,
    is_showing: AtomicBool,
}

#[derive(Clone)]
struct TipWeighter;

impl Weighter<TipKey, Arc<Tip>> for TipWeighter {
    fn weight(&self, _: &TipKey, tip: &Arc<Tip>) -> u64 {
        (size_of::<Tip>() + tip.text.len() + tip.provider.len() + tip.model.len()) as u64
    }
}

impl TipTiers {
    /// At most `memory_bytes` of tips are kept in memory.
    pub(super) fn new(
        memory_bytes: u64,
        cluster: Option<Arc<TipCluster>>,
        (store, late_writes): (Arc<dyn TipStore>, LateWrites),
        clock: Arc<dyn Clock>,
        stats: Arc<TipStats>,
        (tasks, stop): (TaskTracker, CancellationToken),
    ) -> Self {
        let items = usize::try_from(memory_bytes / TYPICAL_TIP_BYTES).unwrap_or(usize::MAX);
        Self {
            memory: Cache::with_weighter(items, memory_bytes, TipWeighter),
            failures: Cache::new(FAILURES),
            cluster,
            store,
            late_writes,
            clock,
            stats,
            tasks,
            stop,
            store_outage: FailureLog::default(),
            is_show_due: AtomicBool::default(),
            is_showing: AtomicBool::default(),
        }
    }

    /// The current tip, from the first tier that has it.
    pub(super) async fn find(self: &Arc<Self>, request: &GenerationRequest) -> Option<Arc<Tip>> {
        let key = request.key;
        if let Some(tip) = self.in_memory(key) {
            return Some(tip);
        }
        let shared = match &self.cluster {
            Some(cluster) => cluster.tip(key).done().await,
            None => None,
        };
        match shared.filter(|tip| self.now() < tip.expires_at) {
            Some(tip) => {
                self.stats.shared_hits.add(1);
                Some(self.keep_shared(tip, &request.origin))
            }
            None => Some(self.keep(self.in_store(key).await?)),
        }
    }

    pub(super) fn in_memory(&self, key: TipKey) -> Option<Arc<Tip>> {
        let now = self.now();
        let tip = self.memory.get(&key).filter(|tip| now < tip.expires_at)?;
        self.stats.memory_hits.add(1);
        Some(tip)
    }

    /// The tip that the store has, if it is current.
    pub(super) async fn in_store(&self, key: TipKey) -> Option<Tip> {
        let found = timeout(STORE_TIMEOUT, self.store.find(key)).await;
        let tip = self.of_store("find", found)??;
        let is_current = self.now() < tip.expires_at;
        if is_current {
            self.stats.store_hits.add(1);
        }
        is_current.then_some(tip)
    }

    /// A tip of any age that may stand in.
    pub(super) async fn newest(&self, origin: &TipOrigin) -> Option<Arc<Tip>> {
        let newest = self
            .store
            .newest(origin.challenge, &origin.locale, &origin.persona);
        let newest = timeout(STORE_TIMEOUT, newest).await;
        self.of_store("newest", newest)?.map(Arc::new)
    }

    /// Keeps a tip in memory.
    pub(super) fn keep(&self, tip: Tip) -> Arc<Tip> {
        let tip = Arc::new(tip);
        self.failures.remove(&tip.key);
        self.memory.insert(tip.key, Arc::clone(&tip));
        tip
    }

    /// Keeps a tip of another replica in memory. A young one is saved in the background: its leader may have died
    /// before it did that, and what Redis alone has is written and paid once more when Redis forgets it.
    pub(super) fn keep_shared(self: &Arc<Self>, tip: Tip, origin: &TipOrigin) -> Arc<Tip> {
        let tip = self.keep(tip);
        if self.now() < tip.created_at.plus(UNSAVED_MAX_AGE) {
            let (tiers, tip, origin) = (Arc::clone(self), Arc::clone(&tip), origin.clone());
            self.tasks
                .spawn(async move { tiers.save(&tip, &origin).await });
        }
        tip
    }

    /// The failure of a moment ago, if it is so young that the next try should wait.
    pub(super) fn failure(&self, key: TipKey) -> Option<Failed> {
        let (until, failed) = self.failures.get(&key)?;
        (Instant::now() < until).then_some(failed)
    }

    pub(super) fn keep_failure(&self, key: TipKey, failed: Failed, pause: Duration) {
        self.failures.insert(key, (Instant::now() + pause, failed));
    }

    /// How long a failure counts as one of a moment ago: 15 to 60 seconds.
    pub(super) fn failure_pause() -> Duration {
        RECENT + RECENT_JITTER.mul_f64(rand::random())
    }

    /// Saves a tip in the store, later if the store is away. Readers have it by now, so a failure goes nowhere else.
    pub(super) async fn save(self: &Arc<Self>, tip: &Arc<Tip>, origin: &TipOrigin) {
        if !self.try_save(tip, origin).await {
            let late = LateWrite::Tip(Arc::clone(tip), origin.clone());
            self.late_writes.push(late);
        }
    }

    /// Saves it within the store's time limit; false when the store is away.
    pub(super) async fn try_save(self: &Arc<Self>, tip: &Tip, origin: &TipOrigin) -> bool {
        let saved = timeout(STORE_TIMEOUT, self.store.save(tip, origin)).await;
        let is_away = matches!(saved, Err(_) | Ok(Err(Error::Unavailable { .. })));
        if let Some(was_kept) = self.of_store("save", saved) {
            tracing::debug!(tip = %tip.key, was_kept, "tip saved");
            if was_kept && origin.shown {
                self.show_soon();
            }
        }
        !is_away
    }

    fn of_store<T>(
        &self,
        what: &'static str,
        answer: Result<Result<T, Error>, Elapsed>,
    ) -> Option<T> {
        let problem = match answer {
            Ok(Ok(value)) => {
                if let Some(Failing { failures, lasted }) = self.store_outage.worked() {
                    tracing::info!(failures, ?lasted, "the store of tips works again");
                }
                return Some(value);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {STORE_TIMEOUT:?}"),
        };
        self.stats.store_errors.add(1);
        if let Some(Failing { failures, lasted }) = self.store_outage.failed() {
            tracing::warn!(what, problem, failures, ?lasted, "the store of tips fails");
        }
        None
    }

    /// A tip was saved that the catalog is to show: it is shown in the background as soon as it may be. One that
    /// cannot be, because the store fails or this replica ends, is shown with the next that is saved
    /// by any replica, or when some replica prunes.
    fn show_soon(self: &Arc<Self>) {
        self.is_show_due.store(true, SeqCst);
        if self.is_showing.swap(true, SeqCst) {
            return;
        }
        let tiers = Arc::clone(self);
        let show = async move {
            loop {
                while tiers.is_show_due.swap(false, SeqCst) {
                    tiers.show_due().await;
                }
                tiers.is_showing.store(false, SeqCst);
                // A tip that was saved just before that did not begin another round.
                let is_due = tiers.is_show_due.load(SeqCst);
                if !is_due || tiers.is_showing.swap(true, SeqCst) {
                    return;
                }
            }
        };
        let stop = self.stop.clone();
        self.tasks.spawn(stop.run_until_cancelled_owned(show));
    }

    async fn show_due(&self) {
        loop {
            let shown = timeout(STORE_TIMEOUT, self.store.show_due()).await;
            let Some(Some(left)) = self.of_store("show", shown) else {
                return;
            };
            sleep(left).await;
        }
    }

    fn now(&self) -> UnixMicros {
        self.clock.now()
    }
}
