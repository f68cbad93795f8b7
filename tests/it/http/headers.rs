//! What stands in headers of requests and answers: compression, HEAD, time limits, versions and correlation ids.
use std::{
    io::Read,
    time::{Duration, Instant},
};

use challenges_catalog::domain::Version;
use flate2::read::GzDecoder;
use http::Method;
use sqlx::{Connection as _, Executor};

use super::scene::{BOTH, Client, HTTP, ask, asking, get, get_with, http_addr, serving};
use crate::{
    support::{fleet, fleet::Fleet, postgres, replica::Replica},
    tips::wire_stream::{CHALLENGE, OTHERS},
};

const ALL: &str = "/v1/challenges?page_size=100";

#[tokio::test]
async fn a_list_is_compressed_for_who_takes_gzip() {
    let replica = serving(&[]).await;
    let plain = get(&replica, ALL).await;
    assert_eq!(plain.header("content-encoding"), "");
    for takes in [
        "gzip",
        "br, gzip;q=0.5",
        "*",
        "GZIP",
        "x-gzip",
        "gzip; q=1.000",
    ] {
        let answer = get_with(&replica, ALL, &[("accept-encoding", takes)]).await;
        assert_eq!(answer.header("content-encoding"), "gzip", "{takes}");
        assert!(answer.header("vary").contains("Accept-Encoding"));
        assert_eq!(answer.header("etag"), plain.header("etag"));
        let length = answer.header("content-length");
        assert_eq!(length, answer.body.len().to_string());
        assert!(answer.body.len() < plain.body.len() / 2);
        let mut text = Vec::new();
        let mut decoder = GzDecoder::new(&answer.body[..]);
        decoder.read_to_end(&mut text).unwrap();
        assert_eq!(text, plain.body, "{takes}");
    }
}

#[tokio::test]
async fn a_list_is_not_compressed_for_who_refuses_gzip_or_does_not_name_it() {
    let replica = serving(&[]).await;
    let plain = get(&replica, ALL).await;
    for takes in [
        "",
        "br",
        "gzip;q=0",
        "gzip; q=0.000",
        "gzip;Q=0",
        "gzip;q=0, *",
        "*;q=0",
        "identity",
        "gzipped",
    ] {
        let answer = get_with(&replica, ALL, &[("accept-encoding", takes)]).await;
        assert_eq!(answer.header("content-encoding"), "", "{takes}");
        assert_eq!(answer.body, plain.body, "{takes}");
    }
}

#[tokio::test]
async fn what_fits_in_one_packet_is_not_compressed() {
    let replica = serving(&[]).await;
    let one = format!("/v1/challenges/{CHALLENGE}");
    let answer = get_with(&replica, &one, &[("accept-encoding", "gzip")]).await;
    assert!(answer.body.len() < 1_024);
    assert_eq!(answer.header("content-encoding"), "");
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let replica = serving(&[]).await;
    let (one, batch) = (
        format!("/v1/challenges/{CHALLENGE}"),
        format!("/v1/challenges:batchGet?ids={}", OTHERS.join(",")),
    );
    let paths = [
        ALL,
        &one,
        &batch,
        "/v1/admin/flags",
        "/v1/challenges?x=1",
        "/nowhere",
    ];
    for speaking in BOTH {
        let mut client = Client::connect(http_addr(&replica), speaking).await;
        for path in paths {
            for encoding in ["identity", "gzip"] {
                let headers = [("accept-encoding", encoding), ("x-request-id", "same")];
                // A second one comes from the same cache.
                client.send(asking(Method::GET, path, &headers)).await;
                let get = client.send(asking(Method::GET, path, &headers)).await;
                let head = client.send(asking(Method::HEAD, path, &headers)).await;
                assert!(head.body.is_empty());
                assert_eq!(head.status, get.status, "{path}");
                let shown = |answer: &super::scene::Answer| {
                    let mut headers = answer.headers.clone();
                    headers.remove("date");
                    headers.remove("age");
                    headers
                };
                assert_eq!(shown(&head), shown(&get), "{speaking:?} {path}");
                let length = head.header("content-length");
                assert_eq!(length, get.body.len().to_string(), "{path}");
            }
        }
    }
}

#[tokio::test]
async fn head_of_a_stream_begins_nothing_and_has_no_length() {
    let replica = serving(&[]).await;
    let tip = format!("/v1/challenges/{CHALLENGE}/tip");
    for speaking in BOTH {
        let mut client = Client::connect(http_addr(&replica), speaking).await;
        for (path, kind) in [
            (&tip[..], "text/event-stream"),
            ("/v1/admin/challenges:export", "application/x-ndjson"),
        ] {
            let head = client.send(asking(Method::HEAD, path, &[])).await;
            assert_eq!((head.status, head.header("content-type")), (200, kind));
            assert_eq!(head.header("content-length"), "", "{path}");
        }
    }
}

#[tokio::test]
async fn head_of_a_tip_is_refused_as_the_tip_is() {
    let replica = serving(&[]).await;
    let missing = "00000000-0000-4000-8000-000000000001";
    for (path, status) in [
        (format!("/v1/challenges/{missing}/tip"), 404),
        ("/v1/challenges/garbage/tip".to_owned(), 400),
        (format!("/v1/challenges/{CHALLENGE}/tip?locale=%21"), 400),
    ] {
        let head = ask(&replica, Method::HEAD, &path, &[]).await;
        assert_eq!(head.status, status, "{path}");
    }
}

#[tokio::test]
async fn a_request_id_comes_back_on_answers_and_problems() {
    let replica = serving(&[]).await;
    for path in [
        ALL,
        "/v1/challenges?page_size=9999",
        "/v1/challenges/00000000-0000-4000-8000-000000000001",
        "/nowhere",
        "/v1/admin/flags",
        &format!("/v1/challenges/{CHALLENGE}/tip"),
    ] {
        let given = "order-4711/a.b:c+d=";
        let answer = get_with(&replica, path, &[("x-request-id", given)]).await;
        assert_eq!(answer.header("x-request-id"), given, "{path}");
        for unusable in ["", "two words", &"x".repeat(129)] {
            let answer = get_with(&replica, path, &[("x-request-id", unusable)]).await;
            let made = answer.header("x-request-id");
            assert!(made.len() == 32 && made.bytes().all(|b| b.is_ascii_hexdigit()));
        }
    }
}

#[tokio::test]
async fn a_read_that_is_held_ends_with_the_callers_time_limit() {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    let settings = [
        ("DATABASE_URL", database.url()),
        (HTTP.0, HTTP.1.to_owned()),
    ];
    let replica = Replica::start(&settings).await;
    let mut other = database.connect().await;
    let mut holder = other.begin().await.unwrap();
    let lock = "LOCK TABLE approach_challenges IN ACCESS EXCLUSIVE MODE";
    holder.execute(lock).await.unwrap();
    for (limit, millis) in [("300ms", 300), ("0.5", 500), ("0", 0)] {
        let asked = Instant::now();
        let path = "/v1/challenges?page_size=77";
        let answer = get_with(&replica, path, &[("x-request-timeout", limit)]).await;
        let took = asked.elapsed();
        let expected = (504, "DEADLINE_EXCEEDED".to_owned(), Vec::new());
        assert_eq!(answer.problem(), expected);
        let least = Duration::from_millis(millis);
        assert!(
            (least..least + Duration::from_millis(1_200)).contains(&took),
            "{took:?}"
        );
    }
    holder.rollback().await.unwrap();
}

#[tokio::test]
async fn a_time_limit_that_cannot_be_read_is_refused_and_named() {
    let replica = serving(&[]).await;
    for path in [ALL, "/v1/admin/flags"] {
        for limit in ["", "soon", "-1s", "1h", "1 000", "1,5s"] {
            let answer = get_with(&replica, path, &[("x-request-timeout", limit)]).await;
            let expected = vec!["x-request-timeout".to_owned()];
            let (status, reason, fields) = answer.problem();
            assert_eq!(
                (status, reason.as_str()),
                (400, "INVALID_FIELDS"),
                "{limit}"
            );
            assert_eq!(fields, expected, "{limit}");
        }
    }
}

#[tokio::test]
async fn a_version_that_one_replica_showed_brings_an_answer_as_new_from_another() {
    let fleet = Fleet::start_with(2, &[HTTP]).await;
    for points in 1..=10 {
        let change = format!("UPDATE approach_challenges SET points = {points}");
        fleet.database.execute(&change).await;
        // Nobody has this page, so it comes from the database, whatever the feed has told.
        let unread = format!("/v1/challenges?page_size={}", 20 + points);
        let fresh = get(&fleet.replicas[0], &unread).await;
        let version = fresh.header("x-catalog-version");
        let path = format!("/v1/challenges?page_size=20&min_version={version}");
        let answer = get(&fleet.replicas[1], &path).await.json();
        let shown = answer["challenges"][0]["points"].as_i64().unwrap();
        let first = fresh.json()["challenges"][0]["points"].as_i64().unwrap();
        assert!(shown >= first, "{shown} at {points}");
    }
}

#[tokio::test]
async fn a_version_from_the_future_is_refused_before_the_callers_time_is_over() {
    let replica = serving(&[]).await;
    let shown = get(&replica, ALL).await;
    let mut future: Version = shown.header("x-catalog-version").parse().unwrap();
    future.stamp.seq += 1_000;
    let path = format!("/v1/challenges?min_version={future}");
    let asked = Instant::now();
    let answer = get_with(&replica, &path, &[("x-request-timeout", "1s")]).await;
    assert!(asked.elapsed() < Duration::from_secs(1));
    let expected = (503, "VERSION_NOT_REACHED".to_owned(), Vec::new());
    assert_eq!(answer.problem(), expected);
    assert_eq!(answer.header("retry-after"), "1");
    let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(problem["metadata"]["version"], future.to_string());
}
