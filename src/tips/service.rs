//! Opens streams of tips: finds a kept tip, or subscribes to a log and has it filled.
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
    attempt::{AttemptRecorder, ProviderAdmission},
    budget::Budget,
    callers::Callers,
    cluster::TipCluster,
    generation::Generator,
    generation_task::GenerationTask,
    late_writer::LateWriter,
    late_writes::{LateWrites, Waiting},
    limiter::Limiter,
    log::{ActiveLogs, Failed, Log, LogEnd, Subscription},
    provider::Provider,
    reader::{LogReader, ReaderOptions},
    request::GenerationRequest,
    tiers::TipTiers,
};
use crate::domain::{
    Asker, Clock, Error, FallbackCause, Flag, Locale, PersonaName, PromptBook, Tip, TipEvent,
    TipMode, TipRequest, TipSource, TipStore, TipStreams, TipSubject, generic_tip,
};

/// What the tip service is made of.
pub struct TipParts {
    /// Words the prompts.
    pub book: Arc<dyn PromptBook>,
    /// The providers, in the order in which they are tried; none for static tips only.
    pub providers: Vec<ProviderSpec>,
    /// Where finished tips are kept.
    pub store: Arc<dyn TipStore>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// How the replicas reach each other; `None` for a single replica.
    pub redis: Option<TipRedis>,
    /// All background work.
    pub tasks: TaskTracker,
    /// Ends it: leases are given back, so that other replicas go on at once.
    pub stop: CancellationToken,
}

/// The tips of one replica: those that are kept, those that are being written, and their readers.
#[derive(Clone)]
pub struct TipService {
    pub(super) generator: Arc<Generator>,
    pub(super) cluster: Option<Arc<TipCluster>>,
    tiers: Arc<TipTiers>,
    book: Arc<dyn PromptBook>,
    callers: Arc<Callers>,
    active_logs: Arc<ActiveLogs>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl TipService {
    /// Puts the tip service together, and starts its background work.
    #[must_use]
    pub fn new(settings: TipSettings, parts: TipParts) -> Self {
        let TipParts {
            book,
            providers,
            store,
            clock,
            redis,
            tasks,
            stop,
        } = parts;
        let redis = redis.map(Arc::new);
        let stats = Arc::<TipStats>::default();
        let (late_writes, waiting) = LateWrites::new();
        let recorder = AttemptRecorder {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            stats: Arc::clone(&stats),
            late_writes: late_writes.clone(),
            tasks: tasks.clone(),
        };
        let admission = provider_admission(&settings, redis.as_ref(), recorder);
        let callers = Callers::new(settings.caller, &admission.limiter, &stats);
        let cluster = redis.clone();
        let cluster = cluster.map(|redis| Arc::new(TipCluster::new(redis, settings.max_bytes)));
        let tiers = TipTiers::new(
            settings.memory_bytes,
            cluster.clone(),
            (store, late_writes),
            Arc::clone(&clock),
            Arc::clone(&stats),
            (tasks.clone(), stop.clone()),
        );
        let generator = Generator {
            providers: providers
                .into_iter()
                .map(Provider::from)
                .map(Arc::new)
                .collect(),
            admission,
            settings,
            clock,
            stats,
        };
        let service = Self {
            generator: Arc::new(generator),
            cluster,
            tiers: Arc::new(tiers),
            book,
            callers,
            active_logs: Arc::default(),
            tasks,
            stop,
        };
        service.start(redis, waiting);
        service
    }

    /// Starts to receive messages of the other replicas, to report spending to them, and to offer the store again what
    /// it did not take.
    fn start(&self, redis: Option<Arc<TipRedis>>, waiting: Waiting) {
        let late_writer = LateWriter {
            tiers: Arc::clone(&self.tiers),
            recorder: Arc::clone(&self.generator.admission.recorder),
            waiting,
        };
        self.tasks.spawn(late_writer.run(self.stop.clone()));
        if let Some(redis) = redis {
            let run = async move { redis.listener.run().await };
            self.tasks
                .spawn(self.stop.clone().run_until_cancelled_owned(run));
        }
        let (generator, stop) = (Arc::clone(&self.generator), self.stop.clone());
        let report = async move { generator.admission.budget.report_spending(&stop).await };
        self.tasks.spawn(report);
    }

    /// Whether Redis runs all commands of tips; true without Redis. While a breaker is open, each command is tried.
    pub async fn reaches_redis(&self) -> bool {
        match &self.cluster {
            Some(cluster) => cluster.reaches_redis().await,
            None => true,
        }
    }

    /// Sets other limits; they hold for requests from now on.
    pub fn set_limits(&self, limits: &TipLimits) {
        let generator = &self.generator;
        self.callers.set_limits(limits.caller);
        let budget = &generator.admission.budget;
        budget.set_limit(limits.daily_budget_micro_usd);
        for (provider, quota) in generator.providers.iter().zip(&limits.providers) {
            provider.set_quota(*quota);
        }
    }

    /// The counters of tips since the start.
    #[must_use]
    pub fn stats(&self) -> &Arc<TipStats> {
        &self.generator.stats
    }
}

/// What decides whether a request may go to a provider, by `settings`.
fn provider_admission(
    settings: &TipSettings,
    redis: Option<&Arc<TipRedis>>,
    recorder: AttemptRecorder,
) -> ProviderAdmission {
    ProviderAdmission {
        switches: Arc::clone(&settings.switches),
        places: Arc::new(Semaphore::new(settings.requests_at_once)),
        budget: Budget::new(
            redis.cloned(),
            settings.daily_budget_micro_usd,
            settings.replicas,
            Arc::clone(&recorder.clock),
        ),
        limiter: Limiter::new(redis.cloned(), settings.replicas, recorder.tasks.clone()),
        recorder: Arc::new(recorder),
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
            .map_ok(LogReader::events)
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
        let tip = self.tiers.find(&request).await?;
        Some(Arc::unwrap_or_clone(tip))
    }

    fn most_cost(
        &self,
        subject: &TipSubject,
        locale: &Locale,
        persona: &PersonaName,
    ) -> Option<u64> {
        let request = self.request(subject, locale, persona);
        let providers = self.generator.providers.iter();
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
        let first = self.generator.providers.first();
        let route = first.map(|provider| provider.writer.route());
        GenerationRequest::new(&*self.book, route, subject, locale, persona)
    }

    async fn reader(&self, asked: TipRequest, deadline: Instant) -> Result<LogReader, Error> {
        let mut request = self.request(&asked.subject, &asked.locale, &asked.persona);
        // For callers without the flag nothing is written; they get what is kept.
        let switches = &self.generator.settings.switches;
        let (permit, may_write) = match asked.asker {
            Asker::Caller(caller, address) => {
                let may_write = switches.is_on_for(Flag::AiTips, &caller);
                (
                    Some(self.callers.permit(&caller, address).await?),
                    may_write,
                )
            }
            Asker::Run(run_budget) => {
                request.run_budget = Some(run_budget);
                (None, switches.is_on(Flag::AiTips))
            }
        };
        self.stats().streams.add(1);
        let key = request.key;
        let (subscription, came_first) = self.subscribe(request, asked.mode, may_write).await;
        let generic = generic_tip(asked.subject.difficulty);
        let static_tip = asked
            .subject
            .static_tip
            .filter(|tip| !tip.trim().is_empty());
        let options = ReaderOptions {
            key,
            static_tip: static_tip.as_deref().unwrap_or(generic).into(),
            no_static_fallback: asked.no_static_fallback,
            resume: asked.resume,
            came_first,
        };
        let stats = Arc::clone(self.stats());
        Ok(LogReader::new(
            options,
            subscription,
            deadline,
            asked.heartbeat,
            stats,
            permit,
        ))
    }

    /// Subscribes to a log that has the tip, or gets it; and returns whether it was opened for this subscription.
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
            (Log::ended(LogEnd::Whole { tip, source }).join(), false)
        };
        let kept = match mode {
            TipMode::Default => self.tiers.in_memory(request.key),
            TipMode::CachedOnly => self.tiers.find(&request).await,
            TipMode::Refresh => None,
        };
        if let Some(tip) = kept {
            self.stats().joins_replay.add(1);
            return replay(tip);
        }
        let cause = match mode {
            _ if self.generator.providers.is_empty() => Some(FallbackCause::NoProvider),
            _ if asked != TipMode::CachedOnly && !may_write => Some(FallbackCause::SwitchedOff),
            TipMode::CachedOnly => Some(FallbackCause::NotCached),
            TipMode::Default | TipMode::Refresh => None,
        };
        if let Some(cause) = cause {
            let mut failed = Failed::new(cause);
            failed.stale = self.tiers.newest(&request.origin).await;
            return (Log::ended(LogEnd::Failed(failed)).join(), false);
        }
        if mode == TipMode::Default
            && let Some(failed) = self.tiers.failure(request.key)
        {
            return (Log::ended(LogEnd::Failed(failed)).join(), false);
        }
        let (subscription, log_guard) = self.active_logs.join(request.key);
        let came_first = log_guard.is_some();
        match log_guard {
            None => self.stats().joins_follower.add(1),
            Some(log_guard) => {
                self.stats().joins_leader.add(1);
                let cluster = self.cluster.as_ref();
                let task = GenerationTask {
                    generator: Arc::clone(&self.generator),
                    tiers: Arc::clone(&self.tiers),
                    cluster_tip: cluster.map(|cluster| cluster.tip(request.key)),
                    request,
                    log_guard,
                    is_refresh: mode == TipMode::Refresh,
                    stop: self.stop.clone(),
                };
                self.tasks.spawn(task.run().in_current_span());
            }
        }
        (subscription, came_first)
    }
}
