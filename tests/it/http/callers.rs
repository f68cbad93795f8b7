//! Who may call what over HTTP, what is written down of it, and TLS.
use std::sync::Arc;

use http::{Method, Request};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        pki_types::{CertificateDer, pem::PemObject},
    },
};

use super::scene::{
    Client, HTTP, Speaking, ask, curl, get, get_with, http_addr, raw, serving, statuses,
};
use crate::{
    access::scene::{Files, token_entry},
    editing::client::SEEDED,
    support::{process::PATIENCE, replica::Replica, wait::eventually},
};

const ROLES: [&str; 3] = ["viewer", "editor", "operator"];

async fn guarded(files: &Files) -> Replica {
    let entries: String = ROLES.map(|role| token_entry(role, role, role, "")).concat();
    let (name, path) = files.access(&entries);
    serving(&[(name, &path)]).await
}

/// Reads, and what costs nothing, with the least role that may.
fn paths() -> Vec<(Method, String, usize)> {
    let one = |path: &str| path.replace("ID", SEEDED);
    vec![
        (Method::GET, one("/v1/challenges"), 0),
        (Method::HEAD, one("/v1/challenges"), 0),
        (Method::GET, one("/v1/challenges/ID"), 0),
        (Method::GET, one("/v1/challenges:batchGet?ids=ID"), 0),
        (Method::GET, one("/v1/challenges/ID/tip"), 0),
        (Method::HEAD, one("/v1/challenges/ID/tip"), 0),
        (
            Method::GET,
            one("/v1/challenges:streamTips?challenge_ids=ID"),
            0,
        ),
        (Method::GET, one("/v1/admin/challenges/ID"), 1),
        (Method::GET, one("/v1/admin/challenges/ID/revisions"), 1),
        (Method::GET, one("/v1/admin/challenges:export"), 1),
        (Method::GET, one("/v1/admin/flags"), 2),
        (Method::GET, one("/v1/admin/settings"), 2),
        (Method::GET, one("/v1/admin/cache"), 2),
        (Method::POST, one("/v1/admin/cache:warm"), 2),
        (Method::POST, one("/v1/admin/tips:resumeProviders"), 2),
    ]
}

#[tokio::test]
async fn a_path_lets_in_those_whose_role_suffices_and_nobody_else() {
    let files = Files::new();
    let replica = guarded(&files).await;
    for (method, path, least) in paths() {
        for (at, role) in ROLES.iter().enumerate() {
            let bearer = format!("Bearer {role}");
            let answer = ask(
                &replica,
                method.clone(),
                &path,
                &[("authorization", &bearer)],
            )
            .await;
            let expected = if at >= least { 200 } else { 403 };
            assert_eq!(answer.status, expected, "{method} {path} as {role}");
            if expected == 403 {
                assert_eq!(answer.problem().1, "ROLE_MISSING");
            }
        }
    }
}

#[tokio::test]
async fn who_brings_no_credentials_or_bad_ones_is_asked_for_them() {
    let files = Files::new();
    let replica = guarded(&files).await;
    for (method, path, _) in paths() {
        for (header, reason) in [
            (None, "CREDENTIALS_MISSING"),
            (Some("Bearer nobody"), "CREDENTIALS_INVALID"),
            (Some("Basic dmlld2VyOnZpZXdlcg=="), "CREDENTIALS_INVALID"),
        ] {
            let headers: Vec<_> = header.map(|it| ("authorization", it)).into_iter().collect();
            let answer = ask(&replica, method.clone(), &path, &headers).await;
            assert_eq!(answer.status, 401, "{method} {path} {header:?}");
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
            if method != Method::HEAD {
                assert_eq!(answer.problem().1, reason, "{path} {header:?}");
            }
        }
    }
}

/// Requests that have something wrong, and the least role that may make them.
const UNREADABLE: [(Method, &str, &str, &str, usize); 10] = [
    (Method::GET, "/v1/challenges?page_size=x", "", "", 0),
    (Method::GET, "/v1/challenges?nosuch=1", "", "", 0),
    (Method::GET, "/v1/challenges/abc", "", "", 0),
    (Method::GET, "/v1/challenges:batchGet?x=1", "", "", 0),
    (Method::GET, "/v1/challenges/ID/tip?mode=x", "", "", 0),
    (
        Method::POST,
        "/v1/admin/cache:invalidate",
        "text/plain",
        "x",
        2,
    ),
    (
        Method::POST,
        "/v1/admin/cache:invalidate",
        "application/json",
        "{",
        2,
    ),
    (
        Method::PATCH,
        "/v1/admin/challenges/ID",
        "application/json",
        "[]",
        1,
    ),
    (
        Method::POST,
        "/v1/admin/challenges:import",
        "text/plain",
        "x",
        1,
    ),
    (
        Method::POST,
        "/v1/admin/challenges:import",
        "application/x-ndjson",
        "{",
        1,
    ),
];

/// As gRPC does it: what is wrong with a request is for those who may make it.
#[tokio::test]
async fn who_may_not_call_is_told_so_before_the_request_is_read() {
    let files = Files::new();
    let replica = guarded(&files).await;
    for (method, path, kind, body, least) in UNREADABLE {
        let path = path.replace("ID", SEEDED);
        let status = async |role: Option<&str>| {
            let mut request = Request::builder().method(&method).uri(&path);
            if !kind.is_empty() {
                request = request.header("content-type", kind);
            }
            if let Some(role) = role {
                request = request.header("authorization", format!("Bearer {role}"));
            }
            let mut client = Client::connect(http_addr(&replica), Speaking::Http2).await;
            client.send(request.body(body.into()).unwrap()).await.status
        };
        assert_eq!(status(None).await, 401, "{method} {path} {body}");
        for (at, role) in ROLES.iter().enumerate() {
            let told = status(Some(role)).await;
            let expected = if at < least { [403, 403] } else { [400, 415] };
            let told_as = format!("{method} {path} {body} as {role}: {told}");
            assert!(expected.contains(&told), "{told_as}");
        }
    }
}

/// Its body is not even asked for: 100 would be told before 401.
#[tokio::test]
async fn who_may_not_call_is_asked_for_no_body() {
    let files = Files::new();
    let replica = guarded(&files).await;
    for (path, kind) in [
        ("/v1/admin/cache:invalidate", "application/json"),
        ("/v1/admin/challenges:import", "application/x-ndjson"),
    ] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: {kind}\r\n\
            content-length: 900000\r\nexpect: 100-continue\r\n\r\n"
        );
        let answer = raw(http_addr(&replica), &request).await;
        assert_eq!(statuses(&answer), [401], "{answer}");
    }
}

#[tokio::test]
async fn calls_of_operators_are_in_the_audit_trail_as_those_by_grpc() {
    let files = Files::new();
    let replica = guarded(&files).await;
    let lines = || {
        let log = replica.log();
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let audit = lines.filter(|line| line["target"] == "audit");
        audit.collect::<Vec<_>>()
    };
    for (role, id, path) in [
        (
            "operator",
            "audited-1",
            "/v1/admin/flags/ai_tips".to_owned(),
        ),
        ("viewer", "audited-2", "/v1/admin/flags".to_owned()),
        (
            "editor",
            "audited-3",
            format!("/v1/admin/challenges/{SEEDED}"),
        ),
        ("viewer", "read-4", "/v1/challenges".to_owned()),
    ] {
        let bearer = format!("Bearer {role}");
        let headers = [("authorization", &bearer[..]), ("x-request-id", id)];
        get_with(&replica, &path, &headers).await;
    }
    eventually("all three are told", PATIENCE, async || lines().len() >= 3).await;
    for (line, (id, method, caller, outcome)) in lines().iter().zip([
        ("audited-1", "FeatureFlags/GetFeatureFlag", "operator", "OK"),
        (
            "audited-2",
            "FeatureFlags/ListFeatureFlags",
            "viewer",
            "PERMISSION_DENIED",
        ),
        ("audited-3", "ChallengesAdmin/GetChallenge", "editor", "OK"),
    ]) {
        assert_eq!(line["request_id"], id, "{line}");
        assert_eq!(line["method"], method);
        assert_eq!(line["caller"], format!("principal {caller}"));
        assert_eq!(
            (&line["outcome"], &line["address"]),
            (&outcome.into(), &"127.0.0.1".into())
        );
    }
    let subject = lines()[0]["subject"].to_string();
    assert!(subject.contains("ai_tips"), "{subject}");
    assert!(!replica.log().contains("read-4"));
}

/// A connection over TLS by a client that offers these protocols; what was agreed, and the connection.
async fn secured(
    replica: &Replica,
    files: &Files,
    offers: &[&str],
) -> (Option<String>, tokio_rustls::client::TlsStream<TcpStream>) {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(files.authority.pem().as_bytes());
    roots.add(authority.unwrap()).unwrap();
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = offers.iter().map(|it| it.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(http_addr(replica)).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect("localhost".try_into().unwrap(), stream);
    let stream = stream.await.unwrap();
    let agreed = stream.get_ref().1.alpn_protocol();
    let agreed = agreed.map(|it| String::from_utf8(it.to_vec()).unwrap());
    (agreed, stream)
}

async fn with_tls(files: &Files) -> Replica {
    let mut settings = files.tls();
    settings.push((HTTP.0, HTTP.1.to_owned()));
    Replica::start(&settings).await
}

#[tokio::test]
async fn over_tls_clients_get_the_version_that_they_speak() {
    let files = Files::new();
    let replica = with_tls(&files).await;
    for (offers, agreed) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&["h2"], Some("h2")),
        (&[], None),
    ] {
        let (told, mut stream) = secured(&replica, &files, offers).await;
        assert_eq!(told.as_deref(), agreed, "{offers:?}");
        if agreed == Some("h2") {
            continue;
        }
        let request = b"GET /v1/challenges HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert_eq!(statuses(&answer), [200], "{offers:?}");
    }
}

#[tokio::test]
async fn curl_reads_over_tls_by_both_versions() {
    let files = Files::new();
    let replica = with_tls(&files).await;
    let port = http_addr(&replica).port();
    let url = format!("https://localhost:{port}/v1/challenges?page_size=1");
    let authority = files.path("ca.pem");
    for (version, spoken) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let shown = "%{http_code} %{http_version}";
        let arguments = [
            version,
            "--cacert",
            &authority,
            "--output",
            "/dev/null",
            "-w",
            shown,
            &url,
        ];
        assert_eq!(curl(&arguments).await, format!("200 {spoken}"));
    }
}

#[tokio::test]
async fn who_speaks_plain_text_where_tls_is_spoken_gets_nothing_of_the_catalog() {
    let files = Files::new();
    let replica = with_tls(&files).await;
    let request = "GET /v1/challenges HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut stream = TcpStream::connect(http_addr(&replica)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok();
    assert!(!String::from_utf8_lossy(&answer).contains("challenges"));
}

#[tokio::test]
async fn the_limit_of_calls_of_a_token_holds_over_http() {
    let files = Files::new();
    let entry = token_entry("shop", "t", "viewer", "requests_per_minute = 60");
    let (name, path) = files.access(&entry);
    let replica = serving(&[(name, &path)]).await;
    let headers = [("authorization", "Bearer t")];
    let mut refused = None;
    for _ in 0..100 {
        let answer = get_with(&replica, "/v1/challenges", &headers).await;
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("a call is one too many");
    assert_eq!(refused.problem().1, "RATE_LIMITED");
    assert_eq!(refused.status, 429);
    assert!(!refused.header("retry-after").is_empty());
}

#[tokio::test]
async fn requests_of_one_connection_have_the_rights_of_their_own_credentials() {
    let files = Files::new();
    let replica = guarded(&files).await;
    let mut client = Client::connect(http_addr(&replica), Speaking::Http1).await;
    for (bearer, status) in [
        (Some("Bearer operator"), 200),
        (Some("Bearer viewer"), 403),
        (None, 401),
        (Some("Bearer operator"), 200),
    ] {
        let request = Request::get("/v1/admin/flags");
        let request = match bearer {
            Some(bearer) => request.header("authorization", bearer),
            None => request,
        };
        let answer = client
            .send(request.body(bytes::Bytes::new()).unwrap())
            .await;
        assert_eq!(answer.status, status, "{bearer:?}");
    }
    assert_eq!(get(&replica, "/nowhere").await.status, 404);
}

#[tokio::test]
async fn what_is_read_with_a_client_certificate_is_for_no_shared_cache() {
    let files = Files::new();
    let mut settings = files.mutual_tls("request");
    settings.push((HTTP.0, HTTP.1.to_owned()));
    let replica = Replica::start(&settings).await;
    let client = files.authority.client("gateway.example.org");
    client.write_as(files.folder.path(), "client");
    let url = format!(
        "https://localhost:{}/v1/challenges",
        http_addr(&replica).port()
    );
    let [authority, cert, key] = ["ca.pem", "client.pem", "client.key"].map(|it| files.path(it));
    let shown = "%header{cache-control}";
    let usual = ["--cacert", &authority, "-o", "/dev/null", "-w", shown, &url];
    assert!(curl(&usual).await.contains("public"));
    let certificate = ["--cert", &cert, "--key", &key];
    let told = curl(&[&usual[..], &certificate].concat()).await;
    assert!(told.contains("private"), "{told}");
}
