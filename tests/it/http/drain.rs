//! SIGTERM, and clients that take nothing: what is under way is answered, and nobody holds up the exit.
use std::time::{Duration, Instant};

use http::Method;
use sqlx::{Connection as _, Executor};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

use super::scene::{BOTH, Client, HTTP, asking, http_addr, serving, statuses};
use crate::{
    ops::scene::{OPS, metric, metrics},
    support::{fleet, postgres, process::PATIENCE, replica::Replica, wait::eventually},
};

const SOON: Duration = Duration::from_secs(5);
const IN_FLIGHT: &str = "catalog_rpc_in_flight{method=\"ChallengesCatalog/ListChallenges\"} ";

/// Asks a replica to end; how long it took.
async fn leaves(replica: &Replica) -> Duration {
    let asked = Instant::now();
    let status = replica.sigterm_and_wait().await;
    assert_eq!(status.code(), Some(0), "{}", replica.log());
    asked.elapsed()
}

#[tokio::test]
async fn connections_that_are_idle_do_not_hold_up_the_exit() {
    let replica = serving(&[]).await;
    let mut idle = Vec::new();
    for speaking in BOTH {
        let mut client = Client::connect(http_addr(&replica), speaking).await;
        let request = asking(Method::GET, "/v1/challenges", &[]);
        assert_eq!(client.send(request).await.status, 200);
        idle.push(client);
    }
    let took = leaves(&replica).await;
    assert!(took < SOON, "{took:?}");
    assert!(replica.log().contains("\"connections_cut\":0"));
}

#[tokio::test]
async fn heads_and_bodies_that_are_broken_off_do_not_hold_up_the_exit() {
    let replica = serving(&[]).await;
    let mut begun = Vec::new();
    for bytes in [
        "GET /v1/challenges HTTP/1.1\r\nhost: a\r\nx-a:",
        "POST /v1/admin/cache:invalidate HTTP/1.1\r\nhost: a\r\n\
            content-type: application/json\r\ncontent-length: 100\r\n\r\n{",
        "POST /v1/admin/challenges:import HTTP/1.1\r\nhost: a\r\n\
            content-type: application/x-ndjson\r\ncontent-length: 100\r\n\r\n{",
    ] {
        let mut stream = TcpStream::connect(http_addr(&replica)).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        begun.push(stream);
    }
    let name = "catalog_connections ";
    eventually("they are there", PATIENCE, async || {
        metric(&metrics(&replica).await, name) > 2.5
    })
    .await;
    // As long as a body is waited for.
    let took = leaves(&replica).await;
    assert!(took < SOON + Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn a_request_that_is_under_way_is_answered_and_ends_its_connection() {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    let settings = [
        ("DATABASE_URL", database.url()),
        (HTTP.0, HTTP.1.to_owned()),
        (OPS.0, OPS.1.to_owned()),
    ];
    let replica = Replica::start(&settings).await;
    let mut other = database.connect().await;
    let mut holder = other.begin().await.unwrap();
    let lock = "LOCK TABLE approach_challenges IN ACCESS EXCLUSIVE MODE";
    holder.execute(lock).await.unwrap();
    let mut stream = TcpStream::connect(http_addr(&replica)).await.unwrap();
    let request = "GET /v1/challenges?page_size=77 HTTP/1.1\r\nhost: a\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    eventually("it is under way", PATIENCE, async || {
        metric(&metrics(&replica).await, IN_FLIGHT) > 0.5
    })
    .await;
    replica.signal("TERM");
    eventually("nobody is let in any more", PATIENCE, async || {
        TcpStream::connect(http_addr(&replica)).await.is_err()
    })
    .await;
    holder.rollback().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(statuses(&answer), [200], "{answer}");
    let head = answer.split_once("\r\n\r\n").unwrap().0;
    assert!(head.contains("connection: close"), "{head}");
}

/// HTTP/1.1 has no calls that could be cancelled: it is the connection that goes.
#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answers_is_cut_off_after_half_a_minute() {
    let replica = serving(&[]).await;
    let mut stream = TcpStream::connect(http_addr(&replica)).await.unwrap();
    let request = "GET /v1/challenges?page_size=100 HTTP/1.1\r\nhost: a\r\n\r\n";
    let asking = async {
        // Until there is no more room for answers, and so none for requests either.
        while stream.write_all(request.as_bytes()).await.is_ok() {}
    };
    let asked = Instant::now();
    let cut = eventually("it is cut off", Duration::from_mins(1), async || {
        metric(&metrics(&replica).await, "catalog_calls_stalled_total ") > 0.5
    });
    tokio::select! {
        () = cut => {}
        () = async { asking.await; std::future::pending().await } => {}
    }
    assert!(
        asked.elapsed() > Duration::from_secs(25),
        "{:?}",
        asked.elapsed()
    );
    eventually("its connection is closed", PATIENCE, async || {
        metric(&metrics(&replica).await, "catalog_connections ") < 0.5
    })
    .await;
}

/// Whether an answer on a connection of its own asks to close it.
async fn asks_to_close(replica: &Replica) -> bool {
    let mut client = Client::connect(http_addr(replica), BOTH[0]).await;
    let answer = client
        .send(asking(Method::GET, "/v1/challenges", &[]))
        .await;
    assert_eq!(answer.status, 200);
    answer.header("connection") == "close"
}

#[tokio::test]
async fn answers_over_http_1_ask_to_close_as_soon_as_the_replica_leaves() {
    let replica = serving(&[("CATALOG_SHUTDOWN_DELAY", "1m")]).await;
    assert!(!asks_to_close(&replica).await);
    replica.signal("TERM");
    eventually("its answers ask to close", PATIENCE, async || {
        asks_to_close(&replica).await
    })
    .await;
}

#[tokio::test]
async fn a_signal_that_comes_twice_at_once_is_one_and_a_later_one_ends_the_server_at_once() {
    let replica = serving(&[("CATALOG_SHUTDOWN_DELAY", "1s")]).await;
    replica.signal("TERM");
    let status = replica.sigterm_and_wait().await;
    assert_eq!(status.code(), Some(0), "{}", replica.log());
    assert!(replica.log().contains("connections_cut"));

    let replica = serving(&[("CATALOG_SHUTDOWN_DELAY", "1m")]).await;
    replica.signal("TERM");
    eventually("it leaves", PATIENCE, async || {
        replica.log().contains("shutting down")
    })
    .await;
    sleep(Duration::from_secs(1)).await;
    let status = replica.sigterm_and_wait().await;
    assert_eq!(status.code(), Some(1), "{}", replica.log());
    assert!(replica.log().contains("second signal"));
}
