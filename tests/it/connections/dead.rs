//! What was sent gets no answer, and nothing is closed: a firewall forgot the connection, the server's machine
//! lost its power, or the address has moved.
use challenges_catalog::pb::catalog::v1::Difficulty;

use super::scene::{SOON, Scene};
use crate::{
    editing::client::{challenge, client, create},
    support::{fleet::list, proxy::Mode, wait::eventually},
};

#[tokio::test]
async fn a_replica_leaves_links_that_died_without_a_word() {
    let scene = Scene::start().await;
    scene.shows_a_commit("before").await;
    for title in ["first", "second"] {
        scene.proxy.lose();
        scene.shows_a_commit(title).await;
    }
}

#[tokio::test]
async fn edits_and_cold_reads_pass_soon_after_all_links_died_without_a_word() {
    let scene = Scene::start().await;
    let mut editor = client(&scene.replica).await;
    create(&mut editor, challenge(1, "before")).await.unwrap();
    scene.proxy.lose();
    scene.shows_a_commit("after").await;
    create(&mut editor, challenge(2, "after")).await.unwrap();
    list(&scene.replica, Difficulty::Beginner, 19)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_replica_is_back_soon_after_a_cut_in_which_its_packets_were_dropped() {
    let mut scene = Scene::start().await;
    scene.shows_a_commit("before").await;
    scene.proxy.lose();
    scene.proxy.set(Mode::Blackhole).await;
    eventually("answers are marked", SOON, async || {
        let answer = list(&scene.replica, Difficulty::Beginner, 20).await;
        answer.unwrap().freshness.unwrap().stale
    })
    .await;
    // What began meanwhile was dropped too: only a new attempt can arrive.
    scene.proxy.lose();
    scene.proxy.set(Mode::Pass).await;
    scene.shows_a_commit("after").await;
}

#[tokio::test]
async fn a_replica_follows_its_database_to_another_address_though_the_old_one_is_silent() {
    let scene = Scene::start().await;
    scene.shows_a_commit("before").await;
    scene.proxy.lose();
    scene.server.kill();
    scene.server.restart();
    scene.shows_a_commit("after").await;
}
