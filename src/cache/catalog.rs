use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout_at},
};
use tokio_util::task::TaskTracker;
use tonic::async_trait;
use tracing::Instrument;

use super::{
    CacheStats, Knowledge, MissReason, SharedCache,
    entry::Entry,
    fault::{self, Fault},
    flight::{Flights, LoadFailure, Seat},
    key::ReadKey,
    loader::{Loader, Purpose},
    near::NearCache,
    serving::{CONFIRM_WITHIN, Caller},
    window::Window,
};
use crate::domain::{
    Answer, AnswerEncoder, CatalogReader, ChallengeId, ChallengeRepository, Clock, Error,
    ListQuery, ReadOptions, Source,
};

/// How long and how much is kept.
#[derive(Clone, Debug)]
pub struct CacheSettings {
    /// How long an entry is served that nothing has changed; shortened by up to a tenth.
    pub ttl: Duration,
    /// The near cache holds at most so many bytes.
    pub near_bytes: u64,
    /// How old an answer may be that is served, marked, while the database is gone.
    pub stale_retention: Duration,
    /// So many loads may be in the database at once.
    pub fill_concurrency: usize,
}

/// The catalog, read through the near cache, the shared cache and the database.
pub struct CachedCatalog {
    loader: Arc<Loader>,
    flights: Arc<Flights>,
    pub(super) knowledge: Arc<Knowledge>,
    pub(super) stats: Arc<CacheStats>,
    pub(super) stale_retention: Duration,
    tasks: TaskTracker,
}

/// So often a caller joins a load that the catalog then outran.
const ATTEMPTS: u32 = 4;

/// What the near cache has for a caller.
enum Near {
    Fresh(Answer),
    /// Valid by all that is known, but nobody confirmed that lately.
    Unconfirmed(Arc<Entry>),
    Miss(MissReason, Option<Arc<Entry>>),
}

impl CachedCatalog {
    /// Puts the caches before `repository`. Loads run on `tasks`, which shutdown waits for.
    #[must_use]
    pub fn new(
        repository: Arc<dyn ChallengeRepository>,
        encoder: Arc<dyn AnswerEncoder>,
        clock: Arc<dyn Clock>,
        shared: Option<Arc<SharedCache>>,
        knowledge: Arc<Knowledge>,
        settings: CacheSettings,
        tasks: TaskTracker,
    ) -> Self {
        let stats = Arc::new(CacheStats::default());
        let stale_retention = settings.stale_retention;
        let loader = Arc::new(Loader {
            repository,
            encoder,
            clock,
            shared,
            near: NearCache::new(settings.near_bytes, Arc::clone(&stats)),
            knowledge: Arc::clone(&knowledge),
            stats: Arc::clone(&stats),
            database_permits: Semaphore::new(settings.fill_concurrency),
            settings,
            tasks: tasks.clone(),
        });
        Self {
            loader,
            flights: Arc::default(),
            knowledge,
            stats,
            stale_retention,
            tasks,
        }
    }

    /// What the cache did since the process started.
    #[must_use]
    pub fn stats(&self) -> &Arc<CacheStats> {
        &self.stats
    }

    /// Notes the counts for the hit ratio of the last minutes, for ever.
    pub async fn keep_count(stats: Arc<CacheStats>) {
        loop {
            sleep(Window::BEAT).await;
            stats.window.note(stats.answers());
        }
    }

    pub(super) fn loader(&self) -> &Arc<Loader> {
        &self.loader
    }

    /// How many entries the near cache has, and how many bytes they take.
    #[must_use]
    pub fn near_size(&self) -> (usize, u64) {
        self.loader.near.size()
    }

    /// An answer for each of `keys`, waiting no longer than the caller does.
    async fn read(&self, keys: Vec<ReadKey>, options: ReadOptions) -> Result<Vec<Answer>, Error> {
        let arrived = Instant::now();
        let deadline = Instant::from_std(options.deadline);
        if let Some(version) = options
            .min_version
            .filter(|_| !fault::is(Fault::IgnoreTicket))
        {
            self.reach(version, deadline).await?;
        }
        // Only now: what was read while the version was waited for could be older than it.
        let caller = Caller {
            arrived,
            called: Instant::now(),
            deadline,
            least: options.min_version.map(|version| version.stamp),
        };
        let look = || keys.iter().map(|key| self.near(key)).collect::<Vec<_>>();
        let mut near = look();
        if near.iter().any(|near| matches!(near, Near::Unconfirmed(_))) {
            self.knowledge.confirm(CONFIRM_WITHIN).await;
            near = look();
        }
        let is_miss = |near: &Near| matches!(near, Near::Miss(..));
        let missing = keys
            .iter()
            .zip(&near)
            .filter(|(_, near)| is_miss(near))
            .map(|(key, _)| key);
        let mut seats = self.start(missing).into_iter();
        let seated = keys.iter().zip(near).map(|(key, near)| {
            let seat = if is_miss(&near) { seats.next() } else { None };
            self.finish(key, near, seat, caller)
        });
        let answers = timeout_at(deadline, join_all(seated)).await;
        answers
            .map_err(|_| Error::DeadlineExceeded)?
            .into_iter()
            .collect()
    }

    async fn finish(
        &self,
        key: &ReadKey,
        near: Near,
        seat: Option<Seat>,
        caller: Caller,
    ) -> Result<Answer, Error> {
        match near {
            Near::Fresh(answer) => {
                self.stats.near_hits.add(1);
                self.stats.hit_latency.record(caller.arrived.elapsed());
                tracing::debug!(%key, "near hit");
                Ok(answer)
            }
            Near::Unconfirmed(entry) => Ok(self.stale(key, &entry, Source::NearCache)),
            Near::Miss(reason, old) => {
                self.stats.near_miss(reason);
                tracing::debug!(%key, reason = reason.as_str(), "near miss");
                let answer = self.load(key, seat, old, caller).await;
                self.stats.load_latency.record(caller.arrived.elapsed());
                answer
            }
        }
    }

    fn near(&self, key: &ReadKey) -> Near {
        let Some(entry) = self.loader.near.get(key) else {
            return Near::Miss(MissReason::Absent, None);
        };
        let now = Instant::now();
        if now >= entry.expires {
            return Near::Miss(MissReason::Expired, Some(entry));
        }
        // First the age, then what it vouches for.
        let age = self.knowledge.fresh_age();
        if !self.knowledge.is_valid(key, &entry) {
            return Near::Miss(MissReason::Changed, Some(entry));
        }
        if entry.refresh.is_due(now) {
            self.refresh(key);
        }
        match age {
            Some(age) => Near::Fresh(self.answer(key, &entry, Source::NearCache, age, false)),
            None => Near::Unconfirmed(entry),
        }
    }

    /// Waits for loads of `key` until one brings an answer that may be called
    /// fresh for this caller, or shows that none is to be had.
    async fn load(
        &self,
        key: &ReadKey,
        mut seat: Option<Seat>,
        old: Option<Arc<Entry>>,
        caller: Caller,
    ) -> Result<Answer, Error> {
        let has_copy = old
            .as_ref()
            .is_some_and(|old| self.may_have_stale(key, old, caller));
        for _ in 0..ATTEMPTS {
            let next = seat.take().or_else(|| self.start([key]).pop());
            let Some(next) = next else { break };
            let outcome = tokio::select! {
                outcome = next.outcome() => outcome,
                () = self.patience(caller), if has_copy => Err(LoadFailure::too_slow()),
            };
            let loaded = match outcome {
                Ok(loaded) => loaded,
                Err(failure) => return self.instead(key, failure, old, caller),
            };
            if let Some(answer) = self.accept(key, &loaded, caller).await {
                return Ok(answer);
            }
        }
        Err(Error::Internal {
            context: "the catalog outran every load",
            source: None,
        })
    }

    /// Joins the loads of `keys`; those that nobody loads yet are loaded together.
    fn start<'a>(&self, keys: impl IntoIterator<Item = &'a ReadKey>) -> Vec<Seat> {
        let joined = keys.into_iter().map(|key| self.flights.join(key));
        let (seats, landings): (Vec<_>, Vec<_>) = joined.unzip();
        let landings: Vec<_> = landings.into_iter().flatten().collect();
        if !landings.is_empty() {
            let loader = Arc::clone(&self.loader);
            let load = async move { loader.load(landings, Purpose::Fill).await };
            self.tasks.spawn(load.in_current_span());
        }
        seats
    }

    /// Loads `key` again while its entry is still good, unless it is being loaded.
    fn refresh(&self, key: &ReadKey) {
        if let (_, Some(landing)) = self.flights.join(key) {
            self.stats.early_refreshes.add(1);
            let loader = Arc::clone(&self.loader);
            self.tasks
                .spawn(async move { loader.load(vec![landing], Purpose::Refresh).await });
        }
    }
}

#[async_trait]
impl CatalogReader for CachedCatalog {
    async fn list(&self, query: &ListQuery, options: ReadOptions) -> Result<Answer, Error> {
        let mut answers = self
            .read(vec![ReadKey::List(query.clone())], options)
            .await?;
        let nothing = || Error::Internal {
            context: "a read without an answer",
            source: None,
        };
        answers.pop().ok_or_else(nothing)
    }

    async fn get_many(
        &self,
        ids: &[ChallengeId],
        options: ReadOptions,
    ) -> Result<Vec<Answer>, Error> {
        self.read(
            ids.iter().copied().map(ReadKey::Challenge).collect(),
            options,
        )
        .await
    }
}
