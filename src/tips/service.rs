//! Opens streams of tips: looks for a kept tip, or subscribes to a log and has it filled.
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

use super::{
    ProviderSpec, TipLimits, TipRedis, TipSettings, TipStats,
    attempt::{Admission, AttemptLedger},
    budget::Budget,
    callers::Callers,
    cluster::TipCluster,
    context::{Showing, TipContext},
    cursor::Terms,
    generation_request::GenerationRequest,
    generation_task::GenerationTask,
    limiter::Limiter,
    log::{ActiveLogs, End, Failed, Log, Subscription},
    provider::Provider,
    reader::Reader,
    tip_cache::TipCache,
};
use crate::{
    domain::{
        Asker, Clock, Error, FallbackCause, Flag, Locale, PersonaName, PromptBook, Tip, TipEvent,
        TipMode, TipRequest, TipSource, TipStore, TipStreams, TipSubject, generic_tip,
    },
    telemetry::FailureLog,
};

/// What the tip service is made of.
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
#[derive(Clone)]
pub struct TipService {
    pub(super) context: Arc<TipContext>,
    book: Arc<dyn PromptBook>,
    callers: Arc<Callers>,
    active_logs: Arc<ActiveLogs>,
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
        let stats = Arc::<TipStats>::default();
        let admission = Admission {
            switches: Arc::clone(&settings.switches),
            places: Arc::new(Semaphore::new(settings.orders_at_once)),
            budget: Budget::new(
                redis.clone(),
                settings.daily_budget_micro_usd,
                settings.replicas,
                Arc::clone(&parts.clock),
            ),
            limiter: Limiter::new(redis.clone(), settings.replicas, parts.tasks.clone()),
            ledger: Arc::new(AttemptLedger {
                store: Arc::clone(&parts.store),
                clock: Arc::clone(&parts.clock),
                stats: Arc::clone(&stats),
                tasks: parts.tasks.clone(),
            }),
        };
        let providers = parts.providers.into_iter().map(Provider::from);
        let context = Arc::new(TipContext {
            providers: providers.map(Arc::new).collect(),
            store: parts.store,
            clock: parts.clock,
            cluster: redis.map(|redis| TipCluster::new(redis, settings.max_bytes)),
            tip_cache: TipCache::new(settings.memory_bytes),
            admission,
            stats,
            tasks: parts.tasks,
            stop: parts.stop,
            store_outage: FailureLog::default(),
            showing: Showing::default(),
            settings,
        });
        let spending = Arc::clone(&context);
        let tell = async move {
            let budget = &spending.admission.budget;
            budget.tell_spending(&spending.stop).await;
        };
        context.tasks.spawn(tell);
        let (limiter, stats) = (&context.admission.limiter, &context.stats);
        Self {
            callers: Callers::new(context.settings.caller, limiter, stats),
            book: parts.book,
            active_logs: Arc::default(),
            context,
        }
    }

    /// Whether Redis does what tips need of it; true without Redis. Where it failed it is tried.
    pub async fn reaches_redis(&self) -> bool {
        match &self.context.cluster {
            Some(cluster) => cluster.reaches_redis().await,
            None => true,
        }
    }

    /// Sets other limits; they hold for what is asked from now on.
    pub fn set_limits(&self, limits: &TipLimits) {
        let context = &self.context;
        self.callers.set_limits(limits.caller);
        let budget = &context.admission.budget;
        budget.set_limit(limits.daily_budget_micro_usd);
        for (provider, quota) in context.providers.iter().zip(&limits.providers) {
            provider.set_quota(*quota);
        }
    }

    /// What the tips did so far.
    #[must_use]
    pub fn stats(&self) -> &Arc<TipStats> {
        &self.context.stats
    }
}

#[async_trait]
impl TipStreams for TipService {
    fn open(&self, request: TipRequest) -> BoxStream<'static, Result<TipEvent, Error>> {
        let service = self.clone();
        let deadline = Instant::from_std(request.deadline);
        let reader = async move {
            let reader = timeout_at(deadline, service.reader(request, deadline)).await;
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
        let request = self.request(subject, locale, persona);
        self.context
            .kept(request.key)
            .await
            .map(|tip| (*tip).clone())
    }

    fn most_cost(
        &self,
        subject: &TipSubject,
        locale: &Locale,
        persona: &PersonaName,
    ) -> Option<u64> {
        let request = self.request(subject, locale, persona);
        let providers = self.context.providers.iter();
        providers
            .map(|provider| provider.most_cost(&request.prompt))
            .max()
    }
}

impl TipService {
    fn request(
        &self,
        subject: &TipSubject,
        locale: &Locale,
        persona: &PersonaName,
    ) -> GenerationRequest {
        let route = self
            .context
            .providers
            .first()
            .map(|provider| provider.writer.route());
        GenerationRequest::new(&*self.book, route, subject, locale, persona)
    }

    async fn reader(&self, asked: TipRequest, deadline: Instant) -> Result<Reader, Error> {
        self.context.stats.streams.add(1);
        let mut request = self.request(&asked.subject, &asked.locale, &asked.persona);
        // For the others nothing is written; what is there will do.
        let switches = &self.context.settings.switches;
        let (permit, may_write) = match asked.asker {
            Asker::Caller(caller, address) => {
                let may_write = switches.is_on_for(Flag::AiTips, &caller);
                (
                    Some(self.callers.permit(&caller, address).await?),
                    may_write,
                )
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
        let stats = Arc::clone(&self.context.stats);
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
        &self,
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
            TipMode::Default => self.context.in_memory(request.key),
            TipMode::CachedOnly => self.context.kept(request.key).await,
            TipMode::Refresh => None,
        };
        if let Some(tip) = kept {
            self.context.stats.joins_replay.add(1);
            return replay(tip);
        }
        let cause = match mode {
            _ if self.context.providers.is_empty() => Some(FallbackCause::NoProvider),
            _ if asked != TipMode::CachedOnly && !may_write => Some(FallbackCause::SwitchedOff),
            TipMode::CachedOnly => Some(FallbackCause::NotCached),
            TipMode::Default | TipMode::Refresh => None,
        };
        if let Some(cause) = cause {
            let mut failed = Failed::new(cause);
            failed.stale = self.context.newest(&request.origin).await;
            return (Log::ended(End::Failed(failed)).join(), false);
        }
        if mode == TipMode::Default
            && let Some(failed) = self.context.tip_cache.failure(request.key)
        {
            return (Log::ended(End::Failed(failed)).join(), false);
        }
        let (subscription, log_guard) = self.active_logs.join(request.key);
        let came_first = log_guard.is_some();
        match log_guard {
            None => self.context.stats.joins_follower.add(1),
            Some(log_guard) => {
                self.context.stats.joins_leader.add(1);
                let is_refresh = mode == TipMode::Refresh;
                let task =
                    GenerationTask::new(Arc::clone(&self.context), request, log_guard, is_refresh);
                self.context.tasks.spawn(task.run().in_current_span());
            }
        }
        (subscription, came_first)
    }
}
