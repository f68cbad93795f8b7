//! SIGTERM: it is said first, calls go on for a while, and nobody can hold up the exit.
use std::time::{Duration, Instant};

use challenges_catalog::pb::catalog::v1::Difficulty;
use tokio::net::TcpStream;
use tonic::transport::Channel;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::support::{fleet::list, replica::Replica};

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
        // Longer than a beat of what watches over the dependencies.
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
async fn a_client_that_never_ends_its_call_is_cut_after_the_grace() {
    use tokio::io::AsyncWriteExt;
    let replica = Replica::start(&[("CATALOG_SHUTDOWN_GRACE", "1s".to_owned())]).await;
    // It speaks HTTP/2 as far as to be taken for a client, and then no more.
    let mut stuck = TcpStream::connect(replica.addr()).await.unwrap();
    stuck.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    let asked = Instant::now();
    let status = replica.sigterm_and_wait().await;
    assert_eq!(status.code(), Some(0));
    assert!(
        asked.elapsed() < Duration::from_secs(4),
        "{:?}",
        asked.elapsed()
    );
}
