//! A transaction that is left open or prepared holds up nobody, and is noticed when it commits.
use challenges_catalog::pb::{
    admin::v1::{
        InvalidateCacheRequest, cache_admin_client::CacheAdminClient,
        invalidate_cache_request::Target,
    },
    catalog::v1::Difficulty,
};
use sqlx::PgConnection;
use tonic::transport::Channel;

use super::fixtures::{Scene, insert, retitle, run, told};
use crate::support::{
    fleet::{list, titles},
    process::PATIENCE,
    replica::Replica,
    wait::eventually,
};

/// With challenge 1, and so many that others write: 2 to 5.
async fn scene() -> Scene {
    let mut scene = Scene::with(&["max_prepared_transactions=5"]).await;
    for number in 1..=5 {
        scene.database.execute(&insert(number)).await;
    }
    scene.told().await;
    scene
}

/// Writes the others' challenges, each by a session that waits for nobody.
async fn others_commit(scene: &Scene, title: &str) {
    for number in 2..=5 {
        let mut writer = scene.writer().await;
        // Nobody has to wait, so this is time enough for a statement, and for COMMIT.
        let update = retitle(number, title);
        run(
            &mut writer,
            &format!("SET lock_timeout = 1; BEGIN; {update} COMMIT"),
        )
        .await;
    }
}

/// What the others wrote.
fn told_of_others() -> Vec<String> {
    let mut tags: Vec<_> = (2..=5).flat_map(told).collect();
    tags.sort();
    tags.dedup();
    tags
}

/// What a replica shows of it, which must not be stale.
async fn shows(replica: &Replica, title: &str, times: usize) {
    eventually("fresh answers have it", PATIENCE, async || {
        let answer = list(replica, Difficulty::Beginner, 20).await.unwrap();
        assert!(!answer.freshness.as_ref().unwrap().stale);
        titles(&answer).iter().filter(|it| **it == title).count() == times
    })
    .await;
}

/// Begins a transaction that changes challenge 1, and leaves it so; `left` is how.
async fn leave(scene: &Scene, left: &str) -> PgConnection {
    let mut writer = scene.writer().await;
    run(
        &mut writer,
        &format!("BEGIN; {} {left}", retitle(1, "left")),
    )
    .await;
    writer
}

#[tokio::test]
async fn beside_one_with_all_constraints_immediate_others_commit_and_are_told() {
    let mut scene = scene().await;
    let mut left = leave(&scene, "SET CONSTRAINTS ALL IMMEDIATE").await;
    others_commit(&scene, "others").await;
    assert_eq!(scene.told().await, told_of_others());
    run(&mut left, "COMMIT").await;
    assert_eq!(scene.told().await, told(1));
}

#[tokio::test]
async fn beside_one_that_was_left_prepared_others_commit_and_are_told() {
    let mut scene = scene().await;
    leave(&scene, "PREPARE TRANSACTION 'left'").await;
    others_commit(&scene, "others").await;
    assert_eq!(scene.told().await, told_of_others());
    let mut writer = scene.writer().await;
    run(&mut writer, "COMMIT PREPARED 'left'").await;
    assert_eq!(scene.told().await, told(1));
}

#[tokio::test]
async fn one_that_was_prepared_before_a_crash_is_told_when_it_commits() {
    let mut scene = scene().await;
    leave(&scene, "PREPARE TRANSACTION 'left'").await;
    scene.crash();
    scene.poll().await;
    others_commit(&scene, "others").await;
    assert_eq!(scene.told().await, told_of_others());
    let mut writer = scene.writer().await;
    run(&mut writer, "COMMIT PREPARED 'left'").await;
    assert_eq!(scene.told().await, told(1));
}

#[tokio::test]
async fn beside_one_that_was_left_prepared_answers_stay_fresh_and_show_it_when_it_commits() {
    let scene = scene().await;
    let replica = Replica::start(&[("DATABASE_URL", scene.database.url())]).await;
    leave(&scene, "PREPARE TRANSACTION 'left'").await;
    others_commit(&scene, "others").await;
    shows(&replica, "others", 4).await;
    shows(&replica, "left", 0).await;
    run(&mut scene.writer().await, "COMMIT PREPARED 'left'").await;
    shows(&replica, "left", 1).await;
}

#[tokio::test]
async fn beside_one_that_was_left_prepared_a_receipt_has_every_replica() {
    let scene = scene().await;
    let replica = Replica::start(&[("DATABASE_URL", scene.database.url())]).await;
    leave(&scene, "PREPARE TRANSACTION 'left'").await;
    others_commit(&scene, "others").await;
    let everything = InvalidateCacheRequest {
        target: Some(Target::All(true)),
        ..Default::default()
    };
    let endpoint = Channel::from_shared(format!("http://{}", replica.addr())).unwrap();
    let mut admin = CacheAdminClient::new(endpoint.connect().await.unwrap());
    let receipt = admin
        .invalidate_cache(everything)
        .await
        .unwrap()
        .into_inner();
    assert_eq!((receipt.acknowledged.len(), receipt.fenced.len()), (1, 0));
}

#[tokio::test]
async fn one_that_was_prepared_and_is_rolled_back_is_never_told() {
    let mut scene = scene().await;
    leave(&scene, "PREPARE TRANSACTION 'left'").await;
    run(&mut scene.writer().await, "ROLLBACK PREPARED 'left'").await;
    assert!(scene.told().await.is_empty());
}
