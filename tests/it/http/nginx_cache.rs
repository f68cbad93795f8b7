//! The cache of a real nginx, as it is when it is switched on: it keeps what `proof` lets it keep, and no longer.
use std::time::Duration;

use http::Method;
use serde_json::json;

use super::{
    exchange::{Answer, ask, ask_with},
    scene::{http_addr, send_json, serving},
};
use crate::{
    editing::client::SEEDED,
    support::{nginx::Nginx, wait::eventually},
};

const LIST: &str = "/v1/challenges";
const SOON: Duration = Duration::from_secs(10);

fn cached(answer: &Answer) -> Option<&str> {
    answer.header("x-cached")
}

#[tokio::test]
async fn nginx_keeps_an_answer_for_as_long_as_it_may_and_asks_whether_it_changed() {
    let replica = serving(&[]).await;
    let nginx = Nginx::caching(http_addr(&replica));
    let first = ask(nginx.addr(), "GET", LIST).await;
    assert_eq!((first.status, cached(&first)), (200, Some("MISS")));
    eventually("it is had from there", SOON, async || {
        let again = ask(nginx.addr(), "GET", LIST).await;
        assert_eq!(again.body, first.body);
        cached(&again) == Some("HIT")
    })
    .await;
    eventually("it is found to be unchanged", SOON, async || {
        let again = ask(nginx.addr(), "GET", LIST).await;
        assert_eq!(again.body, first.body);
        cached(&again) == Some("REVALIDATED")
    })
    .await;
    let etag = first.header("etag").unwrap();
    let known = format!("GET {LIST} HTTP/1.1\r\nif-none-match: {etag}");
    let unchanged = ask_with(nginx.addr(), &known).await;
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));

    let edit = format!("/v1/admin/challenges/{SEEDED}?update_mask=title");
    let edited = send_json(&replica, Method::PATCH, &edit, &json!({"title": "Renamed"})).await;
    assert_eq!(edited.status, 200);
    eventually("the change shows", SOON, async || {
        let list = ask(nginx.addr(), "GET", LIST).await;
        list.text().contains("Renamed")
    })
    .await;
}

/// An answer to a request with credentials is its caller's own.
#[tokio::test]
async fn nginx_keeps_nothing_of_who_brings_credentials() {
    let replica = serving(&[]).await;
    let nginx = Nginx::caching(http_addr(&replica));
    let own = format!("GET {LIST} HTTP/1.1\r\nauthorization: Bearer t");
    for _ in 0..3 {
        let answer = ask_with(nginx.addr(), &own).await;
        assert_eq!((answer.status, cached(&answer)), (200, Some("MISS")));
    }
}
