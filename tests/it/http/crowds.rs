//! More readers and connections than there may be.
use std::time::Duration;

use challenges_catalog::pb::health::v1::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use http::Method;
use tokio::net::TcpStream;

use super::{
    events::Events,
    scene::{Answer, Client, HTTP, Speaking, asking, get, http_addr},
};
use crate::{
    access::scene::plain,
    ops::scene::{OPS, metric, metrics, ops_addr},
    support::{process::PATIENCE, replica::Replica, wait::eventually},
    tips::{
        provider::{gated, replica_of},
        wire_stream::CHALLENGE,
    },
};

const STREAMS: &str = "catalog_rpc_in_flight{method=\"ChallengesCatalog/StreamTips\"} ";

fn tip() -> String {
    format!("/v1/challenges/{CHALLENGE}/tip")
}

async fn is_well(replica: &Replica) -> bool {
    let mut probe = HealthClient::new(plain(replica.addr()).await);
    let said = probe.check(HealthCheckRequest::default()).await.unwrap();
    let page = crate::ops::scene::get(ops_addr(replica), "/readyz").await;
    said.get_ref().status() == ServingStatus::Serving && page.status == 200
}

fn is_overloaded(answer: &Answer) {
    let expected = (503, "OVERLOADED".to_owned(), Vec::new());
    assert_eq!(answer.problem(), expected);
    assert_eq!(answer.header("retry-after"), "1");
}

/// Over HTTP/2, of which a connection has room for 200.
#[tokio::test]
async fn two_thousand_idle_readers_take_the_streams_there_are_and_hold_nobody_up() {
    let provider = gated().await;
    let settings = [HTTP, OPS, ("CATALOG_MAX_STREAMS", "1000")];
    let replica = replica_of(&provider, &settings).await;
    let addr = http_addr(&replica);
    let (mut readers, mut refused, mut clients) = (Vec::new(), 0, Vec::new());
    for _ in 0..10 {
        let mut client = Client::connect(addr, Speaking::Http2).await;
        for _ in 0..200 {
            let response = client.begin(asking(Method::GET, &tip(), &[])).await;
            match response.status().as_u16() {
                200 => readers.push(response),
                503 => refused += 1,
                other => panic!("{other}"),
            }
        }
        clients.push(client);
    }
    assert_eq!((readers.len(), refused), (1_000, 1_000));
    is_overloaded(&get(&replica, &tip()).await);
    assert!(is_well(&replica).await);
    for path in ["/v1/challenges", "/v1/admin/flags"] {
        assert_eq!(get(&replica, path).await.status, 200);
    }
    assert!((metric(&metrics(&replica).await, STREAMS) - 1_000.0).abs() < f64::EPSILON);
    drop((readers, clients));
    eventually("their places are free", PATIENCE, async || {
        metric(&metrics(&replica).await, STREAMS) < 0.5
    })
    .await;
    assert_eq!(Events::open(&replica, &tip(), &[]).await.status, 200);
}

#[tokio::test]
async fn when_all_connections_are_taken_probes_are_answered_and_others_told() {
    let provider = gated().await;
    let settings = [HTTP, OPS, ("CATALOG_MAX_CONNECTIONS", "50")];
    let replica = replica_of(&provider, &settings).await;
    let mut held = Vec::new();
    for _ in 0..50 {
        held.push(Events::open(&replica, &tip(), &[]).await);
    }
    for _ in 0..5 {
        for path in [&tip()[..], "/v1/challenges", "/v1/admin/flags"] {
            is_overloaded(&get(&replica, path).await);
        }
        assert!(is_well(&replica).await);
    }
    drop(held);
    eventually("there is room again", PATIENCE, async || {
        get(&replica, "/v1/challenges").await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_connection_beyond_the_limit_is_ended_behind_its_answer() {
    let replica = super::scene::serving(&[("CATALOG_MAX_CONNECTIONS", "1")]).await;
    let addr = http_addr(&replica);
    let mut held = Client::connect(addr, Speaking::Http1).await;
    let list = || asking(Method::GET, "/v1/challenges", &[]);
    assert_eq!(held.send(list()).await.status, 200);
    for path in ["/v1/challenges", "/nowhere", "/v1/challenges?x=1"] {
        // It would keep its connection, if it could.
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
        let asked = std::time::Instant::now();
        let answer = super::scene::raw(addr, request).await;
        assert_eq!(super::scene::statuses(&answer).len(), 1, "{answer}");
        assert!(asked.elapsed() < Duration::from_secs(8), "{path}");
    }
    assert_eq!(held.send(list()).await.status, 200);
}

#[tokio::test]
async fn a_crowd_that_says_nothing_keeps_no_probe_away() {
    let replica = super::scene::serving(&[("CATALOG_MAX_CONNECTIONS", "1")]).await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(http_addr(&replica)).await.unwrap());
    }
    let probe = tokio::time::timeout(Duration::from_secs(5), is_well(&replica));
    assert!(probe.await.expect("the probe is answered"));
}
