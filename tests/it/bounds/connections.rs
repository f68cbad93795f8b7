//! As many connections as there may be, and more.
use std::time::Duration;

use challenges_catalog::pb::catalog::v1::{
    Difficulty, ListChallengesRequest, challenges_catalog_client::ChallengesCatalogClient,
};
use challenges_catalog::pb::health::v1::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tokio::net::TcpStream;
use tonic::{Code, transport::Channel};
use tonic_types::StatusExt;

use crate::{
    logs::outages::{log_lines, saying},
    ops::scene::{OPS, metric, metrics},
    support::{fleet::list, process::PATIENCE, replica::Replica, wait::eventually},
};

async fn is_well(replica: &Replica) -> bool {
    let endpoint = Channel::from_shared(format!("http://{}", replica.addr())).unwrap();
    let mut probe = HealthClient::new(endpoint.connect().await.unwrap());
    let said = probe.check(HealthCheckRequest::default()).await.unwrap();
    said.get_ref().status() == ServingStatus::Serving
}

/// A replica that takes so many connections.
async fn with_room_for(connections: usize) -> Replica {
    Replica::start(&[
        ("CATALOG_MAX_CONNECTIONS", connections.to_string()),
        (OPS.0, OPS.1.to_owned()),
    ])
    .await
}

/// A client that holds its connection.
async fn holding(replica: &Replica) -> ChallengesCatalogClient<Channel> {
    let mut client = replica.client().await;
    let request = ListChallengesRequest::default();
    client.list_challenges(request).await.unwrap();
    client
}

#[tokio::test]
async fn when_all_connections_are_taken_probes_are_answered_and_others_told() {
    let replica = with_room_for(3).await;
    let held = [
        holding(&replica).await,
        holding(&replica).await,
        holding(&replica).await,
    ];
    for _ in 0..5 {
        assert!(is_well(&replica).await);
        let refused = list(&replica, Difficulty::Beginner, 20).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable);
        let details = refused.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "OVERLOADED");
        assert!(details.retry_info().is_some());
    }
    let page = metrics(&replica).await;
    for (name, value) in [
        ("catalog_connections", 3.0),
        ("catalog_connections_max", 3.0),
        ("catalog_connections_refused_total", 10.0),
    ] {
        let shown = metric(&page, &format!("{name} "));
        assert!((shown - value).abs() < f64::EPSILON, "{name} {shown}");
    }
    drop(held);
    eventually("there is room again", PATIENCE, async || {
        list(&replica, Difficulty::Beginner, 20).await.is_ok()
    })
    .await;
    let over = "there are connections again";
    eventually("its end is logged", PATIENCE, async || {
        !saying(&log_lines(&replica), over).is_empty()
    })
    .await;
    let lines = log_lines(&replica);
    assert_eq!(saying(&lines, "all connections are taken").len(), 1);
    let ended = saying(&lines, over);
    assert!(ended[0]["failures"].as_u64().unwrap() >= 9, "{ended:?}");
}

#[tokio::test]
async fn a_crowd_that_says_nothing_keeps_no_probe_away() {
    let replica = with_room_for(1).await;
    let _held = holding(&replica).await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(replica.addr()).await.unwrap());
    }
    let probe = tokio::time::timeout(Duration::from_secs(5), is_well(&replica));
    assert!(probe.await.expect("the probe is answered"));
}
