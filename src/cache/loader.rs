use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};
use tokio_util::task::TaskTracker;

use super::{
    CacheSettings, CacheStats, Knowledge, SharedCache,
    absent::{ABSENT_TTL, AbsentLimit},
    entry::{Entry, Refresh},
    fault::{self, Fault},
    flight::{Landing, LoadFailure, Loaded},
    key::ReadKey,
    load_health::LoadHealth,
    near::NearCache,
    reading::{Read, Reading},
    shared::{Lease, Lookup},
};
use crate::domain::{
    AnswerEncoder, ChallengeId, ChallengeRepository, Clock, Error, Etag, Flag, ListQuery, Source,
    Stamp, Stamped,
};

/// Brings answers that the near cache lacks: from the shared cache, or from
/// the database, once per fleet while the shared cache is there.
pub(super) struct Loader {
    pub(super) repository: Arc<dyn ChallengeRepository>,
    pub(super) encoder: Arc<dyn AnswerEncoder>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) shared: Option<Arc<SharedCache>>,
    pub(super) near: NearCache,
    pub(super) knowledge: Arc<Knowledge>,
    pub(super) stats: Arc<CacheStats>,
    pub(super) health: LoadHealth,
    pub(super) settings: CacheSettings,
    /// For how long entries are kept that are loaded from now on.
    pub(super) ttl_ms: AtomicU64,
    pub(super) absent: AbsentLimit,
    pub(super) database_permits: Semaphore,
    pub(super) tasks: TaskTracker,
}

/// Why a load is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Callers wait for it.
    Fill,
    /// The entry is still good, but not for long.
    Refresh,
}

/// One key to load, and what was found on the way.
struct Want {
    landing: Landing,
    lease: Option<Lease>,
    stale: Option<Arc<Entry>>,
    /// Whether another replica was filling it.
    has_waited: bool,
}

/// A load that takes longer has failed; every caller may have given up sooner.
const LOAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a load asks again while another replica fills, which mostly takes a few milliseconds; the last repeats.
const LEASE_PAUSES_MS: [u64; 6] = [1, 2, 4, 10, 25, 50];
/// No load waits longer for another replica's fill, which may have stopped with the lease in its
/// hand: a caller with two seconds must not lose them all to it.
const LEASE_PATIENCE: Duration = Duration::from_secs(1);
/// A fill that took longer than this asks what changed meanwhile before it is kept.
const QUICK_FILL: Duration = Duration::from_millis(20);
/// How long a fill waits for that.
const CONFIRM_WITHIN: Duration = Duration::from_millis(50);

impl Loader {
    /// Ends every one of `landings`, which are one list or any number of challenges.
    ///
    /// [`Purpose::Refresh`] passes over what the shared cache has, if the lease can be had.
    pub(super) async fn load(&self, landings: Vec<Landing>, purpose: Purpose) {
        let mut purpose = purpose;
        let want = |landing| Want {
            landing,
            lease: None,
            stale: None,
            has_waited: false,
        };
        let mut wants: Vec<Want> = landings.into_iter().map(want).collect();
        let began = Instant::now();
        let mut pauses = LEASE_PAUSES_MS.into_iter();
        let mut pause_ms = 0;
        loop {
            let (to_fill, others_fill) = self.ask_shared(wants, purpose).await;
            // When another replica refreshes, its result, or what was there before, is good.
            purpose = Purpose::Fill;
            if !to_fill.is_empty() {
                self.fill(to_fill).await;
            }
            wants = others_fill;
            if wants.is_empty() {
                return;
            }
            if began.elapsed() >= LEASE_PATIENCE {
                return self.fill(wants).await;
            }
            self.stats.lease_waits.add(1);
            pause_ms = pauses.next().unwrap_or(pause_ms);
            sleep(Duration::from_millis(pause_ms).mul_f64(rand::random_range(0.8..1.2))).await;
        }
    }

    /// Lands what the shared cache has; returns what is to be filled, and what others fill.
    async fn ask_shared(&self, wants: Vec<Want>, purpose: Purpose) -> (Vec<Want>, Vec<Want>) {
        let shared = self.shared.as_ref();
        let shared = shared.filter(|_| self.settings.switches.is_on(Flag::SharedCache));
        let Some((shared, (database, era))) = shared.zip(self.knowledge.era()) else {
            return (wants, Vec::new());
        };
        let looks = wants.iter().map(async |want| {
            let key = want.landing.key();
            let name = key.in_redis(database);
            match purpose {
                Purpose::Fill if fault::is(Fault::TrustShared) => {
                    shared.get(&name, Stamp::default()).await
                }
                Purpose::Fill => shared.get(&name, self.knowledge.floor(key)).await,
                Purpose::Refresh => shared.get_or_lease(&name, Stamp::MAX).await,
            }
        });
        let lookups = join_all(looks).await;
        let (mut fill, mut wait) = (Vec::new(), Vec::new());
        for (mut want, lookup) in wants.into_iter().zip(lookups) {
            match lookup {
                Lookup::Hit(packed, ttl) => match self.unpack(packed, ttl, era) {
                    Some(entry) if self.knowledge.is_valid(want.landing.key(), &entry) => {
                        self.stats.shared_hits.add(1);
                        self.land(want.landing, entry, Source::SharedCache, None);
                    }
                    Some(_) | None => fill.push(want),
                },
                Lookup::Fill { lease, stale } => {
                    self.stats.shared_misses.add(1);
                    self.stats.leases.add(1);
                    want.lease = Some(lease);
                    want.stale = stale.and_then(|packed| self.unpack(packed, Duration::ZERO, era));
                    fill.push(want);
                }
                Lookup::Wait { .. } if fault::is(Fault::IgnoreLease) => fill.push(want),
                Lookup::Wait { at_most, stale } => {
                    want.stale = stale.and_then(|packed| self.unpack(packed, Duration::ZERO, era));
                    tracing::trace!(key = %want.landing.key(), ?at_most, "another replica fills");
                    want.has_waited = true;
                    wait.push(want);
                }
                Lookup::Unavailable => {
                    self.stats.shared_errors.add(1);
                    fill.push(want);
                }
            }
        }
        (fill, wait)
    }

    /// Reads all of `wants` in one statement, keeps what may be kept, and lands them.
    async fn fill(&self, wants: Vec<Want>) {
        let mut reading = self.reading(&wants).await;
        if reading.is_unheard_of() {
            // The poll learns which history counts, and gives numbers to all that was read.
            if self.knowledge.confirm(CONFIRM_WITHIN).await {
                reading = self.reading(&wants).await;
            }
        } else if reading.from.elapsed() > QUICK_FILL {
            self.knowledge.confirm(CONFIRM_WITHIN).await;
        }
        if let Some(want) = wants.first() {
            self.health.note(want.landing.key(), &reading.read);
        }
        if reading.is_unheard_of() {
            let problem = "it answered from another history, or from before what was told";
            return self.fail(wants, &Error::datastore(problem));
        }
        let Reading { known, from, read } = reading;
        let read = match read {
            Ok(read) => read,
            Err(error) => return self.fail(wants, &error),
        };
        let era = known.map(|(version, era)| (version.database, era));
        let Stamped { version, value } = read;
        for (want, body) in wants.into_iter().zip(value) {
            let stamp = version.stamp;
            let stamp = if fault::is(Fault::StampAfterRead) {
                stamp.max(self.knowledge.version().stamp)
            } else {
                stamp
            };
            let ttl = if body.is_some() {
                self.ttl()
            } else {
                self.ttl().min(ABSENT_TTL)
            };
            let ttl = ttl.mul_f64(rand::random_range(0.9..=1.0));
            let etag = Etag::of(body.as_ref());
            let entry = self.entry(
                (etag, body),
                stamp,
                era.map_or(0, |(_, era)| era),
                from,
                ttl,
            );
            let kept = self.knowledge.is_valid(want.landing.key(), &entry);
            if !kept {
                self.stats.fills_outrun.add(1);
            }
            let key = want.landing.key();
            let is_shared =
                kept && (entry.body.is_some() || self.may_share_absence(key, want.has_waited));
            let shared = is_shared.then(|| (entry.as_ref(), ttl));
            self.share(era, key, want.lease, shared);
            self.land(want.landing, entry, Source::Database, Some(from));
        }
    }

    async fn reading(&self, wants: &[Want]) -> Reading {
        let known = self.knowledge.version_and_era();
        let mut from = Instant::now();
        let read = timeout(LOAD_TIMEOUT, async {
            let permit = self.database_permits.acquire().await;
            let _permit = permit.map_err(|error| Error::internal("waiting for a turn", error))?;
            from = Instant::now();
            self.stats.database_reads.add(1);
            self.read(wants.iter().map(|want| want.landing.key()), None)
                .await
        });
        let read = read.await;
        Reading {
            known: Some(known).filter(|(_, era)| *era > 0),
            from,
            read: read.unwrap_or_else(|_| Err(Error::datastore("the load timed out"))),
        }
    }

    /// What the database has for `key`, past all caches; counts nothing, but takes the total of a list from `kept`.
    pub(super) async fn read_again(
        &self,
        key: &ReadKey,
        kept: Option<&Bytes>,
    ) -> Result<Option<Bytes>, Error> {
        let total = kept.and_then(|body| self.encoder.total_count(body));
        let permit = self.database_permits.acquire().await;
        let _permit = permit.map_err(|error| Error::internal("waiting for a turn", error))?;
        let read = timeout(LOAD_TIMEOUT, self.read(std::iter::once(key), total)).await;
        let read = read.unwrap_or_else(|_| Err(Error::datastore("the read timed out")));
        self.health.note(key, &read);
        Ok(read?.value.into_iter().next().flatten())
    }

    async fn read<'a>(
        &self,
        keys: impl Iterator<Item = &'a ReadKey> + Clone + Send,
        total_count: Option<u64>,
    ) -> Result<Read, Error> {
        if let Some(query) = keys.clone().find_map(as_list) {
            let page = self.repository.read_page(query, total_count).await?;
            return Ok(Stamped {
                version: page.version,
                value: vec![Some(self.encoder.page(query, &page.value))],
            });
        }
        let ids: Vec<ChallengeId> = keys.clone().filter_map(about).collect();
        let found = self.repository.find_many(&ids).await?;
        let body = |key: &ReadKey| {
            let id = about(key)?;
            let challenge = found.value.iter().find(|challenge| challenge.id == id)?;
            Some(match key {
                ReadKey::Subject(_) => self.encoder.subject(&challenge.into()),
                ReadKey::Challenge(_) | ReadKey::List(_) => self.encoder.challenge(challenge),
            })
        };
        Ok(Stamped {
            version: found.version,
            value: keys.map(body).collect(),
        })
    }

    fn ttl(&self) -> Duration {
        Duration::from_millis(self.ttl_ms.load(Relaxed))
    }

    fn fail(&self, wants: Vec<Want>, error: &Error) {
        self.stats.database_errors.add(1);
        self.stats.note_error(error.to_string());
        let era = self.knowledge.era();
        for want in wants {
            self.share(era, want.landing.key(), want.lease, None);
            want.landing.land(Err(LoadFailure::of(error, want.stale)));
        }
    }

    /// Ends one load; an entry that is valid goes into the near cache first.
    fn land(
        &self,
        landing: Landing,
        entry: Arc<Entry>,
        source: Source,
        read_from: Option<Instant>,
    ) {
        let may_keep = self.settings.switches.is_on(Flag::NearCache);
        if may_keep && self.knowledge.is_valid(landing.key(), &entry) {
            self.near.insert(landing.key().clone(), Arc::clone(&entry));
        }
        landing.land(Ok(Loaded {
            entry,
            source,
            read_from,
        }));
    }

    pub(super) fn entry(
        &self,
        (etag, body): (Etag, Option<Bytes>),
        stamp: Stamp,
        era: u64,
        current_at: Instant,
        ttl: Duration,
    ) -> Arc<Entry> {
        Arc::new(Entry {
            etag,
            body,
            stamp,
            era,
            current_at,
            expires: Instant::now() + ttl,
            expires_at: self.clock.now().plus(ttl),
            refresh: Refresh::within(ttl),
            valid_in: AtomicU64::new(0),
        })
    }
}

fn as_list(key: &ReadKey) -> Option<&ListQuery> {
    match key {
        ReadKey::List(query) => Some(query),
        ReadKey::Challenge(_) | ReadKey::Subject(_) => None,
    }
}

/// The one challenge that the answer is about.
fn about(key: &ReadKey) -> Option<ChallengeId> {
    match key {
        ReadKey::Challenge(id) | ReadKey::Subject(id) => Some(*id),
        ReadKey::List(_) => None,
    }
}
