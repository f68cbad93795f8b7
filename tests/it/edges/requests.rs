//! What is sent to each kind of edge, and what is made of its answers.
use std::{
    sync::atomic::{AtomicU32, Ordering::SeqCst},
    time::{Duration, Instant},
};

use challenges_catalog::{
    domain::{EdgeCache, EdgeFailure, Tag},
    edges::{HttpEdge, cloudflare, fastly, varnish},
};
use serde_json::{Value, json};

use super::fixture::{BEGINNER, TOKEN, answer, challenges, header, line, ok, service, version};
use crate::support::scripted::{Act, Exchange, Scripted};

const SUCCESS: &str = r#"{"success":true,"errors":[],"messages":[],"result":{"id":"1"}}"#;

/// What a purge by an edge of this kind comes to at a server with these answers.
async fn purged(
    edge: fn(&Scripted) -> HttpEdge,
    script: Vec<Act>,
) -> (Result<(), EdgeFailure>, Vec<Exchange>) {
    let server = Scripted::playing(script).await;
    let purged = edge(&server).purge(&[BEGINNER], false).await;
    (purged, server.exchanges())
}

fn fastly_at(server: &Scripted) -> HttpEdge {
    fastly(service(&server.url())).unwrap()
}

fn cloudflare_at(server: &Scripted) -> HttpEdge {
    cloudflare(service(&server.url())).unwrap()
}

fn varnish_at(server: &Scripted) -> HttpEdge {
    varnish(server.url().parse().unwrap(), None).unwrap()
}

#[tokio::test]
async fn varnish_gets_the_method_purge_with_the_tags_and_a_mark_for_soft_ones() {
    let server = Scripted::playing(ok("")).await;
    let edge = varnish_at(&server);
    assert_eq!(edge.name(), server.url().replace("http://", "varnish/"));
    edge.purge(&[Tag::Everything, BEGINNER], true)
        .await
        .unwrap();
    edge.purge(&[BEGINNER], false).await.unwrap();
    let exchanges = server.exchanges();
    let [hard, soft] = &*exchanges else {
        panic!("{exchanges:?}");
    };
    assert_eq!(line(hard), "PURGE / HTTP/1.1");
    assert_eq!(
        header(hard, "xkey-purge"),
        Some("challenges difficulty:beginner")
    );
    assert_eq!(header(hard, "xkey-soft"), None);
    assert_eq!(header(soft, "xkey-purge"), Some("difficulty:beginner"));
    assert_eq!(header(soft, "xkey-soft"), Some("1"));
}

#[tokio::test]
async fn fastly_gets_surrogate_keys_with_its_key_and_a_mark_for_soft_ones() {
    let server = Scripted::playing(ok(r#"{"difficulty:beginner":"1-2-3"}"#)).await;
    let edge = fastly_at(&server);
    assert_eq!(edge.name(), "fastly/SU1Z0");
    edge.purge(&[Tag::Everything, BEGINNER], true)
        .await
        .unwrap();
    edge.purge(&[BEGINNER], false).await.unwrap();
    let exchanges = server.exchanges();
    let [hard, soft] = &*exchanges else {
        panic!("{exchanges:?}");
    };
    for purge in [hard, soft] {
        assert_eq!(line(purge), "POST /api/service/SU1Z0/purge HTTP/1.1");
        assert_eq!(header(purge, "fastly-key"), Some(TOKEN));
        assert_eq!(
            (header(purge, "content-length"), &*purge.body),
            (Some("0"), "")
        );
    }
    assert_eq!(
        header(hard, "surrogate-key"),
        Some("challenges difficulty:beginner")
    );
    assert_eq!(header(hard, "fastly-soft-purge"), None);
    assert_eq!(header(soft, "fastly-soft-purge"), Some("1"));
}

#[tokio::test]
async fn cloudflare_gets_tags_as_json_with_a_bearer_token() {
    let server = Scripted::playing(ok(SUCCESS)).await;
    let edge = cloudflare_at(&server);
    assert_eq!(edge.name(), "cloudflare/SU1Z0");
    edge.purge(&[Tag::Everything, BEGINNER], false)
        .await
        .unwrap();
    let exchanges = server.exchanges();
    let purge = &exchanges[0];
    assert_eq!(line(purge), "POST /api/zones/SU1Z0/purge_cache HTTP/1.1");
    assert_eq!(header(purge, "authorization"), Some("Bearer S3CR3T"));
    assert_eq!(header(purge, "content-type"), Some("application/json"));
    let body: Value = serde_json::from_str(&purge.body).unwrap();
    assert_eq!(body, json!({"tags": ["challenges", "difficulty:beginner"]}));
}

#[tokio::test]
async fn many_tags_go_in_as_many_requests_as_the_edge_takes_and_none_is_left_out() {
    for (edge, most) in [
        (fastly_at as fn(&Scripted) -> HttpEdge, 256),
        (cloudflare_at, 100),
        (varnish_at, 100),
    ] {
        let server = Scripted::playing(ok(SUCCESS)).await;
        let tags = challenges(600);
        edge(&server).purge(&tags, true).await.unwrap();
        let exchanges = server.exchanges();
        let keys = exchanges.iter().map(|purge| {
            let keys = header(purge, "surrogate-key").or(header(purge, "xkey-purge"));
            let in_body = serde_json::from_str::<Value>(&purge.body).unwrap_or_default();
            let in_body = in_body["tags"].as_array().cloned().unwrap_or_default();
            let in_body = in_body.iter().map(|tag| tag.as_str().unwrap().to_owned());
            let in_header = keys.unwrap_or_default().split(' ').map(str::to_owned);
            let keys = in_header.chain(in_body).filter(|key| !key.is_empty());
            keys.collect::<Vec<_>>()
        });
        let keys: Vec<_> = keys.collect();
        assert_eq!(keys.len(), 600_usize.div_ceil(most));
        assert!(keys.iter().all(|keys| keys.len() <= most));
        let mut wanted: Vec<_> = tags.iter().map(Tag::to_string).collect();
        wanted.sort();
        assert_eq!(keys.concat(), wanted);
        let longest = exchanges.iter().map(|purge| purge.head.len()).max();
        assert!(longest < Some(16 << 10), "{longest:?}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_in_part_and_not_repeated() {
    let body = r#"{"msg":"Provided credentials are missing or invalid"}"#;
    let (refused, exchanges) = purged(fastly_at, answer("401 Unauthorized\r\n", body)).await;
    let reason = refused.unwrap_err().reason;
    assert!(
        reason.starts_with("it answered 401: {\"msg\":\"Provided"),
        "{reason}"
    );
    assert_eq!(exchanges.len(), 1);
    let errors = r#"{"success":false,"errors":[{"code":1134,"message":"Unable to purge"}]}"#;
    for (body, said) in [
        (errors, "it refused: Unable to purge"),
        ("<html>", "not that of Cloudflare's API"),
        ("{}", "not that of Cloudflare's API"),
    ] {
        let (refused, exchanges) = purged(cloudflare_at, ok(body)).await;
        let reason = refused.unwrap_err().reason;
        assert!(reason.contains(said), "{reason}");
        assert_eq!(exchanges.len(), 1);
    }
    for status in [
        "301 Moved\r\nlocation: /\r\n",
        "404 Not Found\r\n",
        "405 No\r\n",
    ] {
        let (refused, exchanges) = purged(varnish_at, answer(status, "")).await;
        let reason = refused.unwrap_err().reason;
        assert_eq!(reason, format!("it answered {}", &status[..3]));
        assert_eq!(exchanges.len(), 1);
    }
}

#[tokio::test]
async fn what_may_pass_is_tried_three_times() {
    for status in ["500 Oh\r\n", "503 Later\r\n", "429 Slow down\r\n"] {
        let (refused, exchanges) = purged(fastly_at, answer(status, "")).await;
        assert!(refused.is_err());
        assert_eq!(exchanges.len(), 3, "{status}");
    }
    let (refused, exchanges) = purged(varnish_at, vec![Act::Reset]).await;
    assert!(refused.is_err());
    assert_eq!(exchanges.len(), 3);
}

#[tokio::test]
async fn a_busy_edge_is_left_alone_for_as_long_as_it_asks() {
    let calls = AtomicU32::new(0);
    let server = Scripted::answering(move |_| {
        if calls.fetch_add(1, SeqCst) == 0 {
            return answer("429 Too Many Requests\r\nretry-after: 1\r\n", "");
        }
        ok(SUCCESS)
    });
    let server = server.await;
    let began = Instant::now();
    cloudflare_at(&server)
        .purge(&[BEGINNER], false)
        .await
        .unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.exchanges().len(), 2);
    // For longer than a purge takes, somebody else has to wait.
    let busy = answer("429 Too Many Requests\r\nretry-after: 20\r\n", "");
    let began = Instant::now();
    let (refused, exchanges) = purged(cloudflare_at, busy).await;
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(
        refused.unwrap_err().retry_after,
        Some(Duration::from_secs(20))
    );
    assert_eq!(exchanges.len(), 1);
}

#[tokio::test]
async fn an_edge_that_hangs_or_never_ends_costs_a_bounded_time_and_memory() {
    let began = Instant::now();
    let (refused, exchanges) = purged(varnish_at, vec![Act::Hold]).await;
    let reason = refused.unwrap_err().reason;
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    assert!(reason.contains("within"), "{reason}");
    assert!((1..=2).contains(&exchanges.len()));
    let endless = vec![
        Act::Send(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec()),
        Act::Flood(vec![b'x'; 1 << 16]),
    ];
    let (accepted, exchanges) = purged(fastly_at, endless).await;
    accepted.unwrap();
    assert_eq!(exchanges.len(), 1);
}

#[tokio::test]
async fn questions_are_those_of_callers_and_an_old_answer_is_no_proof() {
    let shown = format!("200 OK\r\nx-catalog-version: {}\r\n", version(42));
    let server = Scripted::playing(answer(&shown, "{}")).await;
    let edge = fastly_at(&server);
    let tags = [vec![BEGINNER], challenges(9)].concat();
    edge.reached(&tags, version(42)).await.unwrap();
    let exchanges = server.exchanges();
    let mut lines: Vec<_> = exchanges.iter().map(line).collect();
    lines.sort_unstable();
    assert_eq!(lines.len(), 6, "{lines:?}");
    assert!(
        lines[0].starts_with("GET /shop/v1/challenges/00000000-"),
        "{lines:?}"
    );
    assert_eq!(
        lines[5],
        "GET /shop/v1/challenges?difficulty=beginner&page_size=1 HTTP/1.1"
    );
    for exchange in &exchanges {
        // Whoever may purge is not told to whom everybody may ask, and no cache is asked to step aside.
        assert!(!exchange.head.contains(TOKEN), "{}", exchange.head);
        assert_eq!(header(exchange, "cache-control"), None);
    }
    let old = edge.reached(&[BEGINNER], version(43)).await.unwrap_err();
    assert_eq!(
        old.reason,
        format!("it still shows version {}", version(42))
    );
}
