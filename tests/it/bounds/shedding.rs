//! Calls that are too many are refused soon, with a pause; cached answers and probes are not.
use std::time::{Duration, Instant};

use challenges_catalog::pb::catalog::v1::{Difficulty, ListChallengesResponse};
use futures_util::{
    StreamExt,
    future::join_all,
    stream::{self, FuturesUnordered},
};
use http::{HeaderMap, request::Builder};
use sqlx::{Connection as _, Executor};
use tokio::time::sleep;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::{
    ops::scene::{OPS, metric, metrics},
    support::{
        fleet::{self, list, titles},
        postgres,
        process::PATIENCE,
        refusal::Refusal,
        replica::Replica,
        wait::eventually,
        wire::{Connection, Pieces, frame, grpc, send, whole},
    },
    tips::{
        provider::{gated, replica_of},
        wire_stream::question,
    },
};

const LIST: &str = "/challenges.catalog.v1.ChallengesCatalog/ListChallenges";
const TIPS: &str = "/challenges.catalog.v1.ChallengesCatalog/StreamTips";
const TIPS_BATCH: &str = "/challenges.catalog.v1.ChallengesCatalog/StreamTipsBatch";
const EXPORT: &str = "/challenges.admin.v1.ChallengesAdmin/ExportChallenges";
const CHECK: &str = "/grpc.health.v1.Health/Check";
const NAMES: &str = "/grpc.health.v1.Health/List";

/// Much longer than a refusal takes on a busy machine, and much shorter than anything is waited for.
const SOON: Duration = Duration::from_secs(2);

/// A refusal for load, whose pause is the same wherever a client looks for it.
fn is_shed(status: Status) {
    let details = status.get_error_details();
    let pause = details.retry_info().unwrap().retry_delay.unwrap();
    let pushback = status.metadata().get("grpc-retry-pushback-ms").unwrap();
    assert_eq!(pushback.to_str().unwrap(), pause.as_millis().to_string());
    let expected = Duration::from_millis(100)..=Duration::from_millis(150);
    assert!(expected.contains(&pause), "{pause:?}");
    let overloaded = Refusal::new(Code::Unavailable, "OVERLOADED", &[]);
    assert_eq!(Refusal::from(status), overloaded);
}

/// What the head of an answer says; it must come soon.
async fn head(connection: &mut Connection, request: Builder, body: Pieces) -> HeaderMap {
    let asked = Instant::now();
    let answer = connection.begin(request, body).await.unwrap();
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
    answer.into_parts().0.headers
}

#[tokio::test]
async fn streams_that_are_too_many_are_refused_soon_whatever_their_message_and_probes_are_not() {
    let provider = gated().await;
    let replica = replica_of(&provider, &[("CATALOG_MAX_STREAMS", "1")]).await;
    let mut client = replica.client().await;
    let first = client.stream_tips(Request::new(question())).await;
    let mut first = first.unwrap().into_inner();
    assert!(first.message().await.unwrap().is_some());
    let mut connection = Connection::open(replica.addr(), 1 << 16).await;
    for path in [TIPS, TIPS_BATCH, EXPORT] {
        let headers = head(&mut connection, grpc(path), stream::pending().boxed()).await;
        is_shed(Status::from_header_map(&headers).expect(path));
    }
    for path in [CHECK, NAMES] {
        let answer = send(replica.addr(), grpc(path), frame(0, b"")).await;
        assert_eq!(answer.status().code(), Code::Ok, "{path}");
    }
}

/// A list of so many a page, which no cache has.
fn pages_of(size: u8) -> [u8; 2] {
    [0x10, size]
}

#[tokio::test]
async fn loads_that_are_too_many_are_refused_and_cached_answers_and_probes_are_not() {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    let replica = Replica::start(&[
        ("DATABASE_URL", database.url()),
        ("CATALOG_MAX_CALLS", "1".to_owned()),
        (OPS.0, OPS.1.to_owned()),
    ])
    .await;
    list(&replica, Difficulty::Beginner, 20).await.unwrap();
    let mut other = database.connect().await;
    let mut holder = other.begin().await.unwrap();
    let lock = "LOCK TABLE approach_challenges IN ACCESS EXCLUSIVE MODE";
    holder.execute(lock).await.unwrap();

    let mut connection = Connection::open(replica.addr(), 1 << 16).await;
    let loading = connection.begin(grpc(LIST), whole(&pages_of(77)));
    let in_flight = "catalog_rpc_in_flight{method=\"ChallengesCatalog/ListChallenges\"}";
    // It counts as in flight before its message is read.
    let locked = "SELECT count(*) FROM pg_stat_activity
        WHERE wait_event_type = 'Lock' AND datname = current_database()";
    eventually("it waits", PATIENCE, async || {
        metric(&metrics(&replica).await, in_flight) > 0.5 && database.query_i64(locked).await > 0
    })
    .await;
    // The bound is that of the replica, not of each connection.
    let mut another = Connection::open(replica.addr(), 1 << 16).await;
    for size in 78..88 {
        let headers = head(&mut another, grpc(LIST), whole(&pages_of(size))).await;
        is_shed(Status::from_header_map(&headers).unwrap());
        list(&replica, Difficulty::Beginner, 20).await.unwrap();
        for path in [CHECK, NAMES] {
            let answer = send(replica.addr(), grpc(path), frame(0, b"")).await;
            assert_eq!(answer.status().code(), Code::Ok, "{path}");
        }
    }
    holder.rollback().await.unwrap();
    let loaded = loading.await.unwrap();
    assert!(Status::from_header_map(loaded.headers()).is_none());
}

/// As a migration of another program takes it, for longer than any call waits.
#[tokio::test]
async fn a_locked_table_fails_no_call_that_has_a_copy_however_many_come() {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    let replica = Replica::start(&[
        ("DATABASE_URL", database.url()),
        ("CATALOG_MAX_CALLS", "5".to_owned()),
    ])
    .await;
    let read = async || list(&replica, Difficulty::Beginner, 20).await.unwrap();
    let warm = read().await;
    let change = "UPDATE approach_challenges SET updated_at = now() WHERE difficulty = 'beginner'";
    database.execute(change).await;
    let mut other = database.connect().await;
    let mut holder = other.begin().await.unwrap();
    let lock = "LOCK TABLE approach_challenges IN ACCESS EXCLUSIVE MODE";
    holder.execute(lock).await.unwrap();
    let is_stale = |answer: &ListChallengesResponse| answer.freshness.as_ref().unwrap().stale;
    eventually("what is cached is old", PATIENCE, async || {
        is_stale(&read().await)
    })
    .await;
    for answer in join_all((0..50).map(|_| read())).await {
        assert!(is_stale(&answer));
        assert_eq!(titles(&answer), titles(&warm));
    }
    holder.rollback().await.unwrap();
    eventually("it is read again", PATIENCE, async || {
        !is_stale(&read().await)
    })
    .await;
}

#[tokio::test]
async fn a_read_that_could_not_begin_in_time_is_refused_at_once_and_cached_answers_are_not() {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    let replica = Replica::start(&[
        ("DATABASE_URL", database.url()),
        ("CATALOG_FILL_CONCURRENCY", "1".to_owned()),
    ])
    .await;
    list(&replica, Difficulty::Beginner, 20).await.unwrap();
    let mut other = database.connect().await;
    let lock = "LOCK TABLE approach_challenges IN ACCESS EXCLUSIVE MODE";
    let locked = "SELECT count(*) FROM pg_stat_activity
        WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let is_locked = async || database.query_i64(locked).await > 0;

    // By this read the replica knows that one can take long.
    let mut holder = other.begin().await.unwrap();
    holder.execute(lock).await.unwrap();
    let mut connection = Connection::open(replica.addr(), 1 << 16).await;
    let slow = connection.begin(grpc(LIST), whole(&pages_of(21)));
    eventually("a read waits for the lock", PATIENCE, is_locked).await;
    sleep(Duration::from_millis(700)).await;
    holder.rollback().await.unwrap();
    assert!(Status::from_header_map(slow.await.unwrap().headers()).is_none());

    let mut holder = other.begin().await.unwrap();
    holder.execute(lock).await.unwrap();
    let running = connection.begin(grpc(LIST), whole(&pages_of(22)));
    eventually("the next one waits for it", PATIENCE, is_locked).await;
    let begin = |size| connection.begin(grpc(LIST), whole(&pages_of(size)));
    // The replica has that of 50 since its start.
    let mut waiting: FuturesUnordered<_> = (51..101).map(begin).collect();
    // Some of these fifty could have their turn in time. No read ends meanwhile, so one that had waited for its
    // turn would be told of the database.
    for _ in 0..20 {
        let answer = waiting.next().await.unwrap().unwrap();
        let refusal = Status::from_header_map(answer.headers());
        is_shed(refusal.unwrap_or_else(|| panic!("{:?}", answer.headers())));
    }
    list(&replica, Difficulty::Beginner, 20).await.unwrap();
    holder.rollback().await.unwrap();
    assert!(Status::from_header_map(running.await.unwrap().headers()).is_none());
}
