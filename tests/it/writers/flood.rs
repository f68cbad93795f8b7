//! Huge transactions, and floods of small ones: they cost a replica little, and our tables stay bounded.
use std::{cell::Cell, fs};

use challenges_catalog::{
    domain::{ReplicaId, Tell},
    pb::catalog::v1::Difficulty,
};
use uuid::Uuid;

use super::fixtures::{Scene, id, insert_all, run};
use crate::support::{fleet::list, process::PATIENCE, replica::Replica, wait::eventually};

const MANY: u32 = 100_000;
/// Transactions of each of two writers.
const FLOOD: u32 = 3_000;
const LOG: &str = "SELECT count(*) FROM challenges_catalog.commit_log";
const HISTORY: &str = "SELECT count(*) FROM challenges_catalog.challenge_revisions";

/// Memory of a process, in MiB.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1_024
}

#[tokio::test]
async fn a_statement_of_a_hundred_thousand_rows_shows_and_takes_a_replica_little_memory() {
    let scene = Scene::new().await;
    let replica = Replica::start(&[("DATABASE_URL", scene.database.url())]).await;
    let before = resident(replica.pid());
    run(&mut scene.writer().await, &insert_all(1, MANY)).await;
    eventually("all of it is shown", PATIENCE, async || {
        let answer = list(&replica, Difficulty::Beginner, 20).await.unwrap();
        assert!(!answer.freshness.unwrap().stale);
        u32::try_from(answer.total_count) == Ok(MANY)
    })
    .await;
    let grown = resident(replica.pid()).saturating_sub(before);
    assert!(grown < 64, "it takes {grown} MiB more");
}

#[tokio::test]
async fn a_statement_of_a_hundred_thousand_rows_is_one_commit_and_all_of_it_gets_into_the_history()
{
    let mut scene = Scene::new().await;
    let before = scene.database.query_i64(LOG).await;
    run(&mut scene.writer().await, &insert_all(1, MANY)).await;
    assert_eq!(scene.told().await, ["challenges", "flags"]);
    assert_eq!(scene.database.query_i64(LOG).await, before + 1);
    scene.settle().await;
    assert_eq!(scene.database.query_i64(HISTORY).await, i64::from(MANY));
}

/// Transactions that each change challenge `number`, by one session.
fn flood(number: u32) -> String {
    format!(
        "DO $$ BEGIN
            FOR number IN 1..{FLOOD} LOOP
                UPDATE public.approach_challenges SET title = number WHERE id = '{}';
                COMMIT;
            END LOOP;
        END $$",
        id(number)
    )
}

#[tokio::test]
async fn of_a_flood_of_small_transactions_nothing_stays_in_the_queue_or_gets_lost() {
    let mut scene = Scene::new().await;
    scene.database.execute(&insert_all(1, 2)).await;
    scene.told().await;
    let is_over = Cell::new(false);
    let write = async |number: u32| {
        let mut writer = scene.database.connect().await;
        run(&mut writer, "SET synchronous_commit = off").await;
        run(&mut writer, &flood(number)).await;
    };
    // As a replica does, but for its pauses.
    let prune = async {
        while !is_over.get() {
            let poll = scene.store.poll(0, ReplicaId(Uuid::nil()), Tell::Nothing);
            poll.await.unwrap();
            while scene.store.prune().await.unwrap() {}
        }
    };
    let writers = async {
        tokio::join!(write(1), write(2));
        is_over.set(true);
    };
    tokio::join!(prune, writers);
    scene.settle().await;
    assert_eq!(
        scene.database.query_i64(HISTORY).await,
        i64::from(2 + 2 * FLOOD)
    );
}

#[tokio::test]
async fn the_log_keeps_twenty_thousand_commits_however_new_they_are() {
    let scene = Scene::new().await;
    let many = "INSERT INTO challenges_catalog.commit_log (id, xid, seq, committed_at)
        OVERRIDING SYSTEM VALUE
        SELECT l.id + n, pg_current_xact_id(), l.seq - n, now()
        FROM (SELECT id, seq FROM challenges_catalog.commit_log ORDER BY seq DESC LIMIT 1) AS l
        CROSS JOIN generate_series(10, 25000) AS n";
    scene.database.execute(many).await;
    while scene.store.prune().await.unwrap() {}
    let span = "SELECT max(seq) - min(seq) FROM challenges_catalog.commit_log";
    assert_eq!(scene.database.query_i64(span).await, 20_000);
}
