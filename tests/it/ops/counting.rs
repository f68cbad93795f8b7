//! Calls are counted when they end, by method and code, however they end.
use std::time::Duration;

use challenges_catalog::pb::catalog::v1::{
    Difficulty, GetChallengeRequest, ListChallengesRequest, StreamTipsRequest,
};
use challenges_catalog::pb::health::v1::{HealthCheckRequest, health_client::HealthClient};
use tonic::{Code, transport::Channel};

use super::scene::{OPS, metric, metrics};
use crate::{
    support::{fleet::list, replica::Replica, wait::eventually},
    tips::{
        provider::{gated, replica_of},
        wire_stream::{hear_some, question},
    },
};

const SOON: Duration = Duration::from_secs(5);

async fn replica() -> Replica {
    Replica::start(&[(OPS.0, OPS.1.to_owned())]).await
}

fn ended(method: &str, code: &str) -> String {
    format!("catalog_rpc_requests_total{{method=\"{method}\",code=\"{code}\"}}")
}

fn in_flight(method: &str) -> String {
    format!("catalog_rpc_in_flight{{method=\"{method}\"}}")
}

/// Waits until a metric is what it should be.
async fn reads(replica: &Replica, name: &str, value: f64) {
    let what = format!("{name} is {value}");
    eventually(&what, SOON, async || {
        (metric(&metrics(replica).await, name) - value).abs() < f64::EPSILON
    })
    .await;
}

#[tokio::test]
async fn calls_are_counted_by_method_and_code_and_timed() {
    let replica = replica().await;
    for _ in 0..3 {
        list(&replica, Difficulty::Beginner, 20).await.unwrap();
    }
    let wrong = list(&replica, Difficulty::Beginner, 101).await.unwrap_err();
    assert_eq!(wrong.code(), Code::InvalidArgument);
    let unknown = GetChallengeRequest {
        id: "00000000-0000-4000-8000-000000000000".to_owned(),
        ..Default::default()
    };
    let absent = replica.client().await.get_challenge(unknown).await;
    assert_eq!(absent.unwrap_err().code(), Code::NotFound);

    let page = metrics(&replica).await;
    let [of_list, of_get] = [
        "ChallengesCatalog/ListChallenges",
        "ChallengesCatalog/GetChallenge",
    ];
    for (name, count) in [
        (ended(of_list, "OK"), 3.0),
        (ended(of_list, "INVALID_ARGUMENT"), 1.0),
        (ended(of_get, "NOT_FOUND"), 1.0),
        (ended(of_get, "OK"), 0.0),
        (in_flight(of_list), 0.0),
    ] {
        assert!(
            (metric(&page, &name) - count).abs() < f64::EPSILON,
            "{name}"
        );
    }
    let timed = |suffix: &str| {
        let name = format!("catalog_rpc_duration_seconds_{suffix}{{method=\"{of_list}\"");
        let lines = page.lines().filter(move |line| line.starts_with(&name));
        let value = |line: &str| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
        lines.map(value).collect::<Vec<_>>()
    };
    assert_eq!(timed("count"), [4.0]);
    let buckets = timed("bucket");
    assert!(
        buckets.is_sorted() && buckets.last() == Some(&4.0),
        "{buckets:?}"
    );
    assert!(timed("sum")[0] > 0.0);
}

/// The headers of a stream say nothing of how it ends.
#[tokio::test]
async fn a_stream_counts_with_the_code_of_its_trailers() {
    let replica = replica().await;
    let strict = StreamTipsRequest {
        no_static_fallback: true,
        ..question()
    };
    let mut client = replica.client().await;
    let mut refused = client.stream_tips(strict).await.unwrap().into_inner();
    let status = loop {
        match refused.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it ends with an error"),
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), Code::FailedPrecondition);
    let mut whole = client.stream_tips(question()).await.unwrap().into_inner();
    while whole.message().await.unwrap().is_some() {}
    let method = "ChallengesCatalog/StreamTips";
    reads(&replica, &ended(method, "FAILED_PRECONDITION"), 1.0).await;
    reads(&replica, &ended(method, "OK"), 1.0).await;
    reads(&replica, &in_flight(method), 0.0).await;
}

#[tokio::test]
async fn a_stream_that_its_caller_dropped_is_cancelled() {
    let provider = gated().await;
    let replica = replica_of(&provider, &[OPS]).await;
    let method = "ChallengesCatalog/StreamTips";
    let mut client = replica.client().await;
    let mut stream = client.stream_tips(question()).await.unwrap().into_inner();
    provider.open(1);
    hear_some(&mut stream).await;
    reads(&replica, &in_flight(method), 1.0).await;
    drop(stream);
    reads(&replica, &ended(method, "CANCELLED"), 1.0).await;
    reads(&replica, &in_flight(method), 0.0).await;
}

/// What tonic's router answers has a body of tonic's.
#[tokio::test]
async fn routed_calls_and_unknown_ones_are_counted_as_well() {
    let replica = replica().await;
    let channel = Channel::from_shared(format!("http://{}", replica.addr())).unwrap();
    let channel = channel.connect().await.unwrap();
    let mut health = HealthClient::new(channel.clone());
    let service = |name: &str| HealthCheckRequest {
        service: name.to_owned(),
    };
    health.check(service("readiness")).await.unwrap();
    let unknown = health.check(service("nobody")).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    let watch = health.watch(service("readiness")).await.unwrap();
    reads(&replica, &in_flight("Health/Watch"), 1.0).await;
    drop(watch);
    reads(&replica, &ended("Health/Watch", "CANCELLED"), 1.0).await;
    reads(&replica, &ended("Health/Check", "OK"), 1.0).await;
    reads(&replica, &ended("Health/Check", "NOT_FOUND"), 1.0).await;

    let mut raw = tonic::client::Grpc::new(channel);
    raw.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<ListChallengesRequest, ListChallengesRequest>::default();
    let path = http::uri::PathAndQuery::from_static("/no.such.Service/Method");
    let request = tonic::Request::new(ListChallengesRequest::default());
    let refused = raw.unary(request, path, codec).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    reads(&replica, &ended("other", "UNIMPLEMENTED"), 1.0).await;
}
