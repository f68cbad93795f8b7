//! Pages of browsers, by their origins.
use http::Method;

use super::{
    events::Events,
    scene::{Answer, ask, get, get_with, http_addr, serving},
};
use crate::tips::wire_stream::CHALLENGE;

const ORIGINS: &str = "CATALOG_HTTP_CORS_ORIGIN";
const ALLOWED: &str = "access-control-allow-origin";
const APP: &str = "https://app.example";
const LIST: &str = "/v1/challenges";
const PREFLIGHT: (&str, &str) = ("access-control-request-method", "GET");

fn says_nothing_to_browsers(answer: &Answer) {
    let names = answer.headers.keys().map(http::HeaderName::as_str);
    let said: Vec<_> = names
        .filter(|it| it.starts_with("access-control-"))
        .collect();
    assert_eq!(said, [""; 0]);
}

#[tokio::test]
async fn a_page_of_a_known_origin_may_read_answers_problems_and_tips() {
    let replica = serving(&[(ORIGINS, "https://other.example,https://app.example")]).await;
    let origin = [("origin", APP)];
    for path in [
        LIST,
        "/v1/challenges?page_size=0x",
        "/nowhere",
        "/v1/admin/flags",
    ] {
        let answer = get_with(&replica, path, &origin).await;
        assert_eq!(answer.header(ALLOWED), APP, "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
        let exposed = answer.header("access-control-expose-headers");
        assert!(exposed.contains("ETag") && exposed.contains("X-Catalog-Version"));
        assert!(answer.header("vary").contains("Origin"), "{path}");
    }
    let tip = format!("/v1/challenges/{CHALLENGE}/tip");
    let events = Events::open(&replica, &tip, &origin).await;
    assert_eq!(
        (events.status, &events.headers[ALLOWED]),
        (200, &APP.parse().unwrap())
    );
}

#[tokio::test]
async fn a_page_of_a_foreign_origin_may_read_nothing() {
    let replica = serving(&[(ORIGINS, APP)]).await;
    for foreign in [
        "https://app.example.evil",
        "http://app.example",
        "null",
        "",
        "*",
    ] {
        let origin = ("origin", foreign);
        let answer = get_with(&replica, LIST, &[origin]).await;
        says_nothing_to_browsers(&answer);
        // Or a cache would keep for others what was said to one.
        assert!(answer.header("vary").contains("Origin"));
        let preflight = ask(&replica, Method::OPTIONS, LIST, &[origin, PREFLIGHT]).await;
        says_nothing_to_browsers(&preflight);
        let tip = format!("/v1/challenges/{CHALLENGE}/tip");
        let events = Events::open(&replica, &tip, &[origin]).await;
        assert!(!events.headers.contains_key(ALLOWED), "{foreign}");
    }
    let unasked = get(&replica, LIST).await;
    assert!(unasked.header("vary").contains("Origin"));
}

#[tokio::test]
async fn a_preflight_tells_what_the_path_takes() {
    let replica = serving(&[(ORIGINS, APP)]).await;
    let asks = [
        ("origin", APP),
        ("access-control-request-method", "PATCH"),
        (
            "access-control-request-headers",
            "authorization, content-type",
        ),
    ];
    let path = "/v1/admin/flags/challenges_catalog";
    let answer = ask(&replica, Method::OPTIONS, path, &asks).await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header(ALLOWED), APP);
    let methods = answer.header("access-control-allow-methods");
    assert!(methods.contains("PATCH"), "{methods}");
    let taken = answer.header("access-control-allow-headers").to_lowercase();
    assert!(taken.contains("authorization") && taken.contains("content-type"));
    assert_eq!(answer.header("access-control-max-age"), "3600");
}

#[tokio::test]
async fn all_pages_may_read_where_operators_say_so_but_not_with_credentials() {
    let replica = serving(&[(ORIGINS, "*")]).await;
    let answer = get_with(&replica, LIST, &[("origin", "https://any.example")]).await;
    assert_eq!(answer.header(ALLOWED), "*");
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    assert!(!answer.header("vary").contains("Origin"));
    // A cache keeps it for whoever asks next.
    assert_eq!(get(&replica, LIST).await.header(ALLOWED), "*");
    let flag = "/v1/admin/flags/ai_tips";
    let asks = [
        ("origin", "https://any.example"),
        ("access-control-request-method", "PATCH"),
    ];
    let preflight = ask(&replica, Method::OPTIONS, flag, &asks).await;
    assert_eq!(
        preflight.header("access-control-allow-methods"),
        "GET, HEAD"
    );
    let reset = format!("{flag}:reset");
    let changed = ask(&replica, Method::POST, &reset, &asks[..1]).await;
    assert_eq!(changed.problem().0, 403);
}

/// DNS rebinding: a site that gives its own name this address is its own origin to the browser.
#[tokio::test]
async fn a_site_that_takes_its_name_to_this_server_changes_nothing_without_credentials() {
    let replica = serving(&[]).await;
    let reset = "/v1/admin/flags/ai_tips:reset";
    let port = http_addr(&replica).port();
    let status = async |name: &str| {
        let (host, origin) = (format!("{name}:{port}"), format!("http://{name}:{port}"));
        let headers = [("host", &*host), ("origin", &*origin)];
        ask(&replica, Method::POST, reset, &headers).await.status
    };
    assert_eq!(status("evil.example").await, 403);
    for name in ["localhost", "127.0.0.1", "[::1]"] {
        assert_eq!(status(name).await, 200, "{name}");
    }
}

#[tokio::test]
async fn without_origins_nothing_is_said_to_browsers() {
    let replica = serving(&[]).await;
    let origin = ("origin", APP);
    for method in [Method::GET, Method::OPTIONS] {
        says_nothing_to_browsers(&ask(&replica, method, LIST, &[origin, PREFLIGHT]).await);
    }
}
