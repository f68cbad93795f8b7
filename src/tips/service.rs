use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

use super::{
    CallerLimits, ProviderSpec, TipLimits, TipRedis, TipSettings, TipStats,
    active_logs::ActiveLogs,
    budget::Budget,
    callers::Callers,
    cluster::TipCluster,
    cursor::Terms,
    generation_request::GenerationRequest,
    generation_task::GenerationTask,
    limiter::Limiter,
    log::{End, Failed, Log, Subscription},
    provider::Provider,
    reader::Reader,
    showing::Showing,
    tip_cache::TipCache,
};
use crate::{
    domain::{
        Asker, Clock, Error, FallbackCause, Flag, Locale, PersonaName, PromptBook, Tip, TipEvent,
        TipKey, TipMode, TipOrigin, TipRequest, TipSource, TipStore, TipStreams, TipSubject,
        generic_tip,
    },
    telemetry::{Failing, FailureLog},
};

/// The store is waited for no longer than this.
pub(super) const STORE_TIMEOUT: Duration = Duration::from_secs(2);

/// What the board is made of.
pub struct TipParts {
    /// Words the prompts.
    pub book: Arc<dyn PromptBook>,
    /// Who writes, in the order in which they are asked; none for static tips only.
    pub providers: Vec<ProviderSpec>,
    /// Where finished tips are kept.
    pub store: Arc<dyn TipStore>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// How the replicas reach each other; `None` for one that is alone.
    pub redis: Option<TipRedis>,
    /// All background work.
    pub tasks: TaskTracker,
    /// Ends it: leases are given back, so that other replicas go on at once.
    pub stop: CancellationToken,
}

/// The tips of one replica: what is kept, what is being written, and who reads it.
pub struct TipService(pub(super) Arc<Core>);

/// What all parts of the tip service share.
pub(super) struct Core {
    pub(super) settings: TipSettings,
    pub(super) book: Arc<dyn PromptBook>,
    pub(super) providers: Vec<Provider>,
    pub(super) store: Arc<dyn TipStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) cluster: Option<TipCluster>,
    pub(super) tip_cache: TipCache,
    pub(super) limiter: Limiter,
    pub(super) budget: Budget,
    /// Places for orders that are under way.
    pub(super) places: Arc<Semaphore>,
    pub(super) stats: Arc<TipStats>,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
    store_outage: FailureLog,
    pub(super) caller_limits: Mutex<CallerLimits>,
    pub(super) callers: Arc<Callers>,
    active_logs: Arc<ActiveLogs>,
    pub(super) showing: Showing,
}

impl TipService {
    /// Puts the tip service together, and starts to listen to the other replicas.
    #[must_use]
    pub fn new(settings: TipSettings, parts: TipParts) -> Self {
        let redis = parts.redis.map(Arc::new);
        if let Some(redis) = &redis {
            let (listener, stop) = (Arc::clone(&redis.listener), parts.stop.clone());
            let run = stop.run_until_cancelled_owned(async move { listener.run().await });
            parts.tasks.spawn(run);
        }
        let board = Self(Arc::new(Core {
            limiter: Limiter::new(redis.clone(), settings.replicas),
            budget: Budget::new(
                redis.clone(),
                settings.daily_budget_micro_usd,
                settings.replicas,
                Arc::clone(&parts.clock),
            ),
            places: Arc::new(Semaphore::new(settings.orders_at_once)),
            tip_cache: TipCache::new(settings.memory_bytes),
            caller_limits: Mutex::new(settings.caller),
            callers: Callers::new(settings.caller.at_once),
            active_logs: Arc::default(),
            showing: Showing::default(),
            stats: Arc::default(),
            cluster: redis.map(|redis| TipCluster::new(redis, settings.max_bytes)),
            providers: parts.providers.into_iter().map(Provider::from).collect(),
            book: parts.book,
            store: parts.store,
            clock: parts.clock,
            tasks: parts.tasks,
            stop: parts.stop,
            store_outage: FailureLog::default(),
            settings,
        }));
        let core = board.core();
        let tell = async move { core.budget.tell_spending(&core.stop).await };
        board.0.tasks.spawn(tell);
        board
    }

    /// Whether Redis does what tips need of it; true without Redis. Where it failed it is tried.
    pub async fn reaches_redis(&self) -> bool {
        match &self.0.cluster {
            Some(cluster) => cluster.reaches_redis().await,
            None => true,
        }
    }

    /// For those who work for it.
    pub(super) fn core(&self) -> Arc<Core> {
        Arc::clone(&self.0)
    }

    /// Sets other limits; they hold for what is asked from now on.
    pub fn set_limits(&self, limits: &TipLimits) {
        let core = &self.0;
        *core
            .caller_limits
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = limits.caller;
        core.callers.set_at_once(limits.caller.at_once);
        core.budget.set_limit(limits.daily_budget_micro_usd);
        for (provider, quota) in core.providers.iter().zip(&limits.providers) {
            provider.set_quota(*quota);
        }
    }

    /// What the tips did so far.
    #[must_use]
    pub fn stats(&self) -> &Arc<TipStats> {
        &self.0.stats
    }
}

#[async_trait]
impl TipStreams for TipService {
    fn open(&self, request: TipRequest) -> BoxStream<'static, Result<TipEvent, Error>> {
        let core = Arc::clone(&self.0);
        let deadline = Instant::from_std(request.deadline);
        let reader = async move {
            let reader = timeout_at(deadline, core.reader(request, deadline)).await;
            reader.unwrap_or(Err(Error::DeadlineExceeded))
        };
        stream::once(reader)
            .map_ok(Reader::events)
            .try_flatten()
            .boxed()
    }

    async fn cached(
        &self,
        subject: &TipSubject,
        locale: &Locale,
        persona: &PersonaName,
    ) -> Option<Tip> {
        let request = self.0.request(subject, locale, persona);
        self.0.kept(request.key).await.map(|tip| (*tip).clone())
    }

    fn most_cost(
        &self,
        subject: &TipSubject,
        locale: &Locale,
        persona: &PersonaName,
    ) -> Option<u64> {
        let request = self.0.request(subject, locale, persona);
        let providers = self.0.providers.iter();
        providers
            .map(|provider| provider.most_cost(&request.prompt))
            .max()
    }
}

impl Core {
    fn request(
        &self,
        subject: &TipSubject,
        locale: &Locale,
        persona: &PersonaName,
    ) -> GenerationRequest {
        let route = self
            .providers
            .first()
            .map(|provider| provider.writer.route());
        GenerationRequest::new(&*self.book, route, subject, locale, persona)
    }

    async fn reader(
        self: Arc<Self>,
        asked: TipRequest,
        deadline: Instant,
    ) -> Result<Reader, Error> {
        self.stats.streams.add(1);
        let mut request = self.request(&asked.subject, &asked.locale, &asked.persona);
        // For the others nothing is written; what is there will do.
        let switches = &self.settings.switches;
        let (permit, may_write) = match asked.asker {
            Asker::Caller(caller, address) => {
                let may_write = switches.is_on_for(Flag::AiTips, &caller);
                (Some(self.permit(&caller, address).await?), may_write)
            }
            Asker::Run(account) => {
                request.account = Some(account);
                (None, switches.is_on(Flag::AiTips))
            }
        };
        let key = request.key;
        let (subscription, came_first) = self.subscribe(request, asked.mode, may_write).await;
        let generic = generic_tip(asked.subject.difficulty);
        let static_tip = asked
            .subject
            .static_tip
            .filter(|tip| !tip.trim().is_empty());
        let terms = Terms {
            key,
            static_tip: static_tip.as_deref().unwrap_or(generic).into(),
            no_static_fallback: asked.no_static_fallback,
            resume: asked.resume,
            came_first,
        };
        let stats = Arc::clone(&self.stats);
        Ok(Reader::new(
            terms,
            subscription,
            deadline,
            asked.heartbeat,
            stats,
            permit,
        ))
    }

    /// A subscription at a log that has the tip, or gets it; and whether it was opened for this subscription.
    async fn subscribe(
        self: &Arc<Self>,
        request: GenerationRequest,
        asked: TipMode,
        may_write: bool,
    ) -> (Subscription, bool) {
        let mode = if may_write {
            asked
        } else {
            TipMode::CachedOnly
        };
        let replay = |tip| {
            let source = TipSource::Cache;
            (Log::ended(End::Whole { tip, source }).join(), false)
        };
        let kept = match mode {
            TipMode::Default => self.in_memory(request.key),
            TipMode::CachedOnly => self.kept(request.key).await,
            TipMode::Refresh => None,
        };
        if let Some(tip) = kept {
            self.stats.joins_replay.add(1);
            return replay(tip);
        }
        let cause = match mode {
            _ if self.providers.is_empty() => Some(FallbackCause::NoProvider),
            _ if asked != TipMode::CachedOnly && !may_write => Some(FallbackCause::SwitchedOff),
            TipMode::CachedOnly => Some(FallbackCause::NotCached),
            TipMode::Default | TipMode::Refresh => None,
        };
        if let Some(cause) = cause {
            let mut failed = Failed::new(cause);
            failed.stale = self.newest(&request.origin).await;
            return (Log::ended(End::Failed(failed)).join(), false);
        }
        if mode == TipMode::Default
            && let Some(failed) = self.tip_cache.failure(request.key)
        {
            return (Log::ended(End::Failed(failed)).join(), false);
        }
        let (subscription, log_guard) = self.active_logs.join(request.key);
        let came_first = log_guard.is_some();
        match log_guard {
            None => self.stats.joins_follower.add(1),
            Some(log_guard) => {
                self.stats.joins_leader.add(1);
                let is_refresh = mode == TipMode::Refresh;
                let task = GenerationTask::new(Arc::clone(self), request, log_guard, is_refresh);
                self.tasks.spawn(task.run().in_current_span());
            }
        }
        (subscription, came_first)
    }

    /// The tip that is current, wherever it is kept.
    async fn kept(&self, key: TipKey) -> Option<Arc<Tip>> {
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

    fn in_memory(&self, key: TipKey) -> Option<Arc<Tip>> {
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

    pub(super) fn of_store<T>(
        &self,
        what: &'static str,
        answer: Result<Result<T, Error>, tokio::time::error::Elapsed>,
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
}
