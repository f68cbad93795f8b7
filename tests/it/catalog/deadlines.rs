//! A call that takes too long is answered in time, and says so.
use std::time::{Duration, Instant};

use sqlx::{Connection, Executor};
use tonic::Code;

use crate::support::refusal::Refusal;
use crate::support::{
    fleet, postgres,
    replica::Replica,
    wire::{frame, grpc, send},
};

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

    let mut request = grpc("/challenges.catalog.v1.ChallengesCatalog/ListChallenges");
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
