//! `grpc.health.v1` as its document says, byte by byte where clients hide it.
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes, BytesMut};
use challenges_catalog::pb::health::v1::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest,
    health_check_response::ServingStatus, health_client::HealthClient,
};
use futures_util::{FutureExt, StreamExt, stream};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use prost::Message;
use tokio::sync::oneshot;
use tonic::{Code, Streaming, transport::Channel};

use crate::{
    flags::client::set_flag,
    support::{
        fleet::{self, Fleet},
        postgres,
        process::{PATIENCE, Plan, Process, free_port},
        refusal::Refusal,
        replica::Replica,
        wait::eventually,
        wire::{Connection, Pieces, frame, grpc, send, whole},
    },
};

const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const AI_TIPS: &str = "feature/ai_tips";
const ROOM: u32 = 1 << 16;
const SERVING: ServingStatus = ServingStatus::Serving;
const NOT_SERVING: ServingStatus = ServingStatus::NotServing;
const UNKNOWN: ServingStatus = ServingStatus::ServiceUnknown;

fn asks(name: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: name.to_owned(),
    }
}

async fn client(addr: SocketAddr) -> HealthClient<Channel> {
    let endpoint = Channel::from_shared(format!("http://{addr}")).unwrap();
    HealthClient::new(endpoint.connect().await.unwrap())
}

async fn check(client: &HealthClient<Channel>, name: &str) -> Result<ServingStatus, Code> {
    let answer = client.clone().check(asks(name)).await;
    answer
        .map(|answer| answer.get_ref().status())
        .map_err(|status| status.code())
}

async fn list(client: &HealthClient<Channel>) -> BTreeMap<String, ServingStatus> {
    let answer = client.clone().list(HealthListRequest {}).await.unwrap();
    let statuses = answer.into_inner().statuses.into_iter();
    statuses
        .map(|(name, answer)| (name, answer.status()))
        .collect()
}

type Changes = Streaming<HealthCheckResponse>;

async fn watch(client: &HealthClient<Channel>, name: &str) -> Changes {
    let answer = client.clone().watch(asks(name)).await;
    answer.unwrap().into_inner()
}

async fn next(changes: &mut Changes) -> Option<ServingStatus> {
    let change = tokio::time::timeout(PATIENCE, changes.message()).await;
    let change = change.expect("a change").unwrap();
    change.map(|change| change.status())
}

/// What a watch gives, read by hand.
struct Watching {
    body: Incoming,
    came: BytesMut,
}

impl Watching {
    async fn begin(connection: &mut Connection, name: &str) -> Self {
        let asked = whole(&asks(name).encode_to_vec());
        let answer = connection.begin(grpc(WATCH), asked).await.unwrap();
        Self {
            body: answer.into_body(),
            came: BytesMut::new(),
        }
    }

    /// The next status; `None` at the end.
    async fn next(&mut self) -> Option<ServingStatus> {
        while self.came.len() < 5 {
            let piece = self.body.frame().await?.unwrap();
            self.came.extend(piece.into_data().ok());
        }
        let mut prefix = self.came.split_to(5);
        let length = prefix.split_off(1).get_u32();
        let message = self.came.split_to(length.try_into().unwrap());
        let message = HealthCheckResponse::decode(message).unwrap();
        Some(message.status())
    }
}

/// The program with a database in which the catalog cannot be read yet.
async fn not_warm(url: String) -> (Process, HealthClient<Channel>) {
    let addr = format!("127.0.0.1:{}", free_port());
    let process = Process::new(&Plan {
        program: env!("CARGO_BIN_EXE_challenges-catalog").into(),
        args: ["serve", "--grpc-addr", &addr].map(Into::into).to_vec(),
        env: vec![("DATABASE_URL".to_owned(), url)],
        end_signal: "KILL",
        user: None,
    });
    process.start();
    let endpoint = Channel::from_shared(format!("http://{addr}")).unwrap();
    let client = HealthClient::new(endpoint.connect_lazy());
    eventually("it is asked", PATIENCE, async || {
        check(&client, "liveness").await == Ok(SERVING)
    })
    .await;
    (process, client)
}

#[tokio::test]
async fn before_it_is_warm_a_replica_lives_serves_nothing_and_knows_few_names() {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    let mut writer = database.connect().await;
    let lock = "BEGIN; LOCK approach_challenges IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(lock).execute(&mut writer).await.unwrap();
    let (_process, client) = not_warm(database.url()).await;
    for name in ["", "readiness", "startup"] {
        assert_eq!(check(&client, name).await, Ok(NOT_SERVING), "{name:?}");
    }
    assert_eq!(check(&client, AI_TIPS).await, Err(Code::NotFound));
    let mut ready = watch(&client, "").await;
    let mut tips = watch(&client, AI_TIPS).await;
    assert_eq!(next(&mut ready).await, Some(NOT_SERVING));
    assert_eq!(next(&mut tips).await, Some(UNKNOWN));
    sqlx::raw_sql("COMMIT").execute(&mut writer).await.unwrap();
    assert_eq!(next(&mut ready).await, Some(SERVING));
    assert_eq!(next(&mut tips).await, Some(SERVING), "it is known later");
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_refused_by_a_check_and_kept_open_by_a_watch() {
    let replica = Replica::start(&[]).await;
    let unknown = asks("no.such.Service").encode_to_vec();
    let answer = send(replica.addr(), grpc(CHECK), frame(0, &unknown)).await;
    let refused = Refusal::new(Code::NotFound, "HEALTH_NAME_UNKNOWN", &[]);
    assert_eq!(Refusal::from(answer.status()), refused);

    let client = client(replica.addr()).await;
    let mut nothing = watch(&client, "no.such.Service").await;
    assert_eq!(next(&mut nothing).await, Some(UNKNOWN));
    let mut tips = watch(&client, AI_TIPS).await;
    assert_eq!(next(&mut tips).await, Some(SERVING));
    set_flag(&replica, "ai_tips", false).await;
    assert_eq!(next(&mut tips).await, Some(NOT_SERVING));
    // Other names have changed meanwhile.
    let more = tokio::time::timeout(Duration::from_millis(10), nothing.message()).await;
    assert!(more.is_err(), "{more:?}");
    let (ended, last) = tokio::join!(replica.sigterm_and_wait(), next(&mut nothing));
    assert_eq!((ended.code(), last), (Some(0), None));
}

#[tokio::test]
async fn a_list_tells_every_name_as_a_check_of_it_does() {
    let fleet = Fleet::start(1).await;
    let replica = &fleet.replicas[0];
    let client = client(replica.addr()).await;
    eventually("both dependencies are known", PATIENCE, async || {
        let all = list(&client).await;
        let known = all.keys().filter(|name| name.starts_with("dependency/"));
        known.count() >= 2
    })
    .await;
    set_flag(replica, "ai_tips", false).await;
    eventually("the flag shows", PATIENCE, async || {
        list(&client).await[AI_TIPS] == NOT_SERVING
    })
    .await;
    let all = list(&client).await;
    for name in ["", "readiness", "startup", "liveness", "dependency/redis"] {
        assert_eq!(all[name], SERVING, "{name:?}");
    }
    assert!(all.keys().any(|name| name.starts_with("setting/")));
    for (name, status) in all {
        assert_eq!(check(&client, &name).await, Ok(status), "{name:?}");
    }
}

#[tokio::test]
async fn a_watch_that_is_not_read_is_told_the_last_status_only() {
    let replica = Replica::start(&[]).await;
    // One message fits.
    let mut connection = Connection::open(replica.addr(), 7).await;
    let mut watching = Watching::begin(&mut connection, AI_TIPS).await;
    let client = client(replica.addr()).await;
    for enabled in [false, true, false, true, false] {
        set_flag(&replica, "ai_tips", enabled).await;
        let wanted = if enabled { SERVING } else { NOT_SERVING };
        eventually("the flag shows", PATIENCE, async || {
            check(&client, AI_TIPS).await == Ok(wanted)
        })
        .await;
    }
    let read_all = async {
        let mut told = Vec::new();
        while let Some(status) = watching.next().await {
            told.push(status);
        }
        told
    };
    let (ended, told) = tokio::join!(replica.sigterm_and_wait(), read_all);
    assert_eq!(ended.code(), Some(0));
    assert_eq!(told, [SERVING, NOT_SERVING]);
}

/// A check whose message ends when it is told to.
fn held() -> (oneshot::Sender<()>, Pieces) {
    let (end, ended) = oneshot::channel();
    let message = frame(0, &asks("").encode_to_vec());
    let piece = |bytes: Bytes| Ok(Frame::data(bytes));
    let first = stream::iter([piece(message.slice(..3))]);
    let rest = stream::once(async move {
        ended.await.ok();
        piece(message.slice(3..))
    });
    (end, first.chain(rest).boxed())
}

async fn told(answer: hyper::Result<http::Response<Incoming>>) -> ServingStatus {
    let body = answer.unwrap().into_body().collect().await.unwrap();
    let message = body.to_bytes().slice(5..);
    HealthCheckResponse::decode(message).unwrap().status()
}

/// Waits until the server has asked for the connection's end: it takes no more calls.
async fn drains(connection: &mut Connection) {
    eventually("the connection drains", PATIENCE, || {
        let asked = whole(&asks("").encode_to_vec());
        connection.begin(grpc(CHECK), asked).map(|it| it.is_err())
    })
    .await;
}

#[tokio::test]
async fn a_connection_of_an_age_takes_no_calls_tells_its_watch_and_is_cut_after_the_grace() {
    let replica = Replica::start(&[
        ("CATALOG_CONNECTION_AGE", "10s".to_owned()),
        ("CATALOG_CONNECTION_AGE_GRACE", "3s".to_owned()),
    ])
    .await;
    let opened = Instant::now();
    let mut connection = Connection::open(replica.addr(), ROOM).await;
    let mut watching = Watching::begin(&mut connection, AI_TIPS).await;
    assert_eq!(watching.next().await, Some(SERVING));
    drains(&mut connection).await;
    let (drained, asked_to_end) = (opened.elapsed(), Instant::now());
    // A tenth earlier or later, so that connections do not end together.
    let expected = Duration::from_millis(8_900)..Duration::from_secs(12);
    assert!(expected.contains(&drained), "{drained:?}");
    set_flag(&replica, "ai_tips", false).await;
    assert_eq!(watching.next().await, Some(NOT_SERVING));
    let cut = watching.body.frame().await.expect("no end of the call");
    assert!(cut.is_err(), "{cut:?}");
    let grace = asked_to_end.elapsed();
    let expected = Duration::from_millis(2_500)..Duration::from_secs(5);
    assert!(expected.contains(&grace), "{grace:?}");
}

#[tokio::test]
async fn while_a_replica_leaves_a_check_on_a_connection_that_drains_is_answered() {
    let replica = Replica::start(&[("CATALOG_SHUTDOWN_GRACE", "20s".to_owned())]).await;
    let mut connection = Connection::open(replica.addr(), ROOM).await;
    let (end, message) = held();
    let checking = connection.begin(grpc(CHECK), message);
    let asking = async {
        drains(&mut connection).await;
        end.send(()).unwrap();
        told(checking.await).await
    };
    let (ended, told) = tokio::join!(replica.sigterm_and_wait(), asking);
    assert_eq!((ended.code(), told), (Some(0), NOT_SERVING));
    assert!(replica.log().contains("\"connections_cut\":0"));
}
