//! A switch that is thrown anywhere is thrown everywhere within two seconds, and disturbs nothing else.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use challenges_catalog::pb::health::v1::{HealthCheckRequest, health_client::HealthClient};
use challenges_catalog::pb::{
    admin::v1::{GetCacheStatusRequest, cache_admin_client::CacheAdminClient},
    catalog::v1::{AnswerSource, Difficulty},
};
use tonic::{Code, transport::Channel};
use tonic_types::StatusExt;

use super::client::{all, set_flag};
use crate::support::{
    fleet::{Fleet, list},
    program::run_well,
    replica::Replica,
    wait::eventually,
};

/// What the issue of a switch may take, by whatever way.
const WITHIN: Duration = Duration::from_secs(2);

async fn refuses(replica: &Replica) -> bool {
    match list(replica, Difficulty::Beginner, 20).await {
        Ok(_) => false,
        Err(status) => {
            let details = status.get_error_details();
            let info = details.error_info().unwrap();
            assert_eq!(
                (status.code(), info.reason.as_str()),
                (Code::Unavailable, "FEATURE_DISABLED")
            );
            assert_eq!(info.metadata["feature_flag"], "challenges_catalog");
            assert!(details.retry_info().is_none());
            assert_eq!(
                status.metadata().get("grpc-retry-pushback-ms").unwrap(),
                "-1"
            );
            true
        }
    }
}

/// Waits until all replicas refuse, or all serve, for as long as that may take.
async fn all_refuse(fleet: &Fleet, since: Instant, refused: bool) {
    for replica in &fleet.replicas {
        let left = WITHIN.saturating_sub(since.elapsed());
        eventually(&format!("refused: {refused}"), left, async || {
            refuses(replica).await == refused
        })
        .await;
    }
}

/// Makes all calls but those to the catalog, until stopped; counts answers and failures.
async fn ask_all_else(replica: &Replica, stop: &AtomicBool, counts: &(AtomicU64, AtomicU64)) {
    let endpoint = Channel::from_shared(format!("http://{}", replica.addr())).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let (mut health, mut cache) = (
        HealthClient::new(channel.clone()),
        CacheAdminClient::new(channel),
    );
    while !stop.load(SeqCst) {
        for service in ["", "readiness", "liveness", "startup"] {
            let service = service.to_owned();
            let check = health.check(HealthCheckRequest { service }).await;
            let serves = check.is_ok_and(|answer| answer.get_ref().status == 1);
            counts.0.fetch_add(1, SeqCst);
            counts.1.fetch_add(u64::from(!serves), SeqCst);
        }
        let status = cache
            .get_cache_status(GetCacheStatusRequest::default())
            .await;
        counts.0.fetch_add(1, SeqCst);
        counts.1.fetch_add(u64::from(status.is_err()), SeqCst);
        let listed = all(replica).await;
        counts.0.fetch_add(1, SeqCst);
        counts.1.fetch_add(u64::from(listed.len() != 5), SeqCst);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn by_call_command_or_plain_sql_every_replica_refuses_and_serves_again() {
    let fleet = Fleet::start(4).await;
    let (stop, counts) = (
        AtomicBool::new(false),
        Arc::new((AtomicU64::new(0), AtomicU64::new(0))),
    );
    let others = fleet
        .replicas
        .iter()
        .map(|replica| ask_all_else(replica, &stop, &counts));
    let throwing = async {
        for enabled in [false, true] {
            let since = Instant::now();
            set_flag(&fleet.replicas[1], "challenges_catalog", enabled).await;
            assert_eq!(
                refuses(&fleet.replicas[1]).await,
                !enabled,
                "at once where it was asked for"
            );
            all_refuse(&fleet, since, !enabled).await;
        }
        for word in ["off", "on"] {
            let addr = [("CATALOG_ADDR", fleet.replicas[2].addr().to_string())];
            let arguments = ["admin", "flags", "set", "challenges_catalog", word];
            let since = Instant::now();
            run_well(&arguments, &addr).await;
            all_refuse(&fleet, since, word == "off").await;
        }
        for enabled in [false, true] {
            let switch = format!(
                "UPDATE feature_flags SET enabled = {enabled} WHERE name = 'challenges_catalog'"
            );
            let since = Instant::now();
            fleet.database.execute(&switch).await;
            all_refuse(&fleet, since, !enabled).await;
        }
        stop.store(true, SeqCst);
    };
    tokio::join!(throwing, futures_util::future::join_all(others));
    let (asked, failed) = (counts.0.load(SeqCst), counts.1.load(SeqCst));
    assert!(asked >= 24 && failed == 0, "{failed} of {asked}");
}

#[tokio::test]
async fn a_change_of_a_flag_costs_no_cached_answer() {
    let fleet = Fleet::start(2).await;
    for replica in &fleet.replicas {
        list(replica, Difficulty::Beginner, 20).await.unwrap();
    }
    let version = set_flag(&fleet.replicas[0], "ai_tips", false).await.version;
    for replica in &fleet.replicas {
        eventually("the change was heard of", WITHIN, async || {
            let answer = list(replica, Difficulty::Beginner, 20).await.unwrap();
            let freshness = answer.freshness.unwrap();
            assert_eq!(freshness.source(), AnswerSource::NearCache);
            freshness.version >= version
        })
        .await;
    }
}

#[tokio::test]
async fn a_replica_that_starts_while_the_catalog_is_off_serves_nobody() {
    let fleet = Fleet::start_with_least_rights().await;
    let off = "INSERT INTO feature_flags (name, enabled) VALUES ('challenges_catalog', false)";
    fleet.database.execute(off).await;
    let replica = Replica::start(&[("DATABASE_URL", fleet.database.url())]).await;
    assert!(refuses(&replica).await);
    fleet.database.execute("TRUNCATE feature_flags").await;
    eventually("it serves", WITHIN, async || !refuses(&replica).await).await;
}

#[tokio::test]
async fn nothing_is_asked_of_the_database_while_the_catalog_is_off() {
    let fleet = Fleet::start(1).await;
    let replica = &fleet.replicas[0];
    set_flag(replica, "challenges_catalog", false).await;
    let before = fleet.database.calls_of("%approach_challenges%").await;
    for _ in 0..50 {
        assert!(refuses(replica).await);
    }
    assert_eq!(
        fleet.database.calls_of("%approach_challenges%").await,
        before
    );
}
