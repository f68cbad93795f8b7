use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::{
    sync::watch,
    time::{Instant, advance, sleep},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::EdgeCaches;
use crate::{
    domain::{
        Change, CommitWatcher, DatabaseId, Difficulty, EdgeCache, EdgeFailure, EdgePurger, Flag,
        LearntCommits, Percentage, Stamp, Switches, Tag, Version,
    },
    telemetry::Page,
};

const SETTLED: Duration = Duration::from_millis(2_070);
const SECOND: Duration = Duration::from_secs(1);
const BEGINNER: Tag = Tag::Difficulty(Difficulty::Beginner);
const ADVANCED: Tag = Tag::Difficulty(Difficulty::Advanced);

/// A purge that came in: when, of what, and whether it was hard.
type Purged = (Duration, Vec<String>, bool);

/// An edge that notes what it is told.
struct Edge {
    began: Instant,
    purges: Mutex<Vec<Purged>>,
    is_down: AtomicBool,
    takes_ms: AtomicU64,
    /// Shows this commit once it was purged, and nothing before.
    shows: Mutex<Option<Version>>,
    asked: AtomicU64,
}

#[async_trait]
impl EdgeCache for Edge {
    fn name(&self) -> &'static str {
        "varnish/a:6081"
    }

    async fn purge(&self, tags: &[Tag], hard: bool) -> Result<(), EdgeFailure> {
        sleep(Duration::from_millis(self.takes_ms.load(Relaxed))).await;
        let mut names: Vec<_> = tags.iter().map(Tag::to_string).collect();
        names.sort();
        let at = self.began.elapsed();
        self.purges.lock().push((at, names, hard));
        if self.is_down.load(Relaxed) {
            return Err(EdgeFailure::new("connection refused"));
        }
        Ok(())
    }

    async fn reached(&self, _: &[Tag], version: Version) -> Result<(), EdgeFailure> {
        self.asked.fetch_add(1, Relaxed);
        match *self.shows.lock() {
            Some(shown) if shown.reaches(version) => Ok(()),
            Some(_) | None => Err(EdgeFailure::new("it still shows version x")),
        }
    }
}

impl Edge {
    fn purges(&self) -> Vec<Purged> {
        std::mem::take(&mut *self.purges.lock())
    }

    /// What was purged, without the times.
    fn tags(&self) -> Vec<(Vec<String>, bool)> {
        let purges = self.purges().into_iter();
        purges.map(|(_, tags, hard)| (tags, hard)).collect()
    }
}

struct Scene {
    edge: Arc<Edge>,
    caches: Arc<EdgeCaches>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Scene {
    fn start() -> Self {
        let edge = Arc::new(Edge {
            began: Instant::now(),
            purges: Mutex::default(),
            is_down: AtomicBool::new(false),
            takes_ms: AtomicU64::new(0),
            shows: Mutex::new(None),
            asked: AtomicU64::new(0),
        });
        let caches = Arc::new(EdgeCaches::new(vec![Arc::clone(&edge) as _], SETTLED));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        caches.start(&tasks, &stop);
        Self {
            edge,
            caches,
            tasks,
            stop,
        }
    }
}

fn version(seq: u64) -> Version {
    Version {
        database: DatabaseId(7),
        stamp: Stamp { timeline: 1, seq },
    }
}

fn change(tag: Tag, hard: bool) -> Change {
    Change { seq: 1, tag, hard }
}

fn named(tags: &[&str], hard: bool) -> (Vec<String>, bool) {
    (tags.iter().map(|&tag| tag.to_owned()).collect(), hard)
}

#[tokio::test(start_paused = true)]
async fn a_commit_is_purged_at_once_and_again_when_no_replica_answers_from_before_it() {
    let scene = Scene::start();
    let changes = [change(BEGINNER, false), change(Tag::Flags, false)];
    scene.caches.learnt(LearntCommits::Found(&changes));
    sleep(10 * SECOND).await;
    let purges = scene.edge.purges();
    let [(first, ..), (again, tags, false)] = &*purges else {
        panic!("{purges:?}");
    };
    assert!(
        *first < SECOND && *again >= SETTLED && *again < 2 * SETTLED,
        "{purges:?}"
    );
    assert_eq!(tags, &["difficulty:beginner"]);
}

#[tokio::test(start_paused = true)]
async fn what_another_replica_found_is_purged_by_deputies_alone_and_later() {
    let scene = Scene::start();
    let changes = [change(BEGINNER, true)];
    let announced = |is_deputy| LearntCommits::Announced {
        changes: &changes,
        is_deputy,
    };
    scene.caches.learnt(announced(false));
    sleep(10 * SECOND).await;
    assert_eq!(scene.edge.purges(), []);
    let began = scene.edge.began.elapsed();
    scene.caches.learnt(announced(true));
    sleep(10 * SECOND).await;
    let purges = scene.edge.purges();
    assert!(
        matches!(&*purges, [(at, _, true)] if *at >= began + SETTLED),
        "{purges:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn unknown_changes_purge_everything_softly_at_the_start_and_hard_after_it() {
    let scene = Scene::start();
    for is_first in [true, false] {
        scene.caches.learnt(LearntCommits::Unknown { is_first });
        sleep(SECOND).await;
        assert_eq!(scene.edge.tags(), [named(&["challenges"], !is_first)]);
        sleep(10 * SECOND).await;
        scene.edge.purges();
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_commits_becomes_a_few_purges_that_leave_nothing_out() {
    let scene = Scene::start();
    for number in 0..2_000 {
        let tag = if number == 777 { ADVANCED } else { BEGINNER };
        scene
            .caches
            .learnt(LearntCommits::Found(&[change(tag, false)]));
        sleep(Duration::from_millis(1)).await;
    }
    sleep(10 * SECOND).await;
    let purges = scene.edge.purges();
    assert!((10..=25).contains(&purges.len()), "{}", purges.len());
    let gaps = purges.iter().zip(purges.iter().skip(1));
    assert!(
        gaps.clone()
            .all(|(one, next)| next.0 >= one.0 + Duration::from_millis(200))
    );
    let advanced = |(_, tags, _): &&Purged| tags.contains(&ADVANCED.to_string());
    assert!(purges.iter().filter(advanced).count() >= 2);
}

#[tokio::test(start_paused = true)]
async fn an_edge_that_is_down_is_purged_of_all_it_missed_when_it_is_back() {
    let scene = Scene::start();
    scene.edge.is_down.store(true, Relaxed);
    scene.caches.purge(&[BEGINNER], false);
    scene.caches.purge(&[ADVANCED], true);
    sleep(100 * SECOND).await;
    let tried = scene.edge.purges().len();
    assert!((5..30).contains(&tried), "{tried}");
    let mut page = Page::default();
    scene.caches.collect(&mut page);
    let page = page.into_text();
    let waiting = "catalog_edge_purge_waiting_tags{edge=\"varnish/a:6081\"} 2";
    assert!(page.contains(waiting), "{page}");
    scene.edge.is_down.store(false, Relaxed);
    sleep(40 * SECOND).await;
    assert_eq!(
        scene.edge.tags(),
        [
            named(&["difficulty:advanced"], true),
            named(&["difficulty:beginner"], false)
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_receipt_proves_an_edge_that_shows_the_commit_after_the_purge() {
    let scene = Scene::start();
    *scene.edge.shows.lock() = Some(version(42));
    let proofs = scene
        .caches
        .prove(&[BEGINNER], true, version(42), 2 * SECOND)
        .await;
    assert_eq!(proofs[0].missing, None);
    assert_eq!(scene.edge.tags(), [named(&["difficulty:beginner"], true)]);
    assert!(scene.edge.began.elapsed() < SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_names_an_edge_that_goes_on_showing_what_was_before() {
    let scene = Scene::start();
    *scene.edge.shows.lock() = Some(version(41));
    let proofs = scene
        .caches
        .prove(&[BEGINNER], false, version(42), 2 * SECOND)
        .await;
    let missing = proofs[0].missing.as_deref();
    assert_eq!(missing, Some("purged, but it still shows version x"));
    assert!((1..=2).contains(&scene.edge.began.elapsed().as_secs()));
    assert!((5..30).contains(&scene.edge.asked.load(Relaxed)));
}

#[tokio::test(start_paused = true)]
async fn a_receipt_waits_for_no_edge_that_is_down_or_hangs_and_the_purge_is_not_forgotten() {
    let scene = Scene::start();
    scene.edge.is_down.store(true, Relaxed);
    let prove = async || {
        let proofs = scene
            .caches
            .prove(&[BEGINNER], false, version(42), SECOND)
            .await;
        proofs[0].missing.clone().unwrap()
    };
    assert_eq!(prove().await, "not purged yet: connection refused");
    // It is tried again for whoever asks, whatever pause there would be.
    assert_eq!(prove().await, "not purged yet: connection refused");
    assert!(scene.edge.began.elapsed() < SECOND);
    scene.edge.takes_ms.store(60_000, Relaxed);
    let began = scene.edge.began.elapsed();
    assert_eq!(prove().await, "not purged yet: the purge takes too long");
    assert!(scene.edge.began.elapsed() <= began + SECOND);
    scene.edge.takes_ms.store(0, Relaxed);
    scene.edge.is_down.store(false, Relaxed);
    sleep(200 * SECOND).await;
    assert_eq!(
        scene.edge.tags().pop(),
        Some(named(&["difficulty:beginner"], false))
    );
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_leaves_purges_what_is_left() {
    let scene = Scene::start();
    scene
        .caches
        .learnt(LearntCommits::Found(&[change(BEGINNER, false)]));
    sleep(Duration::from_millis(10)).await;
    scene.edge.purges();
    scene.stop.cancel();
    scene.tasks.close();
    scene.tasks.wait().await;
    assert_eq!(scene.edge.tags(), [named(&["difficulty:beginner"], false)]);
}

#[tokio::test(start_paused = true)]
async fn a_catalog_that_is_switched_off_is_purged_hard_and_twice_and_not_when_it_is_on_again() {
    let scene = Scene::start();
    let (sender, changes) = watch::channel(0);
    let switches = Arc::<Switches>::default();
    let following = Arc::clone(&scene.caches).follow_switch(Arc::clone(&switches), changes);
    let following = scene.tasks.spawn(following);
    let switch = async |percentage, change| {
        switches.set(Flag::ChallengesCatalog, percentage);
        sender.send_replace(change);
        sleep(10 * SECOND).await;
        scene.edge.purges()
    };
    let began = scene.edge.began.elapsed();
    let purges = switch(Percentage::NONE, 1).await;
    assert_eq!(purges.len(), 2, "{purges:?}");
    for (at, tags, hard) in purges {
        assert!(hard && tags == ["challenges"]);
        assert!(at < began + SECOND, "{at:?}");
    }
    assert_eq!(switch(Percentage::NONE, 2).await, []);
    assert_eq!(switch(Percentage::FULL, 3).await, []);
    assert_eq!(switch(Percentage::NONE, 4).await.len(), 2);
    following.abort();
    advance(SECOND).await;
}
