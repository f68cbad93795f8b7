//! A read through near cache, shared cache and database. Read `lookup` and `staleness` first: what may be served is decided
//! there; what is missing is loaded by `loader`, once for all who wait.
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{FutureExt, future::join_all};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::task::TaskTracker;

use super::{
    CacheStats, InvalidationState, SharedCache,
    database::DatabaseReader,
    entry::{CacheEntry, ReadKey},
    loader::{CacheSettings, Loader, Purpose},
    lookup::{Lookup, Near},
    near::NearCache,
    single_flight::{DetachOnDrop, LoadFailure, LoadWaiter, SingleFlight},
    staleness::{CONFIRM_WITHIN, ReadRequest, Staleness, check_history},
};
use crate::{
    domain::{
        Answer, AnswerEncoder, CatalogReader, ChallengeId, ChallengeRepository, Clock, Error, Flag,
        Freshness, ListQuery, ReadOptions, Source, TipSubject, Version,
    },
    telemetry::RollingWindow,
};

/// The catalog, read through the near cache, the shared cache and the database.
pub struct CachedCatalog {
    pub(super) loader: Arc<Loader>,
    single_flight: Arc<SingleFlight>,
    lookup: Lookup,
    staleness: Staleness,
}

/// How many loads a caller waits for when each result is already superseded.
const ATTEMPTS: u32 = 4;

impl CachedCatalog {
    /// Puts the caches before `repository`. Loads run on `tasks`, which shutdown waits for.
    #[must_use]
    pub fn new(
        repository: Arc<dyn ChallengeRepository>,
        encoder: Arc<dyn AnswerEncoder>,
        clock: Arc<dyn Clock>,
        shared: Option<Arc<SharedCache>>,
        invalidation: Arc<InvalidationState>,
        settings: CacheSettings,
        tasks: TaskTracker,
    ) -> Self {
        let stats = Arc::new(CacheStats::default());
        let staleness = Staleness {
            invalidation: Arc::clone(&invalidation),
            stats: Arc::clone(&stats),
            switches: Arc::clone(&settings.switches),
            stale_retention: settings.stale_retention,
        };
        let loader = Arc::new(Loader {
            database: DatabaseReader::new(repository, encoder, settings.fill_concurrency),
            clock,
            shared,
            near: NearCache::new(settings.near_bytes, Arc::clone(&stats)),
            invalidation,
            stats,
            ttl_ms: AtomicU64::new(millis(settings.ttl)),
            settings,
            tasks,
        });
        let single_flight = Arc::default();
        Self {
            lookup: Lookup::new(&loader, &single_flight),
            loader,
            single_flight,
            staleness,
        }
    }

    /// What the cache did since the process started.
    #[must_use]
    pub fn stats(&self) -> &Arc<CacheStats> {
        &self.loader.stats
    }

    /// Keeps what is loaded from now on for `ttl`.
    pub fn set_ttl(&self, ttl: Duration) {
        self.loader.ttl_ms.store(millis(ttl), Relaxed);
    }

    /// Empties the near cache.
    pub fn clear_near(&self) {
        self.loader.near.clear();
    }

    /// Whether operators let this part of the cache be used.
    pub(super) fn is_on(&self, flag: Flag) -> bool {
        self.loader.settings.switches.is_on(flag)
    }

    /// Samples, for ever, the counters from which the ratios and latencies of the last minutes are computed.
    pub async fn sample_rates(stats: Arc<CacheStats>) {
        loop {
            sleep(RollingWindow::<()>::BEAT).await;
            stats.note_readings();
        }
    }

    /// How many entries the near cache has, and how many bytes they take.
    #[must_use]
    pub fn near_size(&self) -> (usize, u64) {
        self.loader.near.size()
    }

    /// True as long as the last read of lists, or of challenges, failed, whether polls work or not.
    #[must_use]
    pub fn loads_fail(&self) -> bool {
        self.loader.database.is_failing()
    }

    /// Reads from the database what nearly all callers ask, past all caches, so that it is noticed when
    /// reads work again though no caller asks.
    pub async fn try_loads(&self) {
        let [list, ..] = ListQuery::common();
        let keys = [
            ReadKey::List(list),
            ReadKey::Challenge(ChallengeId::from(uuid::Uuid::nil())),
        ];
        for key in keys {
            // How it went is noted.
            self.loader.database.read_again(&key, None).await.ok();
        }
    }

    /// An answer for each of `keys`, waiting no longer than the caller does.
    async fn read(&self, keys: Vec<ReadKey>, options: ReadOptions) -> Result<Vec<Answer>, Error> {
        let arrived = Instant::now();
        let deadline = Instant::from_std(options.deadline);
        if let Some(version) = options.min_version {
            self.staleness.wait_for(version, deadline).await?;
        }
        // Only now: what was read while the version was waited for could be older than it.
        let caller = ReadRequest {
            arrived,
            called: Instant::now(),
            deadline,
            least: options.min_version,
        };
        if !options.may_load {
            let answers = self.read_at_hand(&keys, caller)?;
            return are_of_one_history(&answers)
                .then_some(answers)
                .ok_or_else(superseded);
        }
        for _ in 0..ATTEMPTS {
            let answers = self.read_once(&keys, caller).await?;
            if are_of_one_history(&answers) {
                return Ok(answers);
            }
        }
        Err(superseded())
    }

    /// What the near cache has for each of `keys`, fresh or stale, for a caller for whom there is no room to wait.
    fn read_at_hand(&self, keys: &[ReadKey], caller: ReadRequest) -> Result<Vec<Answer>, Error> {
        let (now, snapshot) = (Instant::now(), self.loader.invalidation.snapshot());
        caller
            .least
            .map_or(Ok(()), |least| check_history(least, snapshot.version))?;
        let copy = |key: &ReadKey| {
            let entry = match self.lookup.find(key, now, snapshot) {
                Near::Fresh(answer) => {
                    self.stats().near_hits.add(1);
                    return Ok(answer);
                }
                Near::Unconfirmed(entry) | Near::Miss(_, Some(entry)) => entry,
                Near::Miss(_, None) => return Err(Error::overloaded()),
            };
            let may_serve = self.staleness.may_serve_stale(key, &entry, caller);
            let entry = may_serve.then_some(entry).ok_or_else(Error::overloaded)?;
            let answer =
                self.staleness
                    .build_stale_answer(key, &entry, Source::NearCache, caller)?;
            answer.ok_or_else(Error::overloaded)
        };
        keys.iter().map(copy).collect()
    }

    /// An answer for each of `keys`, which may be of different histories.
    async fn read_once(&self, keys: &[ReadKey], caller: ReadRequest) -> Result<Vec<Answer>, Error> {
        let find_all = || {
            let (now, snapshot) = (Instant::now(), self.loader.invalidation.snapshot());
            // A server may have taken over since the version was reached.
            caller
                .least
                .map_or(Ok(()), |least| check_history(least, snapshot.version))?;
            let near = keys.iter().map(|key| self.lookup.find(key, now, snapshot));
            Ok::<_, Error>(near.collect::<Vec<_>>())
        };
        let mut near = find_all()?;
        if near.iter().any(|near| matches!(near, Near::Unconfirmed(_))) {
            self.loader.invalidation.confirm(CONFIRM_WITHIN).await;
            near = find_all()?;
        }
        for (key, near) in keys.iter().zip(&mut near) {
            near.refuse_unconfirmed_unless(|entry| {
                self.staleness.may_serve_stale(key, entry, caller)
            });
        }
        let is_miss = |near: &Near| matches!(near, Near::Miss(..));
        let missing = keys
            .iter()
            .zip(&near)
            .filter(|(_, near)| is_miss(near))
            .map(|(key, _)| key);
        let (waiters, load) = self.join(missing);
        let mut waiters = waiters.into_iter();
        let waiting = keys.iter().zip(near).map(|(key, near)| {
            let waiter = if is_miss(&near) { waiters.next() } else { None };
            self.finish(key, near, waiter, caller)
        });
        let answers = timeout_at(caller.deadline, load.drive_while(join_all(waiting))).await;
        answers
            .map_err(|_| Error::DeadlineExceeded)?
            .into_iter()
            .collect()
    }

    async fn finish(
        &self,
        key: &ReadKey,
        near: Near,
        waiter: Option<LoadWaiter>,
        caller: ReadRequest,
    ) -> Result<Answer, Error> {
        match near {
            Near::Fresh(answer) => {
                self.stats().near_hits.add(1);
                self.stats().hit_latency.record(caller.arrived.elapsed());
                tracing::debug!(%key, "near hit");
                Ok(answer)
            }
            Near::Unconfirmed(entry) => {
                match self
                    .staleness
                    .build_stale_answer(key, &entry, Source::NearCache, caller)?
                {
                    Some(answer) => Ok(answer),
                    None => self.load(key, None, None, caller).await,
                }
            }
            Near::Miss(reason, old) => {
                self.stats().near_miss(reason);
                tracing::debug!(%key, reason = reason.as_str(), "near miss");
                let answer = self.load(key, waiter, old, caller).await;
                self.stats().load_latency.record(caller.arrived.elapsed());
                answer
            }
        }
    }

    /// Waits for loads of `key` until one brings an answer that may be called
    /// fresh for this caller, or shows that none is to be had.
    async fn load(
        &self,
        key: &ReadKey,
        mut waiter: Option<LoadWaiter>,
        old: Option<Arc<CacheEntry>>,
        caller: ReadRequest,
    ) -> Result<Answer, Error> {
        let has_copy = old
            .as_ref()
            .is_some_and(|old| self.staleness.may_serve_stale(key, old, caller));
        for _ in 0..ATTEMPTS {
            // A load that is begun here is left to a task: it is a second try, and rare.
            let next = waiter.take().or_else(|| self.join([key]).0.pop());
            let Some(next) = next else { break };
            let outcome = tokio::select! {
                outcome = next.outcome() => outcome,
                () = self.staleness.patience(caller, self.loader.database.fails(key)), if has_copy => {
                    Err(LoadFailure::too_slow())
                }
            };
            let loaded = match outcome {
                Ok(loaded) => loaded,
                Err(failure) => {
                    return self
                        .staleness
                        .older_copy_after_failed_load(key, failure, old, caller);
                }
            };
            if let Some(answer) = self.staleness.accept(key, &loaded, caller).await? {
                return Ok(answer);
            }
        }
        Err(superseded())
    }

    /// Joins the loads of `keys`; those that nobody loads yet are loaded together, by the caller.
    fn join<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a ReadKey>,
    ) -> (Vec<LoadWaiter>, DetachOnDrop) {
        let joined = keys.into_iter().map(|key| self.single_flight.join(key));
        let (waiters, guards): (Vec<_>, Vec<_>) = joined.unzip();
        let guards: Vec<_> = guards.into_iter().flatten().collect();
        let loader = Arc::clone(&self.loader);
        let load = (!guards.is_empty())
            .then(|| async move { loader.load(guards, Purpose::Fill).await }.boxed());
        (waiters, DetachOnDrop::new(load, self.loader.tasks.clone()))
    }
}

/// Whether all answers are of one history. They are not if a failover happened between two reads.
fn are_of_one_history(answers: &[Answer]) -> bool {
    let mut histories = answers
        .iter()
        .map(|answer| answer.freshness.version.database);
    let first = histories.next();
    histories.all(|other| Some(other) == first)
}

fn superseded() -> Error {
    Error::fault("every load was superseded by a newer commit")
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[async_trait]
impl CatalogReader for CachedCatalog {
    fn try_list_cached(&self, query: &ListQuery, min_version: Option<Version>) -> Option<Answer> {
        let key = ReadKey::List(query.clone());
        self.lookup
            .try_all_cached([key].into_iter(), min_version)?
            .pop()
    }

    fn try_many_cached(
        &self,
        ids: &[ChallengeId],
        min_version: Option<Version>,
    ) -> Option<Vec<Answer>> {
        let keys = ids.iter().copied().map(ReadKey::Challenge);
        self.lookup.try_all_cached(keys, min_version)
    }

    async fn reach(&self, version: Version, deadline: std::time::Instant) -> Result<(), Error> {
        self.staleness
            .wait_for(version, Instant::from_std(deadline))
            .await
    }

    async fn list(&self, query: &ListQuery, options: ReadOptions) -> Result<Answer, Error> {
        let mut answers = self
            .read(vec![ReadKey::List(query.clone())], options)
            .await?;
        let nothing = || Error::fault("a read without an answer");
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

    async fn subjects(
        &self,
        ids: &[ChallengeId],
        options: ReadOptions,
    ) -> Result<Vec<(Option<TipSubject>, Freshness)>, Error> {
        let keys = ids.iter().copied().map(ReadKey::Subject).collect();
        let answers = self.read(keys, options).await?.into_iter();
        let unreadable = || Error::fault("reading what a tip is about");
        let read = |body| {
            self.loader
                .database
                .encoder
                .read_subject(&body)
                .ok_or_else(unreadable)
        };
        answers
            .map(|answer| Ok((answer.body.map(read).transpose()?, answer.freshness)))
            .collect()
    }
}
