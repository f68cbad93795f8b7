//! Bytes of HTTP/1.1 that proxies and servers read differently, or that never end.
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use http::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::scene::{get, http_addr, raw, send, serving, statuses};
use crate::{
    editing::client::SEEDED,
    ops::scene::{metric, metrics},
    support::{replica::Replica, wait::eventually},
};

/// Less than a body may take.
const SOON: Duration = Duration::from_secs(4);
const SMUGGLED: &str = "GET /v1/admin/flags HTTP/1.1\r\nhost: a\r\nx-request-id: smuggled\r\n\r\n";

#[tokio::test]
async fn requests_that_come_together_are_answered_in_order() {
    let replica = serving(&[]).await;
    let mut requests = String::new();
    for number in 0..50 {
        let path = match number % 3 {
            // Nobody has this page yet, so it takes longer than what follows.
            0 => format!("/v1/challenges?page_size={}", number + 30),
            1 => format!("/v1/challenges/{SEEDED}"),
            _ => "/nowhere".to_owned(),
        };
        let last = if number == 49 {
            "connection: close\r\n"
        } else {
            ""
        };
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: a\r\nx-request-id: {number:02}-\r\n{last}\r\n");
        requests.push_str(&request);
    }
    let answers = raw(http_addr(&replica), requests).await;
    let ids: Vec<_> = answers
        .lines()
        .filter_map(|line| line.strip_prefix("x-request-id: ")?.strip_suffix('-'))
        .map(|id| id.parse::<usize>().unwrap())
        .collect();
    assert_eq!(ids, (0..50).collect::<Vec<_>>());
    let expected: Vec<_> = [200, 200, 404].into_iter().cycle().take(50).collect();
    assert_eq!(statuses(&answers), expected);
}

/// Whether it is the length or the coding that counts: whoever stands in between may think otherwise.
#[tokio::test]
async fn what_stands_behind_a_body_of_two_lengths_is_never_answered() {
    let replica = serving(&[]).await;
    let post =
        "POST /v1/admin/cache:invalidate HTTP/1.1\r\nhost: a\r\ncontent-type: application/json";
    let list = "GET /v1/challenges HTTP/1.1\r\nhost: a";
    for head in [post, list] {
        for framing in [
            "content-length: 4\r\ntransfer-encoding: chunked",
            "transfer-encoding: chunked\r\ncontent-length: 0",
            "transfer-encoding: chunked\r\ncontent-length: 5",
            "transfer-encoding: chunked",
            "transfer-encoding: Chunked",
            "transfer-encoding:\tchunked",
            "transfer-encoding: xchunked\r\ncontent-length: 5",
            "transfer-encoding: chunked, identity\r\ncontent-length: 5",
            "transfer-encoding: identity\r\ntransfer-encoding: chunked",
            "transfer-encoding: gzip, chunked",
            "transfer-encoding : chunked\r\ncontent-length: 5",
            "transfer-encoding: \x0bchunked\r\ncontent-length: 5",
            "x: x\rtransfer-encoding: chunked\r\ncontent-length: 5",
            "content-length: 5\r\ncontent-length: 6",
            "content-length: +5",
            "content-length: 5, 5",
            "content-length: 0x5",
            "content-length: -5",
        ] {
            let request = format!("{head}\r\n{framing}\r\n\r\n0\r\n\r\n{SMUGGLED}");
            let answers = raw(http_addr(&replica), request).await;
            assert!(!answers.contains("smuggled"), "{framing}: {answers}");
            assert_eq!(statuses(&answers).len(), 1, "{framing}: {answers}");
        }
    }
}

#[tokio::test]
async fn a_body_in_chunks_ends_its_connection_behind_the_answer() {
    let replica = serving(&[]).await;
    let request = "POST /v1/admin/cache:invalidate HTTP/1.1\r\nhost: a\r\n\
        content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n\
        d\r\n{\"all\": true}\r\n0\r\n\r\n";
    let answer = raw(http_addr(&replica), request).await;
    assert_eq!(statuses(&answer), [200], "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn heads_that_can_be_read_in_two_ways_are_refused() {
    let replica = serving(&[]).await;
    for head in [
        "GET /v1/challenges HTTP/1.1\r\nhost: a\r\nx-a: one\r\n two\r\n\r\n",
        "GET /v1/challenges HTTP/1.1\r\nhost: a\r\nx-a: one\r\n\ttwo\r\n\r\n",
        "GET /v1/challenges HTTP/1.1\r\n host: a\r\n\r\n",
        "GET /v1/challenges HTTP/1.1\r\nhost: a\r\nx-a: one\rx-b: two\r\n\r\n",
        "GET /v1/challenges HTTP/1.1\r\rhost: a\r\r\r\r",
        "GET /v1/challenges HTTP/1.1\r\nhost: a\r\nx-a: one\0two\r\n\r\n",
        "GET /v1/challenges HTTP/1.1\r\nhost: a\r\nx-a : one\r\n\r\n",
        "GET /v1/challenges HTTP/1.1\r\nhost: a\r\n: one\r\n\r\n",
        "GET /v1/challenges HTTP/1.1\r\nhost: a\r\nx-a\r\n\r\n",
        "GET /v1/challenges\0 HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /v1/challenges HTTP/1.1 HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET  /v1/challenges HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /v1/challenges HTTP/2.0\r\nhost: a\r\n\r\n",
        "GET /v1/challenges HTTP/1.10\r\nhost: a\r\n\r\n",
        "GET v1/challenges HTTP/1.1\r\nhost: a\r\n\r\n",
        "/v1/challenges is what I want, please\r\n\r\n",
    ] {
        let answers = raw(http_addr(&replica), format!("{head}{SMUGGLED}")).await;
        assert!(!answers.contains("smuggled"), "{head:?}: {answers}");
        assert_eq!(statuses(&answers), [400], "{head:?}: {answers}");
    }
}

#[tokio::test]
async fn a_head_that_is_too_long_or_has_too_many_lines_is_refused() {
    let replica = serving(&[]).await;
    let line = |number: usize| format!("x-{number}: {number}\r\n");
    let many: String = (0..101).map(line).collect();
    let long = format!("x-a: {}\r\n", "x".repeat(33 << 10));
    for lines in [many, long] {
        let request = format!("GET /v1/challenges HTTP/1.1\r\nhost: a\r\n{lines}\r\n");
        let answer = raw(http_addr(&replica), request).await;
        assert_eq!(statuses(&answer), [431], "{answer}");
    }
}

async fn begin(replica: &Replica, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(http_addr(replica)).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    stream
}

/// The rest of what a server says before it ends the connection.
async fn rest(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(30), stream.read_to_end(&mut answer));
    read.await.expect("the server ends the connection").ok();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn heads_that_never_end_keep_nobody_waiting() {
    let replica = serving(&[]).await;
    let mut slow = Vec::new();
    for _ in 0..300 {
        slow.push(begin(&replica, "GET /v1/challenges HTTP/1.1\r\nhost: a\r\nx-a: ").await);
    }
    let asked = Instant::now();
    let answer = get(&replica, "/v1/challenges").await;
    assert_eq!(answer.status, 200);
    assert!(asked.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn who_has_hardly_begun_to_speak_after_ten_seconds_is_let_go() {
    let replica = serving(&[]).await;
    let asked = Instant::now();
    assert_eq!(rest(begin(&replica, "GET /v1").await).await, "");
    let took = asked.elapsed();
    let expected = Duration::from_secs(9)..Duration::from_secs(20);
    assert!(expected.contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_waited_for_a_short_time() {
    let replica = serving(&[]).await;
    let head = "POST /v1/admin/cache:invalidate HTTP/1.1\r\nhost: a\r\n\
        content-type: application/json\r\nconnection: close\r\n";
    for framing in [
        "content-length: 1000\r\n\r\n{",
        "transfer-encoding: chunked\r\n\r\n3e8\r\n{",
    ] {
        let asked = Instant::now();
        let answer = rest(begin(&replica, &format!("{head}{framing}")).await).await;
        let took = asked.elapsed();
        assert_eq!(statuses(&answer), [408], "{answer}");
        assert!(answer.contains("DEADLINE_EXCEEDED"), "{answer}");
        let expected = Duration::from_millis(4_900)..Duration::from_secs(9);
        assert!(expected.contains(&took), "{took:?}");
    }
}

#[tokio::test]
async fn a_read_with_a_body_that_does_not_come_is_waited_for_a_short_time() {
    let replica = serving(&[]).await;
    let head = "GET /v1/challenges HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let answer = rest(begin(&replica, head).await).await;
    assert_eq!(statuses(&answer), [408], "{answer}");
}

#[tokio::test]
async fn an_import_of_which_no_line_comes_is_waited_for_a_short_time() {
    let replica = serving(&[]).await;
    let head = "POST /v1/admin/challenges:import HTTP/1.1\r\nhost: a\r\n\
        content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{";
    let answer = rest(begin(&replica, head).await).await;
    assert_eq!(statuses(&answer), [504], "{answer}");
}

#[tokio::test]
async fn bodies_that_do_not_come_keep_nobody_waiting() {
    let replica = serving(&[]).await;
    let head = "POST /v1/admin/cache:invalidate HTTP/1.1\r\nhost: a\r\n\
        content-type: application/json\r\ncontent-length: 1000\r\n\r\n{";
    let slow = join_all((0..300).map(|_| begin(&replica, head))).await;
    let under_way = "catalog_rpc_in_flight{method=\"CacheAdmin/InvalidateCache\"}";
    eventually("the slow ones are being read", SOON, async || {
        metric(&metrics(&replica).await, under_way) > 200.0
    })
    .await;
    let to = (Method::POST, "/v1/admin/cache:invalidate");
    let taken = send(&replica, to, "application/json", r#"{"all": true}"#).await;
    assert_eq!(taken.status, 200);
    for stream in slow {
        assert_eq!(statuses(&rest(stream).await), [408]);
    }
}

/// A proxy in between may have taken it to be for another host (RFC 9112, 3.2).
#[tokio::test]
async fn a_request_that_does_not_name_its_host_once_is_refused() {
    let replica = serving(&[]).await;
    for (path, hosts, status) in [
        ("/v1/challenges", "", 400),
        ("/v1/challenges", "host: a\r\nhost: a\r\n", 400),
        ("/api/challenges", "", 400),
        ("/docs", "", 400),
        ("/v1/challenges", "host:\r\n", 200),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\n{hosts}connection: close\r\n\r\n");
        let answer = raw(http_addr(&replica), request).await;
        assert_eq!(statuses(&answer), [status], "{path} {hosts:?}: {answer}");
    }
    let request = "GET /v1/challenges HTTP/1.0\r\n\r\n";
    let answer = raw(http_addr(&replica), request.to_owned()).await;
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
}
