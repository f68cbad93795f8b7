//! A catalog of one list that the tests write to, with the caches in front of it.
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::{
    sync::{Semaphore, watch},
    time::Instant,
};
use tokio_util::task::TaskTracker;

use crate::cache::{CacheSettings, CachedCatalog, InvalidationState};
use crate::domain::{
    Answer, AnswerEncoder, CatalogReader, Challenge, ChallengeId, ChallengePage,
    ChallengeRepository, Change, Changes, Clock, DatabaseId, Difficulty, Error, FeedPage,
    ListQuery, NewChallenge, PageSize, ReadOptions, Stamp, Stamped, Switches, Tag, TipSubject,
    UnixMicros, Version,
};

pub(super) const MAX_STALENESS: Duration = Duration::from_secs(2);
pub(super) const TTL: Duration = Duration::from_mins(10);

/// A database whose list is its commit number, and whose reads can be held open.
pub(super) struct FakeDatabase {
    seq: AtomicU64,
    timeline: Mutex<u32>,
    reads: AtomicU64,
    gate: Semaphore,
    challenges_held: watch::Sender<bool>,
    failure: Mutex<Option<fn() -> Error>>,
}

#[async_trait]
impl ChallengeRepository for FakeDatabase {
    async fn read_page(
        &self,
        _: &ListQuery,
        _: Option<u64>,
    ) -> Result<Stamped<ChallengePage>, Error> {
        self.reads.fetch_add(1, SeqCst);
        let seen = self.head();
        self.gate.acquire().await.unwrap().forget();
        if let Some(failure) = *self.failure.lock().unwrap() {
            return Err(failure());
        }
        let page = ChallengePage {
            challenges: vec![],
            total_count: seen.seq,
            has_more: false,
        };
        Ok(Stamped {
            version: Self::version(seen),
            value: page,
        })
    }

    async fn find_many(&self, ids: &[ChallengeId]) -> Result<Stamped<Vec<Challenge>>, Error> {
        self.reads.fetch_add(1, SeqCst);
        let version = Self::version(self.head());
        let mut held = self.challenges_held.subscribe();
        held.wait_for(|held| !held).await.unwrap();
        let value = ids
            .iter()
            .filter(|id| id.uuid().as_u128() < 50)
            .map(|id| challenge(*id));
        Ok(Stamped {
            version,
            value: value.collect(),
        })
    }

    async fn insert_missing(&self, _: &[NewChallenge]) -> Result<u64, Error> {
        Ok(0)
    }
}

impl FakeDatabase {
    /// From here on it answers that it is down.
    pub(super) fn go_down(&self) {
        self.fail_with(|| Error::datastore("down"));
    }

    /// From here on its reads of lists fail.
    pub(super) fn fail_with(&self, failure: fn() -> Error) {
        *self.failure.lock().unwrap() = Some(failure);
        self.gate.add_permits(10);
    }

    /// Holds its reads of challenges open, or lets them go on.
    pub(super) fn hold_challenges(&self, is_held: bool) {
        self.challenges_held.send_replace(is_held);
    }

    /// Each timeline is a history with a name of its own.
    fn version(stamp: Stamp) -> Version {
        Version {
            database: DatabaseId(stamp.timeline.into()),
            stamp,
        }
    }

    /// A standby takes over; nobody has heard of it yet. Gives its newest version.
    pub(super) fn fail_over(&self) -> Version {
        *self.timeline.lock().unwrap() += 1;
        Self::version(self.head())
    }

    /// It restarts, and does not know its last number any more.
    pub(super) fn forget(&self) {
        self.seq.fetch_sub(1, SeqCst);
    }

    /// From here on its reads work again.
    pub(super) fn mend(&self) {
        *self.failure.lock().unwrap() = None;
    }

    fn head(&self) -> Stamp {
        Stamp {
            timeline: *self.timeline.lock().unwrap(),
            seq: self.seq.load(SeqCst),
        }
    }
}

pub(super) fn challenge(id: ChallengeId) -> Challenge {
    Challenge {
        id,
        difficulty: Difficulty::Beginner,
        title: "title".to_owned(),
        description: String::new(),
        points: 10,
        tips: None,
        written_tip: None,
        created_at: None,
        updated_at: None,
    }
}

struct Plain;

impl AnswerEncoder for Plain {
    fn shape(&self) -> u32 {
        0
    }

    fn page(&self, _: &ListQuery, page: &ChallengePage) -> Bytes {
        page.total_count.to_string().into()
    }

    fn total_count(&self, _: &Bytes) -> Option<u64> {
        Some(0)
    }

    fn challenge(&self, challenge: &Challenge) -> Bytes {
        challenge.id.to_string().into()
    }

    fn subject(&self, subject: &TipSubject) -> Bytes {
        subject.challenge.to_string().into()
    }

    fn read_subject(&self, body: &Bytes) -> Option<TipSubject> {
        let id = ChallengeId::parse(std::str::from_utf8(body).ok()?).ok()?;
        Some(TipSubject::from(&challenge(id)))
    }
}

impl Clock for Plain {
    fn now(&self) -> UnixMicros {
        UnixMicros(0)
    }
}

pub(super) struct Fixture {
    pub(super) database: Arc<FakeDatabase>,
    pub(super) invalidation: Arc<InvalidationState>,
    pub(super) catalog: Arc<CachedCatalog>,
    pub(super) switches: Arc<Switches>,
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self::keeping_stale(Duration::from_hours(24))
    }

    /// One that serves stale copies for so long.
    pub(super) fn keeping_stale(stale_retention: Duration) -> Self {
        let database = Arc::new(FakeDatabase {
            seq: AtomicU64::new(1),
            timeline: Mutex::new(1),
            reads: AtomicU64::new(0),
            gate: Semaphore::new(0),
            challenges_held: watch::Sender::new(false),
            failure: Mutex::default(),
        });
        let invalidation = Arc::new(InvalidationState::new(MAX_STALENESS));
        let switches = Arc::<Switches>::default();
        let settings = CacheSettings {
            ttl: TTL,
            switches: Arc::clone(&switches),
            near_bytes: 1 << 20,
            stale_retention,
            keeps_json: false,
            fill_concurrency: 8,
            audit_interval: Duration::ZERO,
        };
        let catalog = CachedCatalog::new(
            Arc::clone(&database) as Arc<dyn ChallengeRepository>,
            Arc::new(Plain),
            Arc::new(Plain),
            None,
            Arc::clone(&invalidation),
            settings,
            TaskTracker::new(),
        );
        let fixture = Self {
            database,
            invalidation,
            catalog: Arc::new(catalog),
            switches,
        };
        fixture.poll(Changes::All(vec![]));
        fixture
    }

    pub(super) fn poll(&self, changes: Changes) {
        self.invalidation.apply(&self.page(changes), Instant::now());
    }

    pub(super) fn page(&self, changes: Changes) -> FeedPage {
        let version = FakeDatabase::version(self.database.head());
        FeedPage {
            database: version.database,
            head: version.stamp,
            changes,
            is_whole: true,
            registered: true,
            is_awaited: false,
            others_write: false,
            place: None,
        }
    }

    /// Commits a change of the beginner list; the feed has not heard of it yet.
    pub(super) fn commit(&self) -> u64 {
        self.database.seq.fetch_add(1, SeqCst) + 1
    }

    pub(super) fn hear_of(&self, seq: u64, hard: bool) {
        let tag = Tag::Difficulty(Difficulty::Beginner);
        self.poll(Changes::All(vec![Change { seq, tag, hard }]));
    }

    pub(super) async fn list(&self) -> Result<Answer, Error> {
        list(&self.catalog).await
    }

    /// Lists with nothing holding the database back.
    pub(super) async fn list_now(&self) -> Answer {
        self.database.gate.add_permits(1);
        let answer = self.list().await.unwrap();
        self.database.gate.forget_permits(1);
        answer
    }

    pub(super) fn reads(&self) -> u64 {
        self.database.reads.load(SeqCst)
    }

    /// Starts a list whose read is held open in the database.
    pub(super) async fn held_list(&self) -> tokio::task::JoinHandle<Result<Answer, Error>> {
        let (reads, catalog) = (self.reads(), Arc::clone(&self.catalog));
        let tasks = TaskTracker::new();
        let held = tasks.spawn(async move { list(&catalog).await });
        while self.reads() == reads {
            tokio::task::yield_now().await;
        }
        held
    }

    pub(super) fn release(&self) {
        self.database.gate.add_permits(1);
    }
}

async fn list(catalog: &CachedCatalog) -> Result<Answer, Error> {
    let query = ListQuery::first(Some(Difficulty::Beginner), PageSize::DEFAULT);
    catalog.list(&query, options()).await
}

pub(super) fn options() -> ReadOptions {
    ReadOptions {
        min_version: None,
        deadline: (Instant::now() + TTL).into_std(),
        may_load: true,
    }
}

pub(super) fn text(answer: &Answer) -> &str {
    std::str::from_utf8(answer.body.as_ref().unwrap()).unwrap()
}
