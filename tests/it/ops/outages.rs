//! Figures are there when they are needed most.
use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use challenges_catalog::pb::catalog::v1::Difficulty;

use super::scene::{OPS, get, metric, metrics, ops_addr};
use crate::support::{
    fleet::{self, list},
    postgres,
    process::PATIENCE,
    redis,
    replica::Replica,
    wait::eventually,
};

/// A dependency that hangs is worse than one that is gone.
#[tokio::test]
async fn a_scrape_waits_for_no_dependency_and_shows_which_one_is_in_trouble() {
    let server = postgres::own_server();
    let database = server.fresh().await;
    fleet::migrate(&database).await;
    let redis = redis::start();
    let settings = [
        ("DATABASE_URL", database.url()),
        ("REDIS_URL", redis.url()),
        (OPS.0, OPS.1.to_owned()),
    ];
    let replica = Replica::start(&settings).await;
    let page = metrics(&replica).await;
    let bypassed = "catalog_redis_breaker_open{use=\"cache\",kind=\"read\"}";
    let is = |page: &str, name: &str, value: f64| {
        page.contains(name) && (metric(page, name) - value).abs() < f64::EPSILON
    };
    assert!(
        is(&page, bypassed, 0.0) && is(&page, "catalog_feed_up", 1.0),
        "{page}"
    );

    redis.freeze();
    server.pause();
    let slowest = Cell::new(Duration::ZERO);
    eventually("both are shown to be in trouble", PATIENCE, async || {
        let asked = Instant::now();
        let page = metrics(&replica).await;
        slowest.set(slowest.get().max(asked.elapsed()));
        // A copy is there, so that this is no outage for callers.
        list(&replica, Difficulty::Beginner, 20).await.unwrap();
        is(&page, bypassed, 1.0)
            && is(&page, "catalog_feed_up", 0.0)
            && metric(&page, "catalog_cache_stale_answers_total") > 0.0
            && metric(&page, "catalog_redis_failures_total{use=\"cache\"}") > 0.0
    })
    .await;
    assert!(slowest.get() < Duration::from_secs(1), "{slowest:?}");
    let ready = get(ops_addr(&replica), "/readyz?verbose").await;
    assert_eq!(ready.status, 200, "it still serves");
    eventually("the probe says why", PATIENCE, async || {
        let told = get(ops_addr(&replica), "/readyz?verbose").await.body;
        ["dependency/postgres failed", "dependency/redis failed"]
            .iter()
            .all(|line| told.contains(line))
    })
    .await;
    server.resume();
    redis.thaw();
    eventually("both are well again", PATIENCE, async || {
        let page = metrics(&replica).await;
        is(&page, bypassed, 0.0) && is(&page, "catalog_feed_up", 1.0)
    })
    .await;
}
