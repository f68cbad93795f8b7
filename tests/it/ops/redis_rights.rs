//! A command that Redis refuses is reported as long as it does, whatever becomes of other commands; and an outage is
//! logged however soon it follows another.
use bb8_redis::redis::cmd;
use challenges_catalog::pb::catalog::v1::Difficulty;
use serde_json::Value;

use super::{
    redis_refuses::{
        NO_NEAR_CACHE, READ_BREAKER_OPEN, SHARED_HITS, TIMEOUT, probe_says, read, shows,
    },
    scene::{OPS, metric, metrics},
};
use crate::{
    logs::outages::{log_lines, saying},
    support::{
        fleet::{Fleet, list},
        process::PATIENCE,
        proxy::Proxy,
        redis::{self, Redis},
        replica::Replica,
        wait::eventually,
    },
    tips::{
        provider::{ordering_at, quick},
        wire_stream::{OTHERS, hear, question_about},
    },
};

const TIPS_BREAKER_OPEN: &str = "catalog_redis_breaker_open{use=\"tips\",kind=\"write\"}";
const FAILURES: &str = "catalog_redis_failures_total{use=\"cache\"}";

fn rule(redis: &Redis, rule: &str) {
    redis.ask::<()>(cmd("ACL").arg(&["SETUSER", "default", rule]));
}

fn lines(replica: &Replica, message: &str) -> Vec<Value> {
    saying(&log_lines(replica), message)
        .into_iter()
        .cloned()
        .collect()
}

#[tokio::test]
async fn a_right_that_reads_lack_is_told_until_it_is_given() {
    let fleet = Fleet::start_with(1, &[OPS, NO_NEAR_CACHE, TIMEOUT]).await;
    let replica = &fleet.replicas[0];
    rule(&fleet.redis, "-getrange");
    eventually("it is logged", PATIENCE, async || {
        read(replica).await;
        shows(replica, READ_BREAKER_OPEN).await > 0.0
            && probe_says(replica, "[-]dependency/redis failed").await
    })
    .await;
    let before = shows(replica, FAILURES).await;
    eventually("it is tried again", PATIENCE, async || {
        read(replica).await;
        let page = metrics(replica).await;
        assert!(metric(&page, READ_BREAKER_OPEN) > 0.0);
        metric(&page, FAILURES) > before + 3.0
    })
    .await;
    let [line] = &lines(
        replica,
        "shared cache does not answer; the service goes on without it",
    )[..] else {
        panic!("{}", replica.log());
    };
    assert!(
        line["problem"].as_str().unwrap().contains("getrange"),
        "{line}"
    );
    assert_eq!(lines(replica, "shared cache is back").len(), 0);
    rule(&fleet.redis, "+getrange");
    eventually("it is used again", PATIENCE, async || {
        read(replica).await;
        shows(replica, SHARED_HITS).await > 0.0
            && probe_says(replica, "[+]dependency/redis ok").await
    })
    .await;
    assert_eq!(lines(replica, "shared cache is back").len(), 1);
}

/// Nobody asks for a tip meanwhile: what was refused is tried by itself.
#[tokio::test]
async fn a_right_that_tips_lack_is_told_until_it_is_given() {
    let provider = quick().await;
    let url = provider.url();
    let mut settings = ordering_at(&url);
    settings.extend([OPS, ("CATALOG_REDIS_TIMEOUT", "500ms")]);
    let fleet = Fleet::start_each(&[settings]).await;
    let replica = &fleet.replicas[0];
    rule(&fleet.redis, "-xadd");
    for challenge in OTHERS {
        hear(replica, question_about(challenge)).await;
    }
    eventually("it is logged", PATIENCE, async || {
        shows(replica, TIPS_BREAKER_OPEN).await > 0.0
            && probe_says(replica, "[-]dependency/redis failed").await
    })
    .await;
    let failures = "catalog_redis_failures_total{use=\"tips\"}";
    let before = shows(replica, failures).await;
    eventually("it is tried again", PATIENCE, async || {
        let page = metrics(replica).await;
        assert!(metric(&page, TIPS_BREAKER_OPEN) > 0.0);
        metric(&page, failures) > before + 3.0
    })
    .await;
    assert_eq!(
        lines(replica, "tips cannot write to Redis; writes are suspended").len(),
        1
    );
    assert_eq!(lines(replica, "tips can write to Redis again").len(), 0);
    rule(&fleet.redis, "+xadd");
    eventually("it is used again", PATIENCE, async || {
        shows(replica, TIPS_BREAKER_OPEN).await < 1.0
            && probe_says(replica, "[+]dependency/redis ok").await
    })
    .await;
    assert_eq!(lines(replica, "tips can write to Redis again").len(), 1);
    assert_eq!(
        provider.exchanges().len(),
        OTHERS.len(),
        "one request a tip"
    );
}

#[tokio::test]
async fn an_outage_that_follows_on_another_is_told_with_its_end() {
    let fleet = Fleet::start_with(1, &[OPS, NO_NEAR_CACHE, TIMEOUT]).await;
    let (replica, redis) = (&fleet.replicas[0], &fleet.redis);
    for outage in 1..=2 {
        redis.kill();
        eventually("it is logged", PATIENCE, async || {
            read(replica).await;
            lines(
                replica,
                "shared cache does not answer; the service goes on without it",
            )
            .len()
                == outage
        })
        .await;
        redis.restart_empty();
        eventually("its end is logged", PATIENCE, async || {
            read(replica).await;
            lines(replica, "shared cache is back").len() == outage
        })
        .await;
    }
}

#[tokio::test]
async fn messages_come_again_when_redis_answers_and_not_when_it_takes_a_connection() {
    let redis = redis::start();
    let proxy = Proxy::to(redis.port()).await;
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let fleet = Fleet::start_with(1, &[("REDIS_URL", &url)]).await;
    let replica = &fleet.replicas[0];
    list(replica, Difficulty::Advanced, 20).await.unwrap();
    redis.freeze();
    eventually("it is logged", PATIENCE, async || {
        lines(replica, "subscriptions of Redis fail").len() == 1
    })
    .await;
    let before = proxy.accepted();
    eventually("it is tried again", PATIENCE, async || {
        proxy.accepted() > before + 3
    })
    .await;
    assert_eq!(lines(replica, "subscriptions of Redis work again").len(), 0);
    redis.thaw();
    eventually("its end is logged", PATIENCE, async || {
        lines(replica, "subscriptions of Redis work again").len() == 1
    })
    .await;
}
