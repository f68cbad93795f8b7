//! Redis: wrong, away, alone or a cluster.
use std::time::Duration;

use challenges_catalog::pb::catalog::v1::{AnswerSource, Difficulty};

use super::ended::{SECRET, run, serve};
use crate::ops::scene::{OPS, metric, metrics};
use crate::support::{
    fleet::{self, list},
    postgres,
    process::free_port,
    redis,
    replica::Replica,
    wait::eventually,
};

#[tokio::test]
async fn a_redis_url_that_makes_no_sense_is_refused_before_anything_is_tried() {
    for url in [
        format!("memcached://:{SECRET}@cache"),
        format!("redis://:{SECRET}@"),
        format!("redis://:{SECRET}/x@cache"),
        format!("redis-cluster://:{SECRET}@a,,b"),
    ] {
        let environment = [("REDIS_URL", url)];
        serve(&environment).await.with(2, &["REDIS_URL"]);
        let checked = run(&["config", "check"], &environment).await;
        checked.with(2, &["REDIS_URL"]);
    }
}

#[tokio::test]
async fn a_redis_that_is_away_at_the_start_keeps_nobody_from_serving() {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    let url = format!("redis://:{SECRET}@127.0.0.1:{}", free_port());
    let environment = [("DATABASE_URL", database.url()), ("REDIS_URL", url)];
    let replica = Replica::start(&environment).await;
    for page_size in 1..=30 {
        let answer = list(&replica, Difficulty::Unspecified, page_size).await;
        assert_eq!(
            answer.unwrap().freshness.unwrap().source(),
            AnswerSource::Database
        );
    }
    assert_eq!(
        replica
            .log()
            .matches("shared cache does not answer")
            .count(),
        1
    );
    assert!(!replica.log().contains(SECRET));
}

#[tokio::test]
async fn a_cluster_is_filled_by_one_replica_and_read_by_the_next() {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    let cluster = redis::cluster();
    let environment = [
        ("DATABASE_URL", database.url()),
        ("REDIS_URL", cluster.url()),
    ];
    let first = Replica::start(&environment).await;
    let second = Replica::start(&environment).await;
    // Different sizes are different keys, on all nodes.
    for page_size in 61..=75 {
        let filled = list(&first, Difficulty::Advanced, page_size).await.unwrap();
        let source = filled.freshness.unwrap().source();
        assert_eq!(source, AnswerSource::Database, "{page_size}");
        let key = format!(":{page_size}}}");
        eventually("the fill arrives", Duration::from_secs(2), async || {
            cluster.nodes.iter().any(|node| {
                let found: Vec<String> =
                    node.ask(bb8_redis::redis::cmd("KEYS").arg(format!("catalog:*{key}")));
                !found.is_empty()
            })
        })
        .await;
        let read = list(&second, Difficulty::Advanced, page_size)
            .await
            .unwrap();
        let source = read.freshness.unwrap().source();
        assert_eq!(source, AnswerSource::SharedCache, "{page_size}");
        assert_eq!(read.challenges, filled.challenges);
    }
}

/// The library that speaks to the cluster would tell each of its attempts.
#[tokio::test]
async fn a_shard_that_is_down_is_told_in_a_few_lines_and_costs_no_call_and_no_other_shard() {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    let cluster = redis::cluster();
    let environment = [
        ("DATABASE_URL", database.url()),
        ("REDIS_URL", cluster.url()),
        ("CATALOG_NEAR_CACHE", "false".to_owned()),
        // The shards that are up are never too slow, however busy the machine.
        ("CATALOG_REDIS_TIMEOUT", "500ms".to_owned()),
        (OPS.0, OPS.1.to_owned()),
    ];
    let replica = Replica::start(&environment).await;
    for node in &cluster.nodes {
        // Else those that are up refuse everything, two seconds after they missed the other one.
        let full = ["SET", "cluster-require-full-coverage", "no"];
        let _: String = node.ask(bb8_redis::redis::cmd("CONFIG").arg(&full));
    }
    cluster.nodes[1].kill();
    let before = replica.log().lines().count();
    // Keys of all shards, again and again.
    for page_size in (1..=100).cycle().take(400) {
        list(&replica, Difficulty::Advanced, page_size)
            .await
            .unwrap();
    }
    let page = metrics(&replica).await;
    let hits = "catalog_cache_lookups_total{tier=\"shared\",result=\"hit\"}";
    // Two shards of three, and of what was asked three times of four.
    let hits = metric(&page, hits);
    assert!(hits > 100.0, "{hits} of 400");
    let log = replica.log();
    let lines: Vec<_> = log.lines().skip(before).collect();
    assert!(log.contains("a part of the cluster"), "{log}");
    assert!(lines.len() < 10, "{lines:#?}");
    assert!(!log.contains("shared cache is back"), "{log}");
}
