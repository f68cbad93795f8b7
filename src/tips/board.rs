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
    CallerLimits, Provider, TipLimits, TipRedis, TipSettings, TipStats,
    budget::Budget,
    callers::Callers,
    cursor::Terms,
    desk::Desks,
    duty::Duty,
    fanout::Fanout,
    limiter::Limiter,
    log::{End, Failed, Log, Seat},
    memory::Memory,
    order::Order,
    reader::Reader,
    showing::Showing,
    supplier::Supplier,
};
use crate::{
    domain::{
        Asker, Clock, Error, FallbackCause, Flag, Locale, PersonaName, PromptBook, Tip, TipBoard,
        TipEvent, TipKey, TipMode, TipOrigin, TipRequest, TipSource, TipStore, TipSubject,
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
    pub providers: Vec<Provider>,
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
pub struct Board(pub(super) Arc<Core>);

/// What all parts of a board share.
pub(super) struct Core {
    pub(super) settings: TipSettings,
    pub(super) book: Arc<dyn PromptBook>,
    pub(super) suppliers: Vec<Supplier>,
    pub(super) store: Arc<dyn TipStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) fanout: Option<Fanout>,
    pub(super) memory: Memory,
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
    desks: Arc<Desks>,
    pub(super) showing: Showing,
}

impl Board {
    /// Puts a board together, and starts to listen to the other replicas.
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
            memory: Memory::new(settings.memory_bytes),
            caller_limits: Mutex::new(settings.caller),
            callers: Callers::new(settings.caller.at_once),
            desks: Arc::default(),
            showing: Showing::default(),
            stats: Arc::default(),
            fanout: redis.map(|redis| Fanout::new(redis, settings.max_bytes)),
            suppliers: parts.providers.into_iter().map(Supplier::from).collect(),
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
        match &self.0.fanout {
            Some(fanout) => fanout.reaches_redis().await,
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
        for (supplier, quota) in core.suppliers.iter().zip(&limits.providers) {
            supplier.set_quota(*quota);
        }
    }

    /// What the tips did so far.
    #[must_use]
    pub fn stats(&self) -> &Arc<TipStats> {
        &self.0.stats
    }
}

#[async_trait]
impl TipBoard for Board {
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
        let order = self.0.order(subject, locale, persona);
        self.0.kept(order.key).await.map(|tip| (*tip).clone())
    }

    fn most_cost(
        &self,
        subject: &TipSubject,
        locale: &Locale,
        persona: &PersonaName,
    ) -> Option<u64> {
        let order = self.0.order(subject, locale, persona);
        let suppliers = self.0.suppliers.iter();
        suppliers
            .map(|supplier| supplier.most_cost(&order.prompt))
            .max()
    }
}

impl Core {
    fn order(&self, subject: &TipSubject, locale: &Locale, persona: &PersonaName) -> Order {
        let route = self
            .suppliers
            .first()
            .map(|supplier| supplier.writer.route());
        Order::new(&*self.book, route, subject, locale, persona)
    }

    async fn reader(
        self: Arc<Self>,
        request: TipRequest,
        deadline: Instant,
    ) -> Result<Reader, Error> {
        self.stats.streams.add(1);
        let mut order = self.order(&request.subject, &request.locale, &request.persona);
        // For the others nothing is written; what is there will do.
        let switches = &self.settings.switches;
        let (turn, may_write) = match request.asker {
            Asker::Caller(caller, address) => {
                let may_write = switches.is_on_for(Flag::AiTips, &caller);
                (Some(self.turn(&caller, address).await?), may_write)
            }
            Asker::Run(account) => {
                order.account = Some(account);
                (None, switches.is_on(Flag::AiTips))
            }
        };
        let key = order.key;
        let (seat, came_first) = self.seat(order, request.mode, may_write).await;
        let generic = generic_tip(request.subject.difficulty);
        let static_tip = request
            .subject
            .static_tip
            .filter(|tip| !tip.trim().is_empty());
        let terms = Terms {
            key,
            static_tip: static_tip.as_deref().unwrap_or(generic).into(),
            no_static_fallback: request.no_static_fallback,
            resume: request.resume,
            came_first,
        };
        let stats = Arc::clone(&self.stats);
        Ok(Reader::new(
            terms,
            seat,
            deadline,
            request.heartbeat,
            stats,
            turn,
        ))
    }

    /// A seat at a log that has the tip, or gets it; and whether it was opened for this seat.
    async fn seat(self: &Arc<Self>, order: Order, asked: TipMode, may_write: bool) -> (Seat, bool) {
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
            TipMode::Default => self.in_memory(order.key),
            TipMode::CachedOnly => self.kept(order.key).await,
            TipMode::Refresh => None,
        };
        if let Some(tip) = kept {
            self.stats.joins_replay.add(1);
            return replay(tip);
        }
        let cause = match mode {
            _ if self.suppliers.is_empty() => Some(FallbackCause::NoProvider),
            _ if asked != TipMode::CachedOnly && !may_write => Some(FallbackCause::SwitchedOff),
            TipMode::CachedOnly => Some(FallbackCause::NotCached),
            TipMode::Default | TipMode::Refresh => None,
        };
        if let Some(cause) = cause {
            let mut failed = Failed::new(cause);
            failed.stale = self.newest(&order.origin).await;
            return (Log::ended(End::Failed(failed)).join(), false);
        }
        if mode == TipMode::Default
            && let Some(failed) = self.memory.failure(order.key)
        {
            return (Log::ended(End::Failed(failed)).join(), false);
        }
        let (seat, desk) = self.desks.join(order.key);
        let came_first = desk.is_some();
        match desk {
            None => self.stats.joins_follower.add(1),
            Some(desk) => {
                self.stats.joins_leader.add(1);
                let is_refresh = mode == TipMode::Refresh;
                let duty = Duty::new(Arc::clone(self), order, desk, is_refresh);
                self.tasks.spawn(duty.run().in_current_span());
            }
        }
        (seat, came_first)
    }

    /// The tip that is current, wherever it is kept.
    async fn kept(&self, key: TipKey) -> Option<Arc<Tip>> {
        if let Some(tip) = self.in_memory(key) {
            return Some(tip);
        }
        let now = self.clock.now();
        let shared = match &self.fanout {
            Some(fanout) => fanout.done(&fanout.names(key)).await,
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
        self.memory.keep(Arc::clone(&tip));
        Some(tip)
    }

    fn in_memory(&self, key: TipKey) -> Option<Arc<Tip>> {
        let tip = self.memory.tip(key, self.clock.now())?;
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
