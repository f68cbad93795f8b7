//! Redis may die, freeze, forget or remember too much: no call fails, and none gets an old answer.
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    time::{Duration, Instant},
};

use challenges_catalog::pb::catalog::v1::Difficulty;
use futures_util::future::join_all;

use crate::support::{
    fleet::{Fleet, list},
    replica::Replica,
    wait::eventually,
};

const MAX_STALENESS: Duration = Duration::from_secs(2);
const LOAD_PATIENCE: Duration = Duration::from_secs(1);

/// Reads that miss and hit, with a writer beside them, while `trouble` happens to Redis.
/// Every read must succeed, and must be no older than it says.
async fn endures(trouble: impl AsyncFnOnce(&Fleet)) {
    let fleet = Fleet::start(2).await;
    let newest_committed = AtomicU64::new(0);
    let commits = std::sync::Mutex::new(Vec::<(Instant, u64)>::new());
    let (reads, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let latencies = std::sync::Mutex::new(Vec::<(Instant, Duration)>::new());
    let write = async {
        while !over.load(SeqCst) {
            let revision = newest_committed.load(SeqCst) + 1;
            let update = format!("UPDATE approach_challenges SET points = {revision}");
            fleet.database.execute(&update).await;
            newest_committed.store(revision, SeqCst);
            commits.lock().unwrap().push((Instant::now(), revision));
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    };
    let must_show = |asked: Instant, bound: Duration| -> u64 {
        let commits = commits.lock().unwrap();
        let old_enough = commits.iter().filter(|(at, _)| *at + bound < asked);
        old_enough.map(|(_, revision)| *revision).max().unwrap_or(0)
    };
    let read = async |replica: &Replica, first_size: i32| {
        let mut page_size = first_size;
        while !over.load(SeqCst) {
            page_size = page_size % 100 + 1;
            let asked = Instant::now();
            let answer = list(replica, Difficulty::Unspecified, page_size)
                .await
                .unwrap();
            let shown = answer
                .challenges
                .iter()
                .map(|challenge| challenge.points)
                .min();
            let shown = u64::try_from(shown.unwrap()).unwrap();
            let freshness = answer.freshness.unwrap();
            // Whoever has a copy waits a second for a load, which is enough unless the machine is very busy.
            let has_waited = asked.elapsed() >= LOAD_PATIENCE;
            assert!(!freshness.stale || has_waited, "the database is there");
            let bound = freshness.staleness_bound.unwrap().try_into().unwrap();
            let shows_enough = shown >= must_show(asked, MAX_STALENESS.max(bound));
            assert!(shows_enough, "{shown} is too old");
            latencies.lock().unwrap().push((asked, asked.elapsed()));
            reads.fetch_add(1, SeqCst);
        }
    };
    let trouble = async {
        some_reads(&reads).await;
        let began = Instant::now();
        trouble(&fleet).await;
        tell_p99(&latencies.lock().unwrap(), began);
        some_reads(&reads).await;
        over.store(true, SeqCst);
    };
    let start_sizes = (0..8).map(|reader| reader * 12);
    let readers = fleet.replicas.iter().cycle().zip(start_sizes);
    let readers = readers.map(|(replica, first_size)| read(replica, first_size));
    tokio::join!(write, join_all(readers), trouble);
}

/// A metric for people; how fast it is, is for the benches to hold.
fn tell_p99(latencies: &[(Instant, Duration)], began: Instant) {
    let first_second = |asked: Instant| asked >= began && asked < began + Duration::from_secs(1);
    let within = latencies.iter().filter(|(asked, _)| first_second(*asked));
    let mut took: Vec<_> = within.map(|(_, took)| *took).collect();
    took.sort();
    let p99 = took.get(took.len() * 99 / 100);
    eprintln!("first second of trouble: {} reads, p99 {p99:?}", took.len());
}

/// Waits for three hundred more reads.
async fn some_reads(reads: &AtomicU64) {
    let goal = reads.load(SeqCst) + 300;
    eventually("300 reads", Duration::from_secs(30), async || {
        reads.load(SeqCst) >= goal
    })
    .await;
}

#[tokio::test]
async fn redis_killed_and_restarted_empty_costs_no_call_and_no_freshness() {
    endures(async |fleet| {
        fleet.redis.kill();
        tokio::time::sleep(Duration::from_secs(1)).await;
        fleet.redis.restart_empty();
    })
    .await;
}

#[tokio::test]
async fn redis_restarted_from_an_old_dump_costs_no_call_and_no_freshness() {
    endures(async |fleet| {
        let dump = fleet.redis.save_dump();
        tokio::time::sleep(MAX_STALENESS + Duration::from_secs(1)).await;
        fleet.redis.kill();
        fleet.redis.restart_with(&dump);
    })
    .await;
}

#[tokio::test]
async fn redis_paused_or_frozen_costs_no_call_and_no_freshness() {
    endures(async |fleet| {
        fleet.redis.pause_clients(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_secs(1)).await;
        fleet.redis.freeze();
        tokio::time::sleep(Duration::from_secs(1)).await;
        fleet.redis.thaw();
    })
    .await;
}

#[tokio::test]
async fn redis_gone_and_back_is_told_once_each() {
    let fleet = Fleet::start(1).await;
    let replica = &fleet.replicas[0];
    fleet.redis.kill();
    for page_size in 1..=50 {
        list(replica, Difficulty::Advanced, page_size)
            .await
            .unwrap();
    }
    fleet.redis.restart_empty();
    eventually(
        "the shared cache is back",
        Duration::from_secs(15),
        async || replica.log().contains("shared cache is back"),
    )
    .await;
    let told = |line: &str| replica.log().matches(line).count();
    assert_eq!(
        (
            told("shared cache does not answer"),
            told("shared cache is back")
        ),
        (1, 1)
    );
}
