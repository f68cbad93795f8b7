//! How flags and settings show in `grpc.health.v1`, and what a broken row does.
use std::time::Duration;

use challenges_catalog::pb::health::v1::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use challenges_catalog::pb::{admin::v1::ValueSource, catalog::v1::Difficulty};
use tonic::transport::Channel;

use super::{
    client::{get, reset, set_flag},
    settings,
};
use crate::{
    ops::scene,
    support::{
        fleet::{Fleet, list},
        replica::Replica,
        wait::eventually,
    },
};

const WITHIN: Duration = Duration::from_secs(3);
const CATALOG: &str = "challenges.catalog.v1.ChallengesCatalog";

async fn client(replica: &Replica) -> HealthClient<Channel> {
    let endpoint = Channel::from_shared(format!("http://{}", replica.addr())).unwrap();
    HealthClient::new(endpoint.connect().await.unwrap())
}

async fn becomes(replica: &Replica, name: &str, wanted: ServingStatus) {
    let client = client(replica).await;
    eventually(&format!("{name} is {wanted:?}"), WITHIN, async || {
        let mut client = client.clone();
        let service = name.to_owned();
        let answer = client.check(HealthCheckRequest { service }).await;
        answer.unwrap().get_ref().status() == wanted
    })
    .await;
}

#[tokio::test]
async fn every_flag_has_a_name_and_the_catalogs_own_health_follows_its_flag() {
    let replica = Replica::start(&[("CATALOG_AI_TIPS", "false".to_owned())]).await;
    let (on, off) = (ServingStatus::Serving, ServingStatus::NotServing);
    for name in [
        "challenges_catalog",
        "shared_cache",
        "near_cache",
        "stale_while_unavailable",
    ] {
        becomes(&replica, &format!("feature/{name}"), on).await;
    }
    becomes(&replica, "feature/ai_tips", off).await;
    set_flag(&replica, "challenges_catalog", false).await;
    becomes(&replica, CATALOG, off).await;
    becomes(&replica, "feature/challenges_catalog", off).await;
    for name in ["", "readiness", "liveness", "startup"] {
        becomes(&replica, name, on).await;
    }
    reset(&replica, "challenges_catalog").await;
    becomes(&replica, CATALOG, on).await;
    becomes(&replica, "feature/challenges_catalog", on).await;
}

#[tokio::test]
async fn a_replica_that_was_started_with_the_catalog_off_says_so() {
    let replica = Replica::start(&[("ENABLE_CHALLENGES_CATALOG", "No".to_owned())]).await;
    becomes(&replica, CATALOG, ServingStatus::NotServing).await;
    becomes(&replica, "", ServingStatus::Serving).await;
    assert!(list(&replica, Difficulty::Beginner, 20).await.is_err());
    set_flag(&replica, "challenges_catalog", true).await;
    becomes(&replica, CATALOG, ServingStatus::Serving).await;
}

#[tokio::test]
async fn a_broken_row_is_told_by_health_once_by_the_log_and_the_last_good_value_stays() {
    let fleet = Fleet::start(1).await;
    let replica = &fleet.replicas[0];
    set_flag(replica, "near_cache", false).await;
    let loose = "ALTER TABLE feature_flags DROP CONSTRAINT feature_flags_rollout_percentage_check";
    fleet.database.execute(loose).await;
    let row = "UPDATE feature_flags SET enabled = true, rollout_percentage = 101";
    fleet.database.execute(row).await;
    becomes(replica, "feature/near_cache", ServingStatus::Unknown).await;
    let flag = get(replica, "near_cache").await;
    assert_eq!((flag.enabled, flag.source()), (false, ValueSource::AllRow));
    assert_eq!(flag.problem, "rollout_percentage must be 0 to 100, not 101");
    let strange = "UPDATE feature_flags SET rollout_percentage = 100, environment = 'Production'";
    fleet.database.execute(strange).await;
    eventually("the other fault is told", WITHIN, async || {
        get(replica, "near_cache")
            .await
            .problem
            .contains("Production")
    })
    .await;
    assert!(!get(replica, "near_cache").await.enabled);
    for _ in 0..5 {
        get(replica, "near_cache").await;
    }
    let log = replica.log();
    let text = "rollout_percentage must be 0 to 100, not 101";
    // Once when it is found, and once more when it is repaired.
    assert_eq!(log.matches(text).count(), 2, "{log}");
    // An operator repairs it by setting the flag.
    let mended = set_flag(replica, "near_cache", true).await.flag.unwrap();
    assert_eq!(
        (
            mended.enabled,
            mended.problem.as_str(),
            mended.environment.as_str()
        ),
        (true, "", "all")
    );
    becomes(replica, "feature/near_cache", ServingStatus::Serving).await;
}

#[tokio::test]
async fn a_broken_row_of_a_setting_is_told_by_health_and_figures_and_the_last_good_value_stays() {
    let fleet = Fleet::start_with(1, &[scene::OPS]).await;
    let replica = &fleet.replicas[0];
    let (setting, name) = ("cache_ttl_ms", "setting/cache_ttl_ms");
    becomes(replica, name, ServingStatus::Serving).await;
    let given = settings::update(replica, settings::set(setting, 60_000)).await;
    assert_eq!(given.unwrap().value, 60_000);
    let row = "UPDATE challenges_catalog.runtime_settings SET value = 5";
    fleet.database.execute(row).await;
    becomes(replica, name, ServingStatus::Unknown).await;
    let others = ["setting/tip_streams_at_once", "readiness", ""];
    for other in others {
        becomes(replica, other, ServingStatus::Serving).await;
    }
    let broken = settings::get(replica, setting).await;
    assert_eq!(broken.value, 60_000);
    assert!(broken.problem.contains("not 5"), "{broken:?}");
    shows(replica, setting, 60_000, 1).await;
    let mended = settings::update(replica, settings::set(setting, 90_000)).await;
    assert_eq!(mended.unwrap().problem, "");
    becomes(replica, name, ServingStatus::Serving).await;
    shows(replica, setting, 90_000, 0).await;
}

/// The page of metrics has both metrics of a setting.
async fn shows(replica: &Replica, setting: &str, value: u64, broken: u8) {
    let page = scene::get(scene::ops_addr(replica), "/metrics").await.body;
    for (metric, value) in [("value", value), ("broken", broken.into())] {
        let line = format!("catalog_runtime_setting_{metric}{{setting=\"{setting}\"}} {value}\n");
        assert!(page.contains(&line), "{line}{page}");
    }
}
