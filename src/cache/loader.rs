//! Loads what the near cache lacks: from the shared cache, or from the database, once per fleet while the shared
//! cache is there. What it loads goes into both caches if no known commit superseded it meanwhile.
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::{
    CacheStats, InvalidationState, SharedCache,
    database::{Bodies, DatabaseReader},
    entry::{CacheEntry, Content, ReadKey, Refresh, SerializedEntry},
    near::NearCache,
    shared::{FillLease, SharedLookup},
    single_flight::{LoadFailure, LoadGuard, LoadedEntry},
    staleness::CONFIRM_WITHIN,
};
use crate::domain::{
    Clock, DatabaseId, DeflatedSlot, Error, Etag, Flag, JsonSlot, Source, Stamp, Stamped, Switches,
    Version,
};

/// How long and how much is kept.
#[derive(Clone, Debug)]
pub struct CacheSettings {
    /// How long an entry is served that nothing has changed; shortened by up to a tenth.
    pub ttl: Duration,
    /// Which parts of the cache operators let be used.
    pub switches: Arc<Switches>,
    /// The near cache holds at most so many bytes.
    pub near_bytes: u64,
    /// How old a copy may be that is served, marked stale, while nobody confirms it or loads fail.
    pub stale_retention: Duration,
    /// So many loads may be in the database at once.
    pub fill_concurrency: usize,
    /// Whether entries keep the JSON form of their bodies too.
    pub keeps_json: bool,
    /// How often an entry is compared with the database; zero for never.
    pub audit_interval: Duration,
}

/// Loads entries and keeps them.
pub(super) struct Loader {
    pub(super) database: DatabaseReader,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) shared: Option<Arc<SharedCache>>,
    pub(super) near: NearCache,
    pub(super) invalidation: Arc<InvalidationState>,
    pub(super) stats: Arc<CacheStats>,
    pub(super) settings: CacheSettings,
    /// For how long entries are kept that are loaded from now on.
    pub(super) ttl_ms: AtomicU64,
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
    guard: LoadGuard,
    lease: Option<FillLease>,
    stale: Option<Arc<CacheEntry>>,
    /// Whether another replica was filling it.
    has_waited: bool,
}

/// One read of the database for a load.
struct DatabaseRead {
    /// The newest version that was known when it began, and its era; none before the first poll.
    known: Option<(Version, u64)>,
    sent: Instant,
    bodies: Result<Bodies, Error>,
}

impl DatabaseRead {
    /// Whether a server answered that shows less than was known: one that took over, and has another history as
    /// soon as it gives a number; one that has restarted; or one that this replica has abandoned.
    fn is_of_unknown_history(&self) -> bool {
        match (&self.known, &self.bodies) {
            (Some((known, _)), Ok(bodies)) => !bodies.version.reaches(*known),
            (None, _) | (_, Err(_)) => false,
        }
    }
}

/// How often a load asks again while another replica fills, which mostly takes a few milliseconds; the last repeats.
const LEASE_PAUSES_MS: [u64; 6] = [1, 2, 4, 10, 25, 50];
/// How long a load waits for another replica's fill, whose holder may have crashed while it held the lease: a caller
/// with a deadline of two seconds must have time left to load.
const FOREIGN_FILL_TIMEOUT: Duration = Duration::from_secs(1);
/// A fill that took longer than this asks what changed meanwhile before it is kept.
const QUICK_FILL: Duration = Duration::from_millis(20);
/// "There is none" is kept no longer. A caller that made the id up may ask for the next one; a caller that deleted
/// the challenge does not ask for long.
const ABSENT_TTL: Duration = Duration::from_secs(10);

impl Loader {
    /// Completes every one of `guards`, which are one list or any number of challenges.
    ///
    /// [`Purpose::Refresh`] ignores the shared entry if it gets the lease.
    pub(super) async fn load(&self, guards: Vec<LoadGuard>, purpose: Purpose) {
        let mut purpose = purpose;
        let want = |guard| Want {
            guard,
            lease: None,
            stale: None,
            has_waited: false,
        };
        let mut wants: Vec<Want> = guards.into_iter().map(want).collect();
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
            if began.elapsed() >= FOREIGN_FILL_TIMEOUT {
                return self.fill(wants).await;
            }
            self.stats.lease_waits.add(1);
            pause_ms = pauses.next().unwrap_or(pause_ms);
            sleep(Duration::from_millis(pause_ms).mul_f64(rand::random_range(0.8..1.2))).await;
        }
    }

    /// Completes keys found in the shared cache. Returns the keys that this replica must fill, and those that other
    /// replicas are filling.
    async fn ask_shared(&self, wants: Vec<Want>, purpose: Purpose) -> (Vec<Want>, Vec<Want>) {
        let shared = self.shared.as_ref();
        let shared = shared.filter(|_| self.settings.switches.is_on(Flag::SharedCache));
        let Some((shared, (version, era))) = shared.zip(self.invalidation.known()) else {
            return (wants, Vec::new());
        };
        let lookups = wants.iter().map(async |want| {
            let key = want.guard.key();
            let name = key.in_redis(version.database, self.database.encoder.shape());
            match purpose {
                Purpose::Fill => shared.get(&name, self.invalidation.floor(key)).await,
                Purpose::Refresh => shared.get_or_lease(&name, Stamp::MAX).await,
            }
        });
        let lookups = join_all(lookups).await;
        let (mut fill, mut wait) = (Vec::new(), Vec::new());
        for (mut want, lookup) in wants.into_iter().zip(lookups) {
            match lookup {
                SharedLookup::Hit(serialized, ttl) => {
                    match self.deserialize(serialized, ttl, era) {
                        Some(entry) if self.invalidation.is_valid(want.guard.key(), &entry) => {
                            self.stats.shared_hits.add(1);
                            self.complete(want.guard, entry, Source::SharedCache, None);
                        }
                        Some(_) | None => fill.push(want),
                    }
                }
                SharedLookup::Fill { lease, stale } => {
                    self.stats.shared_misses.add(1);
                    self.stats.leases.add(1);
                    want.lease = Some(lease);
                    want.stale = stale.and_then(|(old, ttl)| self.deserialize(old, ttl, era));
                    fill.push(want);
                }
                SharedLookup::Wait { at_most, stale } => {
                    want.stale = stale.and_then(|(old, ttl)| self.deserialize(old, ttl, era));
                    tracing::trace!(key = %want.guard.key(), ?at_most, "another replica fills");
                    want.has_waited = true;
                    wait.push(want);
                }
                SharedLookup::Unavailable => {
                    self.stats.shared_errors.add(1);
                    fill.push(want);
                }
            }
        }
        (fill, wait)
    }

    /// Reads all of `wants` in one statement, keeps what may be kept, and completes them.
    async fn fill(&self, wants: Vec<Want>) {
        let mut read = self.read(&wants).await;
        if read.is_of_unknown_history() {
            // The poll learns which history counts, and gives numbers to all that was read.
            if self.invalidation.confirm(CONFIRM_WITHIN).await {
                read = self.read(&wants).await;
            }
        } else if read.sent.elapsed() > QUICK_FILL {
            self.invalidation.confirm(CONFIRM_WITHIN).await;
        }
        if read.is_of_unknown_history() {
            let problem = "the database answered from another history, or with an older commit than already reported";
            return self.fail(wants, &Error::datastore(problem));
        }
        let database = read.known.map(|(version, _)| version.database);
        let era = read.known.map_or(0, |(_, era)| era);
        let Stamped { version, value } = match read.bodies {
            Ok(bodies) => bodies,
            Err(error) => return self.fail(wants, &error),
        };
        for (want, body) in wants.into_iter().zip(value) {
            let longest = if body.is_some() {
                Duration::MAX
            } else {
                ABSENT_TTL
            };
            let ttl = self
                .ttl()
                .min(longest)
                .mul_f64(rand::random_range(0.9..=1.0));
            let body = (Etag::of(body.as_ref()), body);
            let entry = self.entry(body, version.stamp, era, read.sent, ttl);
            let key = want.guard.key();
            let is_valid = self.invalidation.is_valid(key, &entry);
            if !is_valid {
                self.stats.fills_superseded.add(1);
            }
            let is_shared =
                is_valid && (entry.body.is_some() || self.may_share_absence(key, want.has_waited));
            let shared = is_shared.then(|| (entry.as_ref(), ttl));
            self.share(database, key, want.lease, shared);
            self.complete(want.guard, entry, Source::Database, Some(read.sent));
        }
    }

    async fn read(&self, wants: &[Want]) -> DatabaseRead {
        let known = self.invalidation.known();
        let keys: Vec<_> = wants.iter().map(|want| want.guard.key()).collect();
        let (sent, bodies) = self.database.read(&keys, None).await;
        let is_refused = bodies.as_ref().is_err_and(Error::is_overload);
        self.stats.database_reads.add(u64::from(!is_refused));
        DatabaseRead {
            known,
            sent,
            bodies,
        }
    }

    fn ttl(&self) -> Duration {
        Duration::from_millis(self.ttl_ms.load(Relaxed))
    }

    fn fail(&self, wants: Vec<Want>, error: &Error) {
        if !error.is_overload() {
            self.stats.database_errors.add(1);
            self.stats.note_error(error.to_string());
        }
        let known = self.invalidation.known();
        let database = known.map(|(version, _)| version.database);
        for want in wants {
            self.share(database, want.guard.key(), want.lease, None);
            want.guard.complete(Err(LoadFailure::of(error, want.stale)));
        }
    }

    /// Completes one load; an entry that is valid goes into the near cache first.
    fn complete(
        &self,
        guard: LoadGuard,
        entry: Arc<CacheEntry>,
        source: Source,
        read_from: Option<Instant>,
    ) {
        let may_keep = self.settings.switches.is_on(Flag::NearCache);
        if may_keep && self.invalidation.is_valid(guard.key(), &entry) {
            self.near.insert(guard.key().clone(), Arc::clone(&entry));
        }
        guard.complete(Ok(LoadedEntry {
            entry,
            source,
            read_from,
        }));
    }

    /// Whether Redis is to know that there is no such challenge. A made-up id is asked for once, so the first answer
    /// stays in the near cache, unless another replica was asked too.
    fn may_share_absence(&self, key: &ReadKey, others_asked: bool) -> bool {
        let shared = self.shared.as_ref();
        (others_asked || self.near.get(key).is_some())
            && shared.is_some_and(|shared| shared.admits_absence())
    }

    /// Gives an entry and its time to live to the shared cache, where this replica has the lease to fill
    /// it, or gives the lease back. `database` is the one that was known when the read began.
    fn share(
        &self,
        database: Option<DatabaseId>,
        key: &ReadKey,
        lease: Option<FillLease>,
        kept: Option<(&CacheEntry, Duration)>,
    ) {
        let (Some(shared), Some(lease), Some(database)) = (&self.shared, lease, database) else {
            return;
        };
        let serialized = kept.map(|(entry, ttl)| {
            let life = ttl + shared.lease();
            (SerializedEntry::of(entry, life), ttl)
        });
        let (shared, key) = (
            Arc::clone(shared),
            key.in_redis(database, self.database.encoder.shape()),
        );
        // Nobody waits for this; it is bounded by the time limit of its command.
        let put = async move {
            match serialized {
                Some((entry, ttl)) => drop(shared.put(&key, &lease, &entry, ttl).await),
                None => shared.release(&key, &lease).await,
            }
        };
        self.tasks.spawn(put.in_current_span());
    }

    /// The entry that Redis has and still keeps for `ttl`; `None` where it has no body of it.
    fn deserialize(
        &self,
        serialized: SerializedEntry,
        ttl: Duration,
        era: u64,
    ) -> Option<Arc<CacheEntry>> {
        let body = match serialized.content {
            Content::Body(body) => Some(body),
            Content::Nothing => None,
            Content::TooLarge => return None,
        };
        // Redis tells how long it still keeps the entry, by its own clock. It took it while the lease lasted
        // under which the entry was read, so that much more bounds its age.
        let ttl = ttl.min(serialized.life);
        let age = serialized.life.saturating_sub(ttl);
        let now = Instant::now();
        let current_at = now.checked_sub(age).unwrap_or(now);
        let body = (serialized.etag, body);
        Some(self.entry(body, serialized.stamp, era, current_at, ttl))
    }

    fn entry(
        &self,
        (etag, body): (Etag, Option<Bytes>),
        stamp: Stamp,
        era: u64,
        current_at: Instant,
        ttl: Duration,
    ) -> Arc<CacheEntry> {
        Arc::new(CacheEntry {
            etag,
            deflated: body.as_ref().and_then(DeflatedSlot::of),
            json: body
                .as_ref()
                .filter(|_| self.settings.keeps_json)
                .map(|_| JsonSlot::empty()),
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
