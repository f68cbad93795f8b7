//! Where the numbers of commits begin anew, and which of them are forgotten.
use std::time::Duration;

use challenges_catalog::{
    domain::{Changes, RevisionQuery, Tell},
    repository::Location,
};

use super::{
    commit_log::{Writer, insert, some},
    fixture::{ANYONE, open, run, session, tag, tags},
};
use crate::support::wait::eventually;

#[tokio::test]
async fn a_restored_dump_is_another_history_and_hides_nothing() {
    let writer = Writer::new().await;
    let store = open(Location::Postgres(&writer.database.url()));
    let before = store.poll(0, ANYONE, Tell::Nothing).await.unwrap();
    // What a restore does to the row that names the history, and rows from a cluster whose transactions are far ahead.
    writer
        .database
        .execute(
            "UPDATE challenges_catalog.numbering SET history = history;
            UPDATE challenges_catalog.commit_log SET snapshot = '900000000:900000000:' WHERE snapshot IS NOT NULL",
        )
        .await;
    run(
        &mut session(&writer.database.url()).await,
        &insert(1, "beginner"),
    )
    .await;
    let after = store
        .poll(before.head.seq, ANYONE, Tell::Nothing)
        .await
        .unwrap();
    assert_ne!(after.database, before.database);
    assert!(after.head.seq > before.head.seq);
    let told = writer.tags_of(&insert(2, "advanced")).await;
    assert_eq!(told, (some(&[&tag(2), "difficulty:advanced"]), 1));
}

#[tokio::test]
async fn pruning_before_the_first_poll_of_a_restored_dump_loses_no_revision() {
    let writer = Writer::new().await;
    let store = open(Location::Postgres(&writer.database.url()));
    store.poll(0, ANYONE, Tell::Nothing).await.unwrap();
    writer.tags_of(&insert(1, "beginner")).await;
    let restored = "UPDATE challenges_catalog.numbering SET history = history;
        UPDATE challenges_catalog.commit_log SET snapshot = '900000000:900000000:' WHERE snapshot IS NOT NULL";
    writer.database.execute(restored).await;
    run(
        &mut session(&writer.database.url()).await,
        &insert(2, "beginner"),
    )
    .await;
    store.prune().await.unwrap();
    let all = RevisionQuery {
        challenge: None,
        before: None,
        limit: 10,
    };
    for _ in 0..2 {
        assert_eq!(store.revisions(all).await.unwrap().len(), 2);
        store.prune().await.unwrap();
    }
}

#[tokio::test]
async fn pruning_moves_the_floor_and_keeps_the_newest() {
    let writer = Writer::new().await;
    for n in 1..=3 {
        writer.tags_of(&insert(n, "beginner")).await;
    }
    let head = writer.head().await;
    let count = "SELECT count(*) FROM challenges_catalog.commit_log";
    let before = writer.database.query_i64(count).await;
    let prune = "SELECT challenges_catalog.prune(interval '0', 2)::integer";
    assert_eq!(writer.database.query_i64(prune).await, 1, "more is left");
    assert_eq!(writer.database.query_i64(count).await, before - 2);
    while writer.database.query_i64(prune).await == 1 {}
    assert_eq!(writer.database.query_i64(count).await, 1);
    assert_eq!(writer.head().await, head);
    let store = open(Location::Postgres(&writer.database.url()));
    let floor = u64::try_from(head - 1).unwrap();
    let behind = store.poll(floor - 1, ANYONE, Tell::Nothing).await.unwrap();
    assert_eq!(behind.changes, Changes::Lost);
    assert_eq!(behind.head.seq, floor + 1);
    assert_eq!(
        tags(
            &store
                .poll(floor, ANYONE, Tell::Nothing)
                .await
                .unwrap()
                .changes
        )
        .len(),
        2
    );
}

#[tokio::test]
async fn pruning_empties_the_outbox_once_a_later_round_has_seen_all_of_it() {
    let writer = Writer::new().await;
    let store = open(Location::Postgres(&writer.database.url()));
    let is_empty = async || {
        // Transactions of other databases hold the horizon of a round as well: so this takes as many rounds as they last.
        writer
            .database
            .execute("SELECT challenges_catalog.invalidate('{challenges}', false, false)")
            .await;
        store.poll(0, ANYONE, Tell::Nothing).await.unwrap();
        writer
            .database
            .execute("SELECT challenges_catalog.prune(interval '1 day', 100)")
            .await;
        let outbox = "SELECT count(*) FROM challenges_catalog.outbox";
        writer.database.query_i64(outbox).await == 0
    };
    eventually("an empty outbox", Duration::from_secs(10), is_empty).await;
}

#[tokio::test]
async fn a_new_history_is_another_database() {
    let writer = Writer::new().await;
    let store = open(Location::Postgres(&writer.database.url()));
    let before = store.poll(0, ANYONE, Tell::Nothing).await.unwrap();
    writer
        .database
        .execute("SELECT challenges_catalog.begin_new_history()")
        .await;
    let after = store.poll(0, ANYONE, Tell::Nothing).await.unwrap();
    assert_ne!(before.database, after.database);
    assert!(after.head > before.head);
    assert_eq!(after.head.timeline, before.head.timeline);
}
