//! Requests that are well-formed HTTP, and ask for what there is not.
use http::{Method, Request};
use serde_json::{Value, json};

use super::scene::{
    Answer, BOTH, Client, Speaking, ask, asking, get, http_addr, raw, send, send_json, serving,
    statuses,
};
use crate::tips::wire_stream::CHALLENGE;

fn unknown(answer: &Answer, status: u16) {
    let expected = (status, "METHOD_UNKNOWN".to_owned(), Vec::new());
    assert_eq!(answer.problem(), expected);
}

/// A refusal that names these fields.
fn invalid(answer: &Answer, fields: &[&str]) {
    let (status, reason, named) = answer.problem();
    assert_eq!((status, reason.as_str()), (400, "INVALID_FIELDS"));
    assert_eq!(named, fields, "{answer:?}");
}

#[tokio::test]
async fn unknown_paths_are_not_found_whatever_the_verb() {
    let replica = serving(&[]).await;
    let mut client = Client::connect(http_addr(&replica), Speaking::Http1).await;
    for path in [
        "/v1",
        "/v1/",
        "//v1/challenges",
        "/v1//challenges",
        "/v1/challenges/",
        "/v1/challenges:nothing",
        "/v1/challenges%3AbatchGet",
        "/v1/../v1/challenges",
        "/v1%2Fchallenges",
        "/v1/admin/flags/challenges_catalog:throw",
        &format!("/v1/challenges/{CHALLENGE}/tip/"),
        &format!("/v1/challenges/{CHALLENGE}/tips"),
        &format!("/v1/{}", "x/".repeat(5_000)),
    ] {
        for method in [Method::GET, Method::POST, Method::OPTIONS] {
            unknown(&client.send(asking(method, path, &[])).await, 404);
        }
    }
}

#[tokio::test]
async fn a_path_beside_v1_is_as_unknown_as_to_the_replaced_service() {
    let replica = serving(&[]).await;
    let mut client = Client::connect(http_addr(&replica), Speaking::Http1).await;
    for path in ["/", "/v2/challenges", "/V1/challenges", "/api/challengers"] {
        for method in [Method::GET, Method::POST, Method::OPTIONS] {
            let answer = client.send(asking(method, path, &[])).await;
            let told = (answer.status, &answer.body[..]);
            assert_eq!(told, (404, &br#"{"detail":"Not Found"}"#[..]), "{path}");
        }
    }
}

#[tokio::test]
async fn a_known_path_tells_which_verbs_it_has() {
    let replica = serving(&[]).await;
    let one = format!("/v1/challenges/{CHALLENGE}");
    let edited = format!("/v1/admin/challenges/{CHALLENGE}");
    let brew = Method::from_bytes(b"BREW").unwrap();
    for (method, path, allow) in [
        (Method::POST, "/v1/challenges", "GET, HEAD, OPTIONS"),
        (Method::DELETE, &one, "GET, HEAD, OPTIONS"),
        (Method::TRACE, &one, "GET, HEAD, OPTIONS"),
        (brew, "/v1/challenges:batchGet", "GET, HEAD, OPTIONS"),
        (Method::PUT, &edited, "GET, HEAD, PATCH, DELETE, OPTIONS"),
        (Method::GET, "/v1/admin/cache:invalidate", "POST, OPTIONS"),
        (Method::HEAD, "/v1/admin/cache:invalidate", "POST, OPTIONS"),
    ] {
        let options = ask(&replica, Method::OPTIONS, path, &[]).await;
        let other = ask(&replica, method.clone(), path, &[]).await;
        assert_eq!(other.status, 405, "{method} {path}");
        if method != Method::HEAD {
            unknown(&other, 405);
        }
        assert_eq!(options.status, 204);
        assert_eq!(other.header("allow"), allow, "{method} {path}");
        assert_eq!(options.header("allow"), allow, "{method} {path}");
    }
}

#[tokio::test]
async fn a_body_where_none_belongs_is_refused() {
    let replica = serving(&[]).await;
    for (method, path) in [
        (Method::GET, "/v1/challenges"),
        (Method::GET, &format!("/v1/challenges/{CHALLENGE}")),
        (
            Method::GET,
            &format!("/v1/challenges:batchGet?ids={CHALLENGE}"),
        ),
        (Method::GET, &format!("/v1/challenges/{CHALLENGE}/tip")),
        (Method::GET, "/v1/admin/flags"),
        (Method::DELETE, &format!("/v1/admin/challenges/{CHALLENGE}")),
    ] {
        let answer = send(&replica, (method, path), "application/json", "{}").await;
        invalid(&answer, &["body"]);
    }
    // It is still there.
    let one = get(&replica, &format!("/v1/challenges/{CHALLENGE}")).await;
    assert_eq!(one.status, 200);
}

/// Proxies send so what they got without a length.
#[tokio::test]
async fn a_body_in_chunks_of_which_there_are_none_is_no_body() {
    let replica = serving(&[]).await;
    for path in [
        "/v1/challenges".to_owned(),
        format!("/v1/challenges/{CHALLENGE}"),
        format!("/v1/challenges:batchGet?ids={CHALLENGE}"),
    ] {
        let plain = get(&replica, &path).await;
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
        );
        let answer = raw(http_addr(&replica), request).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(body.as_bytes(), plain.body, "{path}");
        assert!(head.contains(&format!("etag: {}", plain.header("etag"))));
    }
}

#[tokio::test]
async fn a_query_of_100_kb_is_refused() {
    let replica = serving(&[]).await;
    for query in ["x".repeat(100_000), "difficulty=&".repeat(8_000)] {
        let path = format!("/v1/challenges?{query}");
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
        let answer = raw(http_addr(&replica), request).await;
        assert_eq!(statuses(&answer), [431], "{answer}");
        // As long as the clients of these tests can say it.
        let path = &path[..60_000];
        let mut client = Client::connect(http_addr(&replica), Speaking::Http2).await;
        let answer = client.send(asking(Method::GET, path, &[])).await;
        assert_eq!(answer.status, 431);
    }
}

#[tokio::test]
async fn a_query_with_thousands_of_mistakes_gets_a_short_answer() {
    let replica = serving(&[]).await;
    for path in [
        format!("/v1/challenges?{}", "x&".repeat(10_000)),
        format!("/v1/challenges?{}", "page_size=1&".repeat(2_000)),
        format!("/v1/challenges/{CHALLENGE}?{}", "x=1&".repeat(7_000)),
        format!("/v1/challenges:batchGet?{}", "x=1&".repeat(7_000)),
        format!("/v1/challenges:batchGet?ids={}", ",".repeat(20_000)),
        format!("/v1/challenges:batchGet?{}", "ids=x&".repeat(4_000)),
        format!("/v1/challenges/{CHALLENGE}/tip?{}", "x&".repeat(10_000)),
        format!("/v1/admin/flags?{}", "x&".repeat(10_000)),
        format!("/v1/admin/flags/{}", "x".repeat(20_000)),
    ] {
        let answer = get(&replica, &path).await;
        assert!([400, 404].contains(&answer.status), "{}", answer.status);
        assert!(answer.body.len() < 64 << 10, "{}", answer.body.len());
    }
}

#[tokio::test]
async fn what_cannot_be_decoded_is_refused_and_named() {
    let replica = serving(&[]).await;
    for bad in ["%", "%7", "%zz", "%00", "%c0%af", "%ff", "%ed%a0%80"] {
        for (path, field) in [
            (format!("/v1/challenges/{bad}"), "id"),
            (format!("/v1/challenges/{bad}/tip"), "challenge_id"),
            (format!("/v1/admin/flags/{bad}"), "name"),
            (format!("/v1/challenges?difficulty={bad}"), "difficulty"),
            (format!("/v1/challenges?page_size={bad}"), "page_size"),
            (format!("/v1/challenges?min_version={bad}"), "min_version"),
            (format!("/v1/challenges:batchGet?ids={bad}"), "ids"),
            (format!("/v1/challenges?page_token={bad}"), "page_token"),
            (
                format!("/v1/challenges/{CHALLENGE}/tip?locale={bad}"),
                "locale",
            ),
        ] {
            invalid(&get(&replica, &path).await, &[field]);
        }
        for path in ["/v1/challenges", "/v1/admin/flags"] {
            let answer = get(&replica, &format!("{path}?{bad}=1")).await;
            assert_eq!(answer.problem().0, 400, "{path} {bad}");
        }
    }
}

#[tokio::test]
async fn a_name_that_is_there_twice_or_unknown_is_refused_and_named() {
    let replica = serving(&[]).await;
    for (path, field) in [
        ("/v1/challenges?page_size=1&page_size=1", "page_size"),
        ("/v1/challenges?page_size=&page_size=1", "page_size"),
        (
            "/v1/challenges?difficulty=beginner&difficulty=",
            "difficulty",
        ),
        ("/v1/challenges?pageSize=1", "pageSize"),
        ("/v1/challenges?cb=1", "cb"),
        ("/v1/challenges?if_none_match=*", "if_none_match"),
        ("/v1/challenges?page_size=101", "page_size"),
        ("/v1/challenges?page_size=1e1", "page_size"),
        ("/v1/challenges?difficulty=4", "difficulty"),
        ("/v1/challenges/revisions?x=1", "x"),
        ("/v1/admin/flags?x=1", "x"),
        (
            "/v1/admin/challenges/x/revisions?page_size=1&page_size=1",
            "page_size",
        ),
    ] {
        let (status, _, fields) = get(&replica, path).await.problem();
        assert_eq!(status, 400, "{path}");
        assert!(fields.iter().any(|it| it == field), "{path} {fields:?}");
    }
}

#[tokio::test]
async fn a_body_needs_its_content_type() {
    let replica = serving(&[]).await;
    let invalidate = (Method::POST, "/v1/admin/cache:invalidate");
    let import = (Method::POST, "/v1/admin/challenges:import");
    let everything = r#"{"all": true}"#;
    let mut client = Client::connect(http_addr(&replica), Speaking::Http1).await;
    let without = Request::post(invalidate.1).body(everything.into()).unwrap();
    let answer = client.send(without).await;
    assert_eq!(answer.problem().0, 415);
    for kind in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "multipart/form-data; application/json",
    ] {
        for to in [invalidate.clone(), import.clone()] {
            let answer = send(&replica, to, kind, everything).await;
            assert_eq!(answer.problem().0, 415, "{kind}");
        }
    }
    let json = "Application/JSON; charset=utf-8";
    assert_eq!(
        send(&replica, invalidate, json, everything).await.status,
        200
    );
    assert_eq!(send(&replica, import, json, everything).await.status, 415);
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused() {
    let replica = serving(&[]).await;
    let to = (Method::POST, "/v1/admin/cache:invalidate");
    for body in [
        &b"{"[..],
        b"[]",
        b"null",
        b"1",
        b"{}{}",
        b"{\"all\": tru}",
        b"{\"all\": true, }",
        b"\xff\xfe{\x00}\x00",
        b"{\"tag\": \"\xc0\xaf\"}",
        b"{\"tag\": \"\\ud800\"}",
        "[".repeat(100_000).as_bytes(),
        "{\"all\":".repeat(10_000).as_bytes(),
        "{\"x\":[".repeat(10_000).as_bytes(),
    ] {
        let body = bytes::Bytes::copy_from_slice(body);
        let answer = send(&replica, to.clone(), "application/json", body.clone()).await;
        let (status, reason, _) = answer.problem();
        assert_eq!(status, 400, "{body:?}");
        assert!(["MALFORMED_MESSAGE", "INVALID_FIELDS"].contains(&reason.as_str()));
    }
}

#[tokio::test]
async fn all_that_is_wrong_with_a_body_is_told_at_once_by_its_place() {
    let replica = serving(&[]).await;
    let body = json!({
        "id": 7, "difficulty": "DIFFICULTY_HARD", "points": "many", "author": "ann", "createTime": "now",
    });
    let path = "/v1/admin/challenges?validate_only=perhaps&color=red";
    let answer = send_json(&replica, Method::POST, path, &body).await;
    let (_, _, mut fields) = answer.problem();
    fields.sort();
    let expected = [
        "challenge.author",
        "challenge.createTime",
        "challenge.difficulty",
        "challenge.id",
        "challenge.points",
        "color",
        "validate_only",
    ];
    assert_eq!(fields, expected);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_too_large() {
    let replica = serving(&[("CATALOG_MAX_MESSAGE_BYTES", "10KiB")]).await;
    let of = |bytes: usize| json!({"all": true, "x": "x".repeat(bytes)}).to_string();
    let to = || (Method::POST, "/v1/admin/cache:invalidate");
    let answer = send(&replica, to(), "application/json", of(9_000)).await;
    assert_eq!(answer.problem().0, 400);
    let answer = send(&replica, to(), "application/json", of(11_000)).await;
    let expected = (413, "MESSAGE_TOO_LARGE".to_owned(), Vec::new());
    assert_eq!(answer.problem(), expected);
}

#[tokio::test]
async fn a_line_of_an_import_beyond_the_limit_is_told() {
    let replica = serving(&[("CATALOG_MAX_MESSAGE_BYTES", "10KiB")]).await;
    let to = (Method::POST, "/v1/admin/challenges:import");
    let line = json!({"rows": [], "x": "x".repeat(11_000)}).to_string();
    let answer = send(
        &replica,
        to,
        "application/x-ndjson",
        format!("\n{{}}\n{line}"),
    )
    .await;
    let problem: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer.problem().0, 400);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("line 3"), "{detail}");
}

#[tokio::test]
async fn verbs_and_paths_mean_the_same_over_both_versions() {
    let replica = serving(&[]).await;
    for speaking in BOTH {
        let mut client = Client::connect(http_addr(&replica), speaking).await;
        unknown(
            &client.send(asking(Method::GET, "/v1/nothing", &[])).await,
            404,
        );
        let list = "/v1/challenges";
        unknown(&client.send(asking(Method::PUT, list, &[])).await, 405);
        let twice = "/v1/challenges?page_size=1&page_size=2";
        invalid(
            &client.send(asking(Method::GET, twice, &[])).await,
            &["page_size"],
        );
        let whole = client.send(asking(Method::GET, list, &[])).await;
        assert_eq!(whole.status, 200);
    }
}
