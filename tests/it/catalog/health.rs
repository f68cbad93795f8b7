//! `grpc.health.v1`, name by name.
use std::time::Duration;

use challenges_catalog::pb::health::v1::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic::{Code, transport::Channel};

use crate::support::{fleet::Fleet, replica::Replica, wait::eventually};

async fn client(replica: &Replica) -> HealthClient<Channel> {
    let endpoint = Channel::from_shared(format!("http://{}", replica.addr())).unwrap();
    HealthClient::new(endpoint.connect().await.unwrap())
}

async fn check(replica: &Replica, name: &str) -> Result<ServingStatus, Code> {
    let request = HealthCheckRequest {
        service: name.to_owned(),
    };
    let answer = client(replica).await.check(request).await;
    answer
        .map(|answer| answer.get_ref().status())
        .map_err(|status| status.code())
}

async fn becomes(replica: &Replica, name: &str, wanted: ServingStatus) {
    let what = format!("{name:?} is {wanted:?}");
    eventually(&what, Duration::from_secs(8), async || {
        check(replica, name).await == Ok(wanted)
    })
    .await;
}

#[tokio::test]
async fn a_replica_that_serves_says_so_under_every_name() {
    let replica = Replica::start(&[]).await;
    for name in [
        "",
        "readiness",
        "startup",
        "liveness",
        "challenges.catalog.v1.ChallengesCatalog",
    ] {
        let status = check(&replica, name).await;
        assert_eq!(status, Ok(ServingStatus::Serving), "{name:?}");
    }
    let unknown = check(&replica, "no.such.Service").await;
    assert_eq!(unknown, Err(Code::NotFound));
}

#[tokio::test]
async fn a_dependency_that_is_gone_shows_and_does_not_touch_readiness() {
    let fleet = Fleet::start(1).await;
    let replica = &fleet.replicas[0];
    let redis = "dependency/redis";
    becomes(replica, redis, ServingStatus::Serving).await;
    becomes(replica, "dependency/postgres", ServingStatus::Serving).await;
    fleet.redis.kill();
    becomes(replica, redis, ServingStatus::NotServing).await;
    for name in ["", "readiness", "liveness", "dependency/postgres"] {
        let status = check(replica, name).await;
        assert_eq!(status, Ok(ServingStatus::Serving), "{name:?}");
    }
    fleet.redis.restart_empty();
    becomes(replica, redis, ServingStatus::Serving).await;
}

#[tokio::test]
async fn a_watch_tells_changes_and_nothing_else() {
    let fleet = Fleet::start(1).await;
    let replica = &fleet.replicas[0];
    becomes(replica, "dependency/redis", ServingStatus::Serving).await;
    let request = |name: &str| HealthCheckRequest {
        service: name.to_owned(),
    };
    let mut client = client(replica).await;
    let redis = client.watch(request("dependency/redis")).await.unwrap();
    let ready = client.watch(request("")).await.unwrap();
    let (mut redis, mut ready) = (redis.into_inner(), ready.into_inner());
    let first = ready.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);

    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(redis.message().await.unwrap().unwrap().status());
        match seen.len() {
            1 => fleet.redis.kill(),
            2 => fleet.redis.restart_empty(),
            _ => {}
        }
    }
    let (up, down) = (ServingStatus::Serving, ServingStatus::NotServing);
    assert_eq!(seen, [up, down, up]);
    // Three beats and more have passed since the first word on readiness, which never changed.
    let more = tokio::time::timeout(Duration::from_millis(10), ready.message()).await;
    assert!(more.is_err(), "{more:?}");
}
