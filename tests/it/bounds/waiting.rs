//! Calls that wait take no other call's place.
use std::time::Duration;

use challenges_catalog::{
    domain::Version,
    pb::catalog::v1::{Difficulty, GetChallengeRequest, ListChallengesRequest},
};
use futures_util::future::join_all;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::{
    ops::scene::{OPS, metric, metrics},
    support::{fleet::list, process::PATIENCE, replica::Replica, wait::eventually},
};

const ONE_CALL: (&str, &str) = ("CATALOG_MAX_CALLS", "1");

/// A version that is `commits` ahead of what the replica shows.
async fn ahead(replica: &Replica, commits: u64) -> String {
    let answer = list(replica, Difficulty::Beginner, 20).await.unwrap();
    let mut version: Version = answer.freshness.unwrap().version.parse().unwrap();
    version.stamp.seq += commits;
    version.to_string()
}

async fn list_at(replica: &Replica, version: &str, patience: Duration) -> Status {
    let mut request = Request::new(ListChallengesRequest {
        min_version: version.to_owned(),
        ..Default::default()
    });
    request.set_timeout(patience);
    let answer = replica.client().await.list_challenges(request).await;
    answer.unwrap_err()
}

#[tokio::test]
async fn calls_that_wait_for_a_version_shut_no_others_out() {
    let settings = [ONE_CALL, OPS].map(|(name, value)| (name, value.to_owned()));
    let replica = Replica::start(&settings).await;
    let version = ahead(&replica, 1_000).await;
    let waiting = (0..20).map(|_| list_at(&replica, &version, Duration::from_secs(4)));
    let others = async {
        let in_flight = "catalog_rpc_in_flight{method=\"ChallengesCatalog/ListChallenges\"}";
        eventually("they wait", PATIENCE, async || {
            metric(&metrics(&replica).await, in_flight) > 19.5
        })
        .await;
        // Nothing of it is at hand.
        let absent = GetChallengeRequest {
            id: uuid::Uuid::new_v4().to_string(),
            ..Default::default()
        };
        replica.client().await.get_challenge(absent).await
    };
    let (waited, other) = tokio::join!(join_all(waiting), others);
    assert_eq!(other.unwrap_err().code(), Code::NotFound);
    for status in waited {
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "VERSION_NOT_REACHED");
    }
}

#[tokio::test]
async fn a_version_that_nobody_can_have_shown_is_refused_at_once() {
    let replica = Replica::start(&[("CATALOG_REQUEST_TIMEOUT", "30s".to_owned())]).await;
    let version = ahead(&replica, 1 << 40).await;
    let refused = list_at(&replica, &version, Duration::from_secs(30));
    let refused = tokio::time::timeout(Duration::from_secs(10), refused).await;
    let details = refused.expect("it is not waited for").get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "VERSION_NOT_REACHED");
}
