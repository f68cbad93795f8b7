//! Bodies that are not taken, and clients that took this port for another.
use std::time::Duration;

use http::Request;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::scene::{Client, Speaking, curl, http_addr, serving};
use crate::support::program;

#[tokio::test]
async fn a_body_is_taken_as_it_is_or_refused() {
    let replica = serving(&[]).await;
    for (coding, status) in [("gzip", 415), ("br", 415), ("identity", 200)] {
        let request = Request::post("/v1/admin/cache:invalidate")
            .header("content-type", "application/json")
            .header("content-encoding", coding);
        let request = request.body(r#"{"all": true}"#.into()).unwrap();
        let mut client = Client::connect(http_addr(&replica), Speaking::Http1).await;
        assert_eq!(client.send(request).await.status, status, "{coding}");
    }
}

/// The curl of some systems shows the reset of a stream instead of the answer before it.
#[tokio::test]
async fn who_sends_a_body_that_is_refused_over_http_2_hears_why() {
    let replica = serving(&[]).await;
    let url = |path: &str| format!("http://{}{path}", http_addr(&replica));
    let large = "x".repeat(100_000);
    for (path, kind, body, status) in [
        ("/v1/nowhere", "application/json", "{}", "404"),
        ("/v1/challenges", "application/json", "{}", "405"),
        ("/v1/admin/cache:invalidate", "text/plain", &large, "415"),
    ] {
        let (url, kind) = (url(path), format!("content-type: {kind}"));
        for _ in 0..20 {
            let told = curl(&[
                "--http2-prior-knowledge",
                "--output",
                "/dev/null",
                "--write-out",
                "%{http_code}",
                "--header",
                &kind,
                "--data",
                body,
                &url,
            ])
            .await;
            assert_eq!(told, status, "{path}");
        }
    }
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_not_waited_for() {
    let replica = serving(&[]).await;
    for (head, status) in [
        (
            "POST /v1/admin/cache:invalidate HTTP/1.1\r\ncontent-type: application/json",
            413,
        ),
        ("GET /v1/challenges HTTP/1.1", 400),
    ] {
        let request = format!("{head}\r\nhost: a\r\ncontent-length: 200000000\r\n\r\n");
        let mut stream = TcpStream::connect(http_addr(&replica)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        let read = timeout(Duration::from_secs(4), stream.read_exact(&mut answer)).await;
        read.expect("an answer before the body").unwrap();
        assert_eq!(answer, *format!("HTTP/1.1 {status}").as_bytes());
    }
}

#[tokio::test]
async fn a_client_of_grpc_is_told_that_this_is_another_port() {
    let replica = serving(&[]).await;
    let address = format!("http://{}", http_addr(&replica));
    let listed = program::run(&["list", "--addr", &address], &[]).await;
    assert!(!listed.status.success());
    let told = String::from_utf8_lossy(&listed.stderr);
    assert!(
        told.contains("gRPC is served at the address of --grpc-addr"),
        "{told}"
    );
}
