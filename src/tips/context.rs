//! What generations and readers share: who writes, what admits a request, and where tips are kept.
//!
//! A tip is looked for in the cache of this replica, in Redis, and in the store, in this order.
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use tokio::time::{error::Elapsed, sleep, timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    TipSettings, TipStats, attempt::Admission, cluster::TipCluster, provider::Provider,
    settings::STORE_TIMEOUT, tip_cache::TipCache,
};
use crate::{
    domain::{Clock, Error, Tip, TipKey, TipOrigin, TipStore},
    telemetry::{Failing, FailureLog},
};

/// See the module.
pub(super) struct TipContext {
    pub(super) settings: TipSettings,
    pub(super) providers: Vec<Arc<Provider>>,
    pub(super) store: Arc<dyn TipStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) cluster: Option<TipCluster>,
    pub(super) tip_cache: TipCache,
    pub(super) admission: Admission,
    pub(super) stats: Arc<TipStats>,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
    pub(super) store_outage: FailureLog,
    pub(super) showing: Showing,
}

/// Whether tips are due, and whether somebody here waits to show them.
#[derive(Debug, Default)]
pub(super) struct Showing {
    is_due: AtomicBool,
    is_under_way: AtomicBool,
}

impl TipContext {
    /// The tip that is current, wherever it is kept.
    pub(super) async fn kept(&self, key: TipKey) -> Option<Arc<Tip>> {
        if let Some(tip) = self.in_memory(key) {
            return Some(tip);
        }
        let now = self.clock.now();
        let shared = match &self.cluster {
            Some(cluster) => cluster.done(&cluster.keys_of(key)).await,
            None => None,
        };
        let tip = match shared.filter(|tip| now < tip.expires_at) {
            Some(tip) => {
                self.stats.shared_hits.add(1);
                Some(tip)
            }
            None => self.find(key).await,
        };
        let tip = Arc::new(tip?);
        self.tip_cache.keep(Arc::clone(&tip));
        Some(tip)
    }

    pub(super) fn in_memory(&self, key: TipKey) -> Option<Arc<Tip>> {
        let tip = self.tip_cache.tip(key, self.clock.now())?;
        self.stats.memory_hits.add(1);
        Some(tip)
    }

    /// The tip that the store has, if it is current.
    pub(super) async fn find(&self, key: TipKey) -> Option<Tip> {
        let found = timeout(STORE_TIMEOUT, self.store.find(key)).await;
        let tip = self.of_store("find", found)??;
        let is_current = self.clock.now() < tip.expires_at;
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

    /// Keeps a tip for good. Readers have it by now, so a failure is told here and nowhere else.
    pub(super) async fn save(self: &Arc<Self>, tip: &Tip, origin: &TipOrigin) {
        let saved = timeout(STORE_TIMEOUT, self.store.save(tip, origin)).await;
        if let Some(was_kept) = self.of_store("save", saved) {
            tracing::debug!(tip = %tip.key, was_kept, "tip saved");
            if was_kept && origin.shown {
                self.show_soon();
            }
        }
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

    /// A tip was kept that the catalog is to show: it is shown in the background as soon as it may be. One that
    /// cannot be, because the store fails or this replica ends, is shown with the next that is kept
    /// anywhere, or when some replica prunes.
    fn show_soon(self: &Arc<Self>) {
        self.showing.is_due.store(true, SeqCst);
        if self.showing.is_under_way.swap(true, SeqCst) {
            return;
        }
        let context = Arc::clone(self);
        let show = async move {
            loop {
                while context.showing.is_due.swap(false, SeqCst) {
                    context.show_what_is_due().await;
                }
                context.showing.is_under_way.store(false, SeqCst);
                // One that was kept just before that did not begin another round.
                let is_due = context.showing.is_due.load(SeqCst);
                if !is_due || context.showing.is_under_way.swap(true, SeqCst) {
                    return;
                }
            }
        };
        let stop = self.stop.clone();
        self.tasks.spawn(stop.run_until_cancelled_owned(show));
    }

    async fn show_what_is_due(&self) {
        loop {
            let shown = timeout(STORE_TIMEOUT, self.store.show_due()).await;
            let Some(Some(left)) = self.of_store("show", shown) else {
                return;
            };
            sleep(left).await;
        }
    }
}
