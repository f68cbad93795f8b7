//! Purges that nobody asked for: when the catalog is switched off, and on commits.
use std::time::{Duration, Instant};

use super::{fake_edge::FakeEdge, receipts::settings};
use crate::{
    flags::client::set_flag,
    support::{fleet::Fleet, wait::eventually},
};

const SOON: Duration = Duration::from_secs(5);
const EVERYTHING: &str = "challenges";

#[tokio::test]
async fn every_replica_purges_everything_hard_when_the_catalog_is_switched_off_anywhere() {
    let edge = FakeEdge::start().await;
    let fleet = Fleet::start_with(2, &settings(&edge.server.url())).await;
    assert!(edge.purges().is_empty(), "{:?}", edge.purges());
    set_flag(&fleet.replicas[0], "challenges_catalog", false).await;
    // Each at once and again.
    eventually("both purge", SOON, async || edge.purges().len() >= 4).await;
    set_flag(&fleet.replicas[1], "challenges_catalog", true).await;
    set_flag(&fleet.replicas[0], "challenges_catalog", false).await;
    eventually("both purge once more", SOON, async || {
        edge.purges().len() >= 8
    })
    .await;
    // Nothing was purged when it was on again.
    let purges = edge.purges();
    let is_it = |purge: &_| *purge == (EVERYTHING.to_owned(), true);
    assert!(purges.len() == 8 && purges.iter().all(is_it), "{purges:?}");
}

#[tokio::test]
async fn a_commit_is_purged_soon_by_few_of_a_fleet_and_again_when_it_has_settled() {
    let edge = FakeEdge::start().await;
    let url = edge.server.url();
    let mut settings = settings(&url);
    settings.push(("CATALOG_EDGE_PURGE_ON", "commits"));
    let fleet = Fleet::start_with(3, &settings).await;
    // Each replica may have missed something before it started.
    let at_start = (EVERYTHING.to_owned(), false);
    eventually("the purges of the start are over", 2 * SOON, async || {
        edge.purges().iter().filter(|it| **it == at_start).count() >= 6
    })
    .await;
    let before = edge.purges().len();
    fleet
        .database
        .execute("UPDATE approach_challenges SET points = points + 1 WHERE difficulty = 'beginner'")
        .await;
    let began = Instant::now();
    let touched = |from: usize| {
        let purges = edge.purges().split_off(from);
        let touched = purges
            .into_iter()
            .filter(|(tags, _)| tags.contains("difficulty:beginner"));
        touched.count()
    };
    eventually("it is purged", SOON, async || touched(before) >= 1).await;
    // More than one poll may have found it.
    eventually("a while has passed", SOON, async || {
        began.elapsed() > Duration::from_millis(1_900)
    })
    .await;
    let at_once = touched(before);
    eventually("it is purged again", SOON, async || {
        touched(before) > at_once
    })
    .await;
    // Repeated by who found it and by two deputies.
    assert!((2..=6).contains(&touched(before)), "{:?}", edge.purges());
    let purges = edge.purges().split_off(before);
    assert!(
        purges
            .iter()
            .all(|(tags, hard)| tags.contains("challenge:") && !hard),
        "{purges:?}"
    );
}
