//! SIGTERM: it is said first, calls go on for a while, and nobody can hold up the exit.
use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use bytes::Bytes;
use challenges_catalog::pb::catalog::v1::{Difficulty, ListChallengesRequest};
use challenges_catalog::pb::health::v1::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, join_all},
    stream::{self, BoxStream},
};
use http::Response;
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tonic::transport::Channel;

use crate::{
    ops::scene::{OPS, metrics},
    support::{
        fleet::{self, list},
        postgres,
        process::PATIENCE,
        replica::Replica,
        wait::eventually,
        wire::{frame, grpc},
    },
};

async fn health(replica: &Replica) -> HealthClient<Channel> {
    let endpoint = Channel::from_shared(format!("http://{}", replica.addr())).unwrap();
    HealthClient::new(endpoint.connect().await.unwrap())
}

#[tokio::test]
async fn the_end_is_announced_and_calls_go_on_until_the_delay_is_over() {
    let delay = Duration::from_secs(3);
    let replica = Replica::start(&[("CATALOG_SHUTDOWN_DELAY", "3s".to_owned())]).await;
    let mut client = health(&replica).await;
    let whole = HealthCheckRequest::default;
    let mut watch = client.watch(whole()).await.unwrap().into_inner();
    let mut next = async || watch.message().await.unwrap().map(|change| change.status());
    assert_eq!(next().await, Some(ServingStatus::Serving));

    let asked = Instant::now();
    let watched = async {
        assert_eq!(next().await, Some(ServingStatus::NotServing));
        assert!(asked.elapsed() < delay / 2, "it is said at once");
        // Longer than the interval of the health checks of dependencies.
        while asked.elapsed() + Duration::from_millis(500) < delay {
            assert!(list(&replica, Difficulty::Beginner, 20).await.is_ok());
            let said = client.check(whole()).await.unwrap().get_ref().status();
            assert_eq!(said, ServingStatus::NotServing);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(next().await, None, "the watch ends");
    };
    let (status, ()) = tokio::join!(replica.sigterm_and_wait(), watched);
    assert_eq!(status.code(), Some(0));
    assert!(asked.elapsed() >= delay);
}

#[tokio::test]
async fn an_open_watch_and_a_silent_connection_do_not_hold_up_the_exit() {
    let replica = Replica::start(&[("CATALOG_SHUTDOWN_GRACE", "20s".to_owned())]).await;
    let mut client = health(&replica).await;
    let watch = client.watch(HealthCheckRequest::default()).await.unwrap();
    let mut watch = watch.into_inner();
    assert!(watch.message().await.unwrap().is_some());
    let silent = TcpStream::connect(replica.addr()).await.unwrap();

    let asked = Instant::now();
    let last_word = async {
        let mut last = None;
        while let Ok(Some(change)) = watch.message().await {
            last = Some(change.status());
        }
        last
    };
    let (status, last) = tokio::join!(replica.sigterm_and_wait(), last_word);
    assert_eq!(status.code(), Some(0));
    assert_eq!(last, Some(ServingStatus::NotServing));
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
    assert!(replica.log().contains("\"connections_cut\":0"));
    drop(silent);
}

#[tokio::test]
async fn a_frozen_client_without_a_call_does_not_hold_up_the_exit() {
    let (replica, frozen) = with_frozen(LIST, whole(b""), ROOM).await;
    let (took, cut) = leaves(&replica).await;
    assert!(took < SOON, "{took:?}");
    assert_eq!(cut, 0);
    drop(frozen);
}

#[tokio::test]
async fn a_frozen_client_does_not_hold_up_the_exit_whatever_its_call_waits_for() {
    let begun = || stream::iter([Ok(Frame::data(frame(0, b"").slice(..3)))]);
    for (path, body, window) in [
        (WATCH, whole(b""), ROOM),
        (LIST, whole(b""), 0),
        (LIST, begun().chain(stream::pending()).boxed(), ROOM),
        (REFLECT, stream::pending().boxed(), ROOM),
    ] {
        let (replica, frozen) = with_frozen(path, body, window).await;
        let (took, _) = leaves(&replica).await;
        assert!(took < SOON, "{path}: {took:?}");
        drop(frozen);
    }
}

/// A client that says nothing while it waits is not a client that is gone.
#[tokio::test]
async fn a_call_that_waits_for_the_replica_is_answered_before_it_leaves() {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    let replica = Replica::start(&[("DATABASE_URL", database.url())]).await;
    let mut writer = database.connect().await;
    let lock = "BEGIN; LOCK approach_challenges IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(lock).execute(&mut writer).await.unwrap();
    let waiting = async {
        let mut client = replica.client().await;
        let request = ListChallengesRequest {
            page_size: 33,
            ..Default::default()
        };
        client.list_challenges(request).await
    };
    let unlocking = async {
        let blocked = "SELECT count(*) FROM pg_stat_activity
            WHERE wait_event_type = 'Lock' AND datname = current_database()";
        eventually("the call waits", PATIENCE, async || {
            database.query_i64(blocked).await > 0
        })
        .await;
        let leaving = replica.sigterm_and_wait();
        // Longer than a quiet client is waited for.
        let unlock = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            sqlx::raw_sql("COMMIT").execute(&mut writer).await.unwrap();
        };
        tokio::join!(leaving, unlock).0
    };
    let (answer, status) = tokio::join!(waiting, unlocking);
    assert_eq!(answer.unwrap().into_inner().challenges.len(), 18);
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn three_hundred_clients_can_come_before_one_of_them_is_accepted() {
    let replica = Replica::start(&[]).await;
    replica.pause();
    let clients = (0..300).map(|_| TcpStream::connect(replica.addr()));
    let came = tokio::time::timeout(Duration::from_secs(10), join_all(clients)).await;
    replica.resume();
    assert!(
        came.expect("the system takes them all")
            .iter()
            .all(Result::is_ok)
    );
}

/// Without the word of the client, what it asked for is over soon.
const SOON: Duration = Duration::from_secs(5);
const ROOM: u32 = 1 << 16;
const LIST: &str = "/challenges.catalog.v1.ChallengesCatalog/ListChallenges";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const REFLECT: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

/// How long a replica takes to leave, and how many connections it cut.
async fn leaves(replica: &Replica) -> (Duration, u64) {
    let asked = Instant::now();
    assert_eq!(replica.sigterm_and_wait().await.code(), Some(0));
    let took = asked.elapsed();
    let log = replica.log();
    let last: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    (took, last["connections_cut"].as_u64().unwrap())
}

type Frames = BoxStream<'static, Result<Frame<Bytes>, Infallible>>;

fn whole(message: &[u8]) -> Frames {
    stream::iter([Ok(Frame::data(frame(0, message)))]).boxed()
}

/// A client of which nothing is heard any more, as one that was stopped by SIGSTOP or whose machine
/// is gone: its connection stays, and nobody polls it.
struct Frozen {
    _sender: http2::SendRequest<StreamBody<Frames>>,
    _connection: BoxFuture<'static, hyper::Result<()>>,
    _answer: BoxFuture<'static, hyper::Result<Response<Incoming>>>,
}

/// A replica, and a client that has room for so much of an answer and freezes when the replica has
/// its call.
async fn with_frozen(path: &str, body: Frames, window: u32) -> (Replica, Frozen) {
    let replica = Replica::start(&[(OPS.0, OPS.1.to_owned())]).await;
    let stream = TcpStream::connect(replica.addr()).await.unwrap();
    let mut client = http2::Builder::new(TokioExecutor::new());
    client.initial_stream_window_size(window);
    let client = client.handshake(TokioIo::new(stream)).await;
    let (mut sender, mut connection) = client.unwrap();
    let request = grpc(path).body(StreamBody::new(body)).unwrap();
    let mut answer = sender.send_request(request).boxed();
    let (service, method) = path.rsplit_once('/').unwrap();
    let name = format!("{}/{method}", service.rsplit('.').next().unwrap());
    let begun = eventually("the replica has the call", PATIENCE, async || {
        let page = metrics(&replica).await;
        let is = |metric: &str| {
            let metric = page.lines().find(|line| line.starts_with(metric));
            metric.is_some_and(|line| !line.ends_with(" 0"))
        };
        is(&format!("catalog_rpc_in_flight{{method=\"{name}\"}}"))
            || is(&format!(
                "catalog_rpc_requests_total{{method=\"{name}\",code=\"OK\"}}"
            ))
    });
    let mut answered = None;
    tokio::select! {
        () = begun => {}
        ended = &mut connection => panic!("the connection ended: {ended:?}"),
        () = async {
            answered = Some((&mut answer).await);
            std::future::pending::<()>().await;
        } => {}
    }
    let answer = match answered {
        Some(answered) => std::future::ready(answered).boxed(),
        None => answer,
    };
    let frozen = Frozen {
        _sender: sender,
        _connection: connection.boxed(),
        _answer: answer,
    };
    (replica, frozen)
}

#[tokio::test]
async fn a_client_that_breaks_off_its_first_words_does_not_hold_up_the_exit() {
    let replica = Replica::start(&[]).await;
    // It speaks HTTP/2 as far as to be taken for a client, and then no more.
    let mut stuck = TcpStream::connect(replica.addr()).await.unwrap();
    stuck.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    let (took, _) = leaves(&replica).await;
    assert!(took < SOON, "{took:?}");
}
