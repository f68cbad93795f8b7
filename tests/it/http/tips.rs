//! Tips as server-sent events: ids, going on elsewhere, the end, errors and shutdown.
use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::Method;
use tokio::time::timeout;

use super::{
    events::{Event, Events, names, text_after},
    scene::{HTTP, ask, get, get_with},
};
use crate::{
    flags::client::set_flag,
    ops::scene::OPS,
    support::{
        fleet::Fleet,
        process::PATIENCE,
        replica::Replica,
        scripted::{Act, Scripted},
        wait::eventually,
    },
    tips::{
        provider::{PIECES, TIP, finish, gated, ordering_at, quick, replica_of},
        wire_stream::{CHALLENGE, OTHERS, hear, question},
    },
};

fn tip_of(challenge: &str) -> String {
    format!("/v1/challenges/{challenge}/tip")
}

fn tip() -> String {
    tip_of(CHALLENGE)
}

async fn serving(provider: &Scripted, more: &[(&'static str, &str)]) -> Replica {
    replica_of(provider, &[&[HTTP, OPS], more].concat()).await
}

#[tokio::test]
async fn a_tip_is_a_stream_of_events_with_its_text_and_its_hash() {
    let provider = quick().await;
    let replica = serving(&provider, &[]).await;
    let mut events = Events::open(&replica, &tip(), &[]).await;
    assert_eq!(events.status, 200);
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store, no-transform"),
        ("x-accel-buffering", "no"),
    ] {
        assert_eq!(events.headers[name], value);
    }
    let heard = events.rest().await;
    assert_eq!(events.retry, Some(1_000));
    assert_eq!(names(&heard)[0], "accepted");
    assert_eq!(names(&heard).last(), Some(&"done"));
    assert_eq!(text_after("", &heard), TIP);
    let done = &heard.last().unwrap().data["done"];
    assert_eq!(done["length"], TIP.len().to_string());
    let by_grpc = hear(&replica, question()).await;
    let sha256 = base64::prelude::BASE64_STANDARD.encode(by_grpc.done.sha256);
    assert_eq!(done["sha256"], sha256);
}

#[tokio::test]
async fn the_id_of_an_event_is_its_resume_token_and_that_of_the_last_one_says_so() {
    let provider = quick().await;
    let replica = serving(&provider, &[]).await;
    let heard = Events::open(&replica, &tip(), &[]).await.rest().await;
    let (last, before) = heard.split_last().unwrap();
    let bytes = |event: &Event| BASE64_URL_SAFE_NO_PAD.decode(&event.id).unwrap();
    let token = |event: &Event| {
        let token = event.data["resume_token"].as_str().unwrap();
        base64::prelude::BASE64_STANDARD.decode(token).unwrap()
    };
    for event in before {
        assert_eq!(bytes(event), token(event), "{event:?}");
        assert_eq!(bytes(event).len(), 57);
    }
    assert_eq!(bytes(last), [token(last), vec![0xff]].concat());
}

/// From every place, at the replica that wrote it and at another one.
#[tokio::test]
async fn a_reader_that_comes_back_gets_the_rest_of_the_text_at_every_replica() {
    let provider = quick().await;
    let url = provider.url();
    let settings = [&ordering_at(&url)[..], &[HTTP]].concat();
    let fleet = Fleet::start_with(2, &settings).await;
    let first = &fleet.replicas[0];
    let heard = Events::open(first, &tip(), &[]).await.rest().await;
    assert_eq!(text_after("", &heard), TIP);
    for replica in &fleet.replicas {
        for (at, event) in heard.iter().enumerate().rev().skip(1) {
            let held = text_after("", &heard[..=at]);
            let mut events = Events::open(replica, &tip(), &[("last-event-id", &event.id)]).await;
            let rest = events.rest().await;
            assert!(!names(&rest).contains(&"reset"), "{rest:?}");
            assert_eq!(text_after(&held, &rest), TIP, "after {at}");
            // By the query, as a page says it whose EventSource is a new one.
            let query = format!("{}?resume_token={}", tip(), event.id);
            let rest = Events::open(replica, &query, &[]).await.rest().await;
            assert_eq!(text_after(&held, &rest), TIP, "after {at}");
        }
    }
}

#[tokio::test]
async fn a_reader_whose_replica_dies_goes_on_at_another_one_while_it_is_written() {
    let provider = gated().await;
    let url = provider.url();
    let settings = [&ordering_at(&url)[..], &[HTTP]].concat();
    let fleet = Fleet::start_with(2, &settings).await;
    let [follower, leader] = &fleet.replicas[..] else {
        panic!("two replicas")
    };
    let mut writing = Events::open(leader, &tip(), &[]).await;
    provider.open(1);
    writing.some_text().await;
    let mut lost = Events::open(follower, &tip(), &[]).await;
    let heard = lost.some_text().await;
    follower.kill().await;
    let held = text_after("", &heard);
    let id = &heard.last().unwrap().id;
    let mut events = Events::open(leader, &tip(), &[("last-event-id", id)]).await;
    finish(&provider);
    let rest = events.rest().await;
    assert!(!names(&rest).contains(&"reset"), "{rest:?}");
    assert_eq!(text_after(&held, &rest), TIP);
}

#[tokio::test]
async fn a_reader_that_comes_back_from_the_end_is_told_to_stay_away() {
    let provider = quick().await;
    let url = provider.url();
    let settings = [&ordering_at(&url)[..], &[HTTP]].concat();
    let fleet = Fleet::start_with(2, &settings).await;
    let heard = Events::open(&fleet.replicas[0], &tip(), &[])
        .await
        .rest()
        .await;
    let last = &heard.last().unwrap().id;
    for replica in &fleet.replicas {
        let answer = get_with(replica, &tip(), &[("last-event-id", last)]).await;
        assert_eq!(answer.status, 204);
        assert!(answer.body.is_empty());
    }
}

#[tokio::test]
async fn an_id_of_another_tip_or_of_none_brings_the_whole_text() {
    let provider = quick().await;
    let replica = serving(&provider, &[]).await;
    let heard = Events::open(&replica, &tip(), &[]).await.rest().await;
    // That of its first event stands before any text: who has it holds none.
    let ids = [
        &heard[1].id,
        &heard.last().unwrap().id,
        "",
        "7",
        "garbage, and not base64",
        "\u{e9}",
        &"A".repeat(76),
        &"A".repeat(10_000),
    ];
    for id in ids {
        let mut events = Events::open(&replica, &tip_of(OTHERS[0]), &[("last-event-id", id)]).await;
        assert_eq!(events.status, 200, "{id}");
        let heard = events.rest().await;
        assert_eq!(names(&heard).last(), Some(&"done"), "{id}");
        // Whatever the reader holds, it has this at the end.
        let begins_anew = names(&heard).contains(&"reset");
        assert!(begins_anew || id.is_empty(), "{id}: {heard:?}");
        assert_eq!(text_after("", &heard), TIP, "{id}");
    }
}

#[tokio::test]
async fn heartbeats_are_comments() {
    let provider = gated().await;
    let replica = serving(&provider, &[]).await;
    let path = format!("{}?heartbeat_interval=0.1s", tip());
    let mut events = Events::open(&replica, &path, &[]).await;
    assert_eq!(events.next().await.unwrap().name, "accepted");
    eventually("the provider is asked", PATIENCE, async || {
        !provider.exchanges().is_empty()
    })
    .await;
    let pause = tokio::time::sleep(Duration::from_millis(600));
    let silence = async {
        pause.await;
        finish(&provider);
    };
    let (rest, ()) = tokio::join!(events.rest(), silence);
    assert!(events.comments.len() >= 3, "{:?}", events.comments);
    assert!(events.comments.iter().all(|it| it == "heartbeat"));
    assert_eq!(text_after("", &rest), TIP);
}

#[tokio::test]
async fn an_error_before_the_first_event_has_its_status() {
    let provider = quick().await;
    let replica = serving(&provider, &[("CATALOG_TIP_REFRESH", "nobody")]).await;
    let missing = "00000000-0000-4000-8000-000000000001";
    for (path, status, reason) in [
        (tip_of(missing), 404, "CHALLENGE_NOT_FOUND"),
        (tip_of("garbage"), 400, "INVALID_FIELDS"),
        (tip() + "?locale=!", 400, "INVALID_FIELDS"),
        (tip() + "?mode=TIP_MODE_REFRESH", 400, "INVALID_FIELDS"),
        (tip() + "?resume_token=%20", 400, "INVALID_FIELDS"),
        (tip() + "?heartbeat_interval=1ms", 400, "INVALID_FIELDS"),
    ] {
        let (told, why, _) = get(&replica, &path).await.problem();
        assert_eq!((told, why.as_str()), (status, reason), "{path}");
    }
    set_flag(&replica, "challenges_catalog", false).await;
    let refused = get(&replica, &tip()).await;
    assert_eq!(refused.problem().1, "FEATURE_DISABLED");
    assert_eq!(refused.status, 503);
}

#[tokio::test]
async fn a_later_error_is_an_event() {
    let provider = gated().await;
    let replica = serving(&provider, &[]).await;
    let headers = [("x-request-timeout", "1s"), ("x-request-id", "late-1")];
    let mut events = Events::open(&replica, &tip(), &headers).await;
    provider.open(1);
    events.some_text().await;
    let rest = events.rest().await;
    assert_eq!(names(&rest), ["error"]);
    assert_eq!(rest[0].data["reason"], "DEADLINE_EXCEEDED");
    assert_eq!(rest[0].data["status"], 504);
    assert_eq!(rest[0].data["request_id"], "late-1");
    assert_eq!(rest[0].id, "", "a browser keeps the id before it");
}

#[tokio::test]
async fn switching_the_catalog_off_ends_streams_with_an_error() {
    let provider = gated().await;
    let replica = serving(&provider, &[]).await;
    let mut events = Events::open(&replica, &tip(), &[]).await;
    provider.open(1);
    events.some_text().await;
    set_flag(&replica, "challenges_catalog", false).await;
    let rest = events.rest().await;
    assert_eq!(names(&rest), ["error"]);
    assert_eq!(rest[0].data["reason"], "FEATURE_DISABLED");
}

#[tokio::test]
async fn a_replica_that_leaves_ends_its_streams_without_an_error() {
    let provider = gated().await;
    let replica = serving(&provider, &[]).await;
    let mut events = Events::open(&replica, &tip(), &[]).await;
    provider.open(1);
    events.some_text().await;
    let left = timeout(Duration::from_secs(10), replica.sigterm_and_wait());
    let (rest, left) = tokio::join!(events.rest(), left);
    assert_eq!(names(&rest), [""; 0]);
    assert_eq!(left.unwrap().code(), Some(0));
    assert!(replica.log().contains("\"connections_cut\":0"));
}

#[tokio::test]
async fn a_caller_with_too_many_streams_is_refused_and_another_is_not() {
    let provider = gated().await;
    let replica = serving(&provider, &[("CATALOG_TIP_STREAMS_AT_ONCE", "1")]).await;
    let (ann, ben) = ([("x-caller-id", "ann")], [("x-caller-id", "ben")]);
    let mut first = Events::open(&replica, &tip(), &ann).await;
    first.next().await.unwrap();
    let refused = get_with(&replica, &tip(), &ann).await;
    let expected = (429, "RATE_LIMITED".to_owned(), Vec::new());
    assert_eq!(refused.problem(), expected);
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(Events::open(&replica, &tip(), &ben).await.status, 200);
    drop(first);
    eventually("the place is free", PATIENCE, async || {
        Events::open(&replica, &tip(), &ann).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_its_call() {
    let provider = gated().await;
    let replica = serving(&provider, &[]).await;
    let mut events = Events::open(&replica, &tip(), &[]).await;
    provider.open(1);
    events.some_text().await;
    drop(events);
    let name = "catalog_rpc_in_flight{method=\"ChallengesCatalog/StreamTips\"} ";
    eventually("the call is over", PATIENCE, async || {
        let page = crate::ops::scene::metrics(&replica).await;
        crate::ops::scene::metric(&page, name) < 0.5
    })
    .await;
}

#[tokio::test]
async fn head_of_a_tip_has_nobody_write_it() {
    let provider = quick().await;
    let replica = serving(&provider, &[]).await;
    assert_eq!(ask(&replica, Method::HEAD, &tip(), &[]).await.status, 200);
    hear(&replica, question()).await;
    assert_eq!(provider.exchanges().len(), 1);
}

/// An image of a page has the browser ask, and each time would cost money.
#[tokio::test]
async fn a_tip_is_written_anew_for_no_page_of_another_origin_and_nobody_behind_a_proxy() {
    let provider = quick().await;
    let replica = serving(&provider, &[]).await;
    let refresh = format!("{}?mode=refresh", tip());
    for (header, status) in [
        (("sec-fetch-site", "cross-site"), 403),
        (("sec-fetch-site", "same-site"), 403),
        (("x-forwarded-for", "203.0.113.9"), 400),
        (("forwarded", "for=203.0.113.9"), 400),
        (("via", "1.1 edge"), 400),
    ] {
        let refused = get_with(&replica, &refresh, &[header]).await;
        assert_eq!(refused.problem().0, status, "{header:?}");
    }
    assert_eq!(provider.exchanges().len(), 0);
    for site in ["same-origin", "none"] {
        let own = get_with(&replica, &refresh, &[("sec-fetch-site", site)]).await;
        assert_eq!(own.status, 200);
    }
    assert!(!provider.exchanges().is_empty());
}

#[tokio::test]
async fn several_tips_come_in_one_stream_each_event_with_its_challenge() {
    let provider = quick().await;
    let replica = serving(&provider, &[]).await;
    let [one, two, ..] = OTHERS;
    let path = format!("/v1/challenges:streamTips?challenge_ids={one}&challenge_ids={two}");
    let heard = Events::open(&replica, &path, &[]).await.rest().await;
    for challenge in [one, two] {
        let mut own = heard
            .iter()
            .filter(|it| it.data["challenge_id"] == challenge);
        let text: String = own
            .clone()
            .filter_map(|it| it.data["tip"]["delta"]["text"].as_str())
            .collect();
        assert_eq!(text, TIP);
        assert!(own.clone().all(|it| it.name == "tip"));
        assert!(own.next_back().unwrap().data["tip"]["done"].is_object());
    }
}

#[tokio::test]
async fn a_tip_comes_piece_by_piece_as_it_is_written() {
    let provider = gated().await;
    let replica = serving(&provider, &[]).await;
    let mut events = Events::open(&replica, &tip(), &[]).await;
    let mut text = String::new();
    for piece in PIECES {
        provider.open(1);
        text = text_after(&text, &events.some_text().await);
        assert!(text.ends_with(piece), "{text}");
    }
    provider.open(1);
    assert_eq!(text_after(&text, &events.rest().await), TIP);
}

/// It must not hold back text for as long as it takes to fill a buffer.
#[tokio::test]
async fn events_are_not_compressed() {
    let provider = Scripted::playing(vec![Act::Hold]).await;
    let replica = serving(&provider, &[]).await;
    let events = Events::open(&replica, &tip(), &[("accept-encoding", "gzip")]).await;
    assert!(!events.headers.contains_key("content-encoding"));
}
