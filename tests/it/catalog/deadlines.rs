//! A call that takes too long is answered in time, and says so.
use std::time::{Duration, Instant};

use futures_util::{StreamExt, future::join_all, stream};
use http::{HeaderValue, request::Builder};
use prost::Message;
use sqlx::{Connection as _, Executor};
use tonic::{Code, Status};

use super::wire::method_paths;
use crate::{
    support::{
        fleet, postgres,
        refusal::Refusal,
        replica::Replica,
        wire::{Connection, frame, grpc, send},
    },
    tips::{
        provider::{gated, replica_of},
        wire_stream::question,
    },
};

const TIPS: &str = "/challenges.catalog.v1.ChallengesCatalog/StreamTips";
const LIST: &str = "/challenges.catalog.v1.ChallengesCatalog/ListChallenges";
/// A list that no cache has yet.
const PAGE_SIZE_77: [u8; 2] = [0x10, 77];

async fn held_call(environment: (&str, &str), timeout: Option<&str>) -> (Refusal, Duration) {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    let environment = [
        ("DATABASE_URL", database.url()),
        (environment.0, environment.1.to_owned()),
    ];
    let replica = Replica::start(&environment).await;
    let mut other = database.connect().await;
    let mut holder = other.begin().await.unwrap();
    let lock = "LOCK TABLE approach_challenges IN ACCESS EXCLUSIVE MODE";
    holder.execute(lock).await.unwrap();

    let mut request = grpc(LIST);
    if let Some(timeout) = timeout {
        request = request.header("grpc-timeout", timeout);
    }
    let asked = Instant::now();
    let answer = send(replica.addr(), request, frame(0, &PAGE_SIZE_77)).await;
    let took = asked.elapsed();
    assert!(answer.headers.contains_key("x-request-id"));
    holder.rollback().await.unwrap();
    (answer.status().into(), took)
}

fn deadline_exceeded() -> Refusal {
    Refusal::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", &[])
}

#[tokio::test]
async fn a_read_that_is_held_ends_with_the_callers_deadline() {
    let (refused, took) = held_call(("CATALOG_LOG", "info"), Some("300m")).await;
    assert_eq!(refused, deadline_exceeded());
    let expected = Duration::from_millis(300)..Duration::from_millis(1500);
    assert!(expected.contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_call_without_a_deadline_has_the_servers() {
    let (refused, took) = held_call(("CATALOG_REQUEST_TIMEOUT", "400ms"), None).await;
    assert_eq!(refused, deadline_exceeded());
    let expected = Duration::from_millis(400)..Duration::from_millis(1500);
    assert!(expected.contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_caller_gets_no_more_time_than_the_server_gives() {
    let (refused, took) = held_call(("CATALOG_REQUEST_TIMEOUT", "400ms"), Some("1H")).await;
    assert_eq!(refused, deadline_exceeded());
    assert!(took < Duration::from_millis(1500), "{took:?}");
}

#[tokio::test]
async fn a_stream_ends_with_its_callers_deadline_though_its_tip_is_still_written() {
    let provider = gated().await;
    let replica = replica_of(&provider, &[]).await;
    let asked = Instant::now();
    let request = grpc(TIPS).header("grpc-timeout", "700m");
    let question = frame(0, &question().encode_to_vec());
    let answer = send(replica.addr(), request, question).await;
    let took = asked.elapsed();
    assert!(!answer.body.is_empty(), "it had begun");
    assert_eq!(Refusal::from(answer.status()), deadline_exceeded());
    let expected = Duration::from_millis(650)..Duration::from_secs(3);
    assert!(expected.contains(&took), "{took:?}");
}

async fn told(replica: &Replica, request: Builder) -> Result<(), Refusal> {
    let answer = send(replica.addr(), request, frame(0, &PAGE_SIZE_77)).await;
    let status = answer.status();
    if status.code() == Code::Ok {
        return Ok(());
    }
    Err(status.into())
}

#[tokio::test]
async fn a_time_limit_that_cannot_be_read_is_refused_and_named() {
    let replica = Replica::start(&[]).await;
    let unreadable = || Err(Refusal::invalid(&["grpc-timeout"]));
    for limit in [
        &b""[..],
        b"S",
        b"1",
        b"m1",
        b"1s",
        b"1h",
        b"1ms",
        b"-1S",
        b"+1S",
        b"1.5S",
        b"1 S",
        b"123456789S",
        b"000000001S",
        b"1S,2S",
        b"1\xc2\xb5",
        b"\xd9\xa1S",
        b"\xff",
    ] {
        let limit = HeaderValue::from_bytes(limit).unwrap();
        let request = grpc(LIST).header("grpc-timeout", &limit);
        assert_eq!(told(&replica, request).await, unreadable(), "{limit:?}");
    }
    let twice = grpc(LIST).header("grpc-timeout", "1S");
    let twice = twice.header("grpc-timeout", "1S");
    assert_eq!(told(&replica, twice).await, unreadable());
    for limit in [
        "1H",
        "1M",
        "1S",
        "60000m",
        "99999999u",
        "99999999n",
        "00000009S",
    ] {
        let request = grpc(LIST).header("grpc-timeout", limit);
        assert_eq!(told(&replica, request).await, Ok(()), "{limit}");
    }
}

#[tokio::test]
async fn every_method_refuses_a_time_limit_that_cannot_be_read_soon_whatever_its_message() {
    let replica = Replica::start(&[]).await;
    let paths = method_paths();
    assert!(paths.len() > 25, "{paths:?}");
    let refused = paths.iter().map(async |path| {
        let asked = Instant::now();
        let mut connection = Connection::open(replica.addr(), 1 << 16).await;
        let request = grpc(path).header("grpc-timeout", "1s");
        // Nothing of its message ever comes.
        let answer = connection.begin(request, stream::pending().boxed());
        let (head, _) = answer.await.unwrap().into_parts();
        let status = Status::from_header_map(&head.headers).expect("a status");
        let unreadable = Refusal::invalid(&["grpc-timeout"]);
        assert_eq!(Refusal::from(status), unreadable, "{path}");
        assert!(head.headers.contains_key("x-request-id"));
        assert!(asked.elapsed() < Duration::from_secs(4), "{path}");
    });
    join_all(refused).await;
}
