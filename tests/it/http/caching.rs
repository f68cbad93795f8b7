//! What browsers and shared caches may keep, and what an answer says of its own age.
use std::{cell::Cell, time::Duration};

use super::scene::{Answer, HTTP, get, get_with, serving};
use crate::{
    access::scene::{Files, token_entry},
    ops::scene::{metric, metrics},
    support::{fleet, postgres, replica::Replica, wait::eventually},
    tips::wire_stream::{CHALLENGE, OTHERS},
};

const BEGINNERS: &str = "/v1/challenges?difficulty=beginner";
const PUBLIC: &str = "public, max-age=2, must-revalidate";
const PRIVATE: &str = "private, max-age=2, must-revalidate";
const SHARED: &str = "max-age=60, stale-while-revalidate=60, stale-if-error=300";
const TAG_HEADERS: [&str; 3] = ["surrogate-key", "cache-tag", "xkey"];

fn has_no_word_for_shared_caches(answer: &Answer) {
    for name in TAG_HEADERS {
        assert_eq!(answer.header(name), "", "{name}");
    }
    for name in ["cdn-cache-control", "surrogate-control"] {
        assert_eq!(answer.header(name), "", "{name}");
    }
}

#[tokio::test]
async fn an_answer_tells_its_age_its_version_and_its_source() {
    let replica = serving(&[]).await;
    let path = "/v1/challenges?page_size=37";
    let (first, second) = (get(&replica, path).await, get(&replica, path).await);
    let miss = "challenges-catalog; fwd=miss; detail=database";
    assert_eq!(first.header("cache-status"), miss);
    let hit = "challenges-catalog; hit; detail=near";
    assert_eq!(second.header("cache-status"), hit);
    for answer in [first, second] {
        let age: u64 = answer.header("age").parse().unwrap();
        assert!(age <= 2, "{age}");
        assert!(!answer.header("x-catalog-version").is_empty());
    }
}

#[tokio::test]
async fn an_answer_from_the_shared_cache_says_so() {
    let fleet = fleet::Fleet::start_with(2, &[HTTP]).await;
    let shared = "challenges-catalog; hit; detail=shared";
    let size = Cell::new(37);
    let within = Duration::from_secs(10);
    // It is put there behind the first caller's answer.
    eventually("the other takes it from there", within, async || {
        size.set(size.get() % 90 + 1);
        let path = format!("/v1/challenges?page_size={}", size.get());
        get(&fleet.replicas[0], &path).await.json();
        get(&fleet.replicas[1], &path).await.header("cache-status") == shared
    })
    .await;
}

#[tokio::test]
async fn by_the_proof_profile_an_answer_is_kept_as_long_as_it_is_called_fresh() {
    let replica = serving(&[]).await;
    for path in [BEGINNERS, &format!("/v1/challenges/{CHALLENGE}")] {
        let answer = get(&replica, path).await;
        assert_eq!(answer.header("cache-control"), PUBLIC);
        assert_eq!(answer.header("vary"), "Accept-Encoding, Authorization");
        has_no_word_for_shared_caches(&answer);
    }
}

#[tokio::test]
async fn max_age_is_no_longer_than_answers_are_called_fresh() {
    let settings = [
        ("CATALOG_MAX_STALENESS", "900ms"),
        ("CATALOG_FEED_POLL_INTERVAL", "100ms"),
    ];
    let replica = serving(&settings).await;
    let answer = get(&replica, BEGINNERS).await;
    let control = "public, max-age=0, must-revalidate";
    assert_eq!(answer.header("cache-control"), control);
}

#[tokio::test]
async fn by_the_off_profile_nothing_is_kept() {
    let replica = serving(&[("CATALOG_HTTP_CACHE", "off")]).await;
    let answer = get(&replica, BEGINNERS).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    has_no_word_for_shared_caches(&answer);
}

#[tokio::test]
async fn by_the_edge_profile_shared_caches_keep_answers_longer_by_tags() {
    let replica = serving(&[("CATALOG_HTTP_CACHE", "edge")]).await;
    let batch = OTHERS.join(",");
    let of_batch: Vec<_> = OTHERS.iter().map(|id| format!("challenge:{id}")).collect();
    let of_batch: Vec<_> = of_batch.iter().map(String::as_str).collect();
    let one = format!("challenge:{CHALLENGE}");
    for (path, tags) in [
        (
            "/v1/challenges",
            vec![
                "difficulty:beginner",
                "difficulty:intermediate",
                "difficulty:advanced",
            ],
        ),
        (BEGINNERS, vec!["difficulty:beginner"]),
        (&format!("/v1/challenges/{CHALLENGE}"), vec![&one[..]]),
        (&format!("/v1/challenges:batchGet?ids={batch}"), of_batch),
    ] {
        let answer = get(&replica, path).await;
        let control =
            "public, max-age=2, s-maxage=60, stale-while-revalidate=60, stale-if-error=300";
        assert_eq!(answer.header("cache-control"), control, "{path}");
        for name in ["cdn-cache-control", "surrogate-control"] {
            assert_eq!(answer.header(name), SHARED, "{path}");
        }
        let tags = [&["challenges"], &tags[..]].concat();
        assert_eq!(answer.header("surrogate-key"), tags.join(" "), "{path}");
        assert_eq!(answer.header("xkey"), tags.join(" "), "{path}");
        assert_eq!(answer.header("cache-tag"), tags.join(","), "{path}");
    }
}

#[tokio::test]
async fn a_batch_with_more_tags_than_proxies_take_is_for_its_caller_alone() {
    let fleet = fleet::Fleet::start_with(1, &[HTTP, ("CATALOG_HTTP_CACHE", "edge")]).await;
    let insert = "INSERT INTO approach_challenges (id, difficulty, title, points)
        SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'beginner', 'Number ' || n, 10
        FROM generate_series(1, 21) AS n";
    fleet.database.execute(insert).await;
    let of = async |count: usize| {
        let ids = (1..=count).map(|number| format!("00000000-0000-4000-8000-{number:012}"));
        let ids: Vec<_> = ids.collect();
        let path = format!("/v1/challenges:batchGet?ids={}", ids.join(","));
        get(&fleet.replicas[0], &path).await
    };
    let (most, more) = (of(20).await, of(21).await);
    assert_eq!(most.header("xkey").split(' ').count(), 21);
    assert!(most.headers["xkey"].len() < 2_048);
    assert_eq!(more.header("cache-control"), PRIVATE);
    has_no_word_for_shared_caches(&more);
}

#[tokio::test]
async fn who_brings_credentials_gets_an_answer_for_itself_alone() {
    let files = Files::new();
    let access = files.access(&format!(
        "anonymous = \"viewer\"\n{}",
        token_entry("shop", "t", "viewer", "")
    ));
    for (profile, control) in [("proof", PRIVATE), ("edge", PRIVATE), ("off", "no-store")] {
        let settings = [(access.0, &access.1[..]), ("CATALOG_HTTP_CACHE", profile)];
        let replica = serving(&settings).await;
        let anonymous = get(&replica, BEGINNERS).await;
        assert!(!anonymous.header("cache-control").contains("private"));
        let answer = get_with(&replica, BEGINNERS, &[("authorization", "Bearer t")]).await;
        assert_eq!(answer.header("cache-control"), control);
        assert_eq!(answer.json(), anonymous.json());
        has_no_word_for_shared_caches(&answer);
    }
}

#[tokio::test]
async fn without_the_database_answers_are_marked_stale_and_the_rest_is_unavailable() {
    let server = postgres::own_server();
    let database = server.fresh().await;
    fleet::migrate(&database).await;
    for profile in ["proof", "edge", "off"] {
        let settings = [
            ("DATABASE_URL", database.url()),
            (HTTP.0, HTTP.1.to_owned()),
            ("CATALOG_HTTP_CACHE", profile.to_owned()),
        ];
        let replica = Replica::start(&settings).await;
        let warm = get(&replica, BEGINNERS).await;
        server.kill();
        let stale = "challenges-catalog; hit; detail=stale";
        eventually("answers are marked", Duration::from_secs(5), async || {
            let answer = get(&replica, BEGINNERS).await;
            assert_eq!(answer.json(), warm.json());
            answer.header("cache-status") == stale
        })
        .await;
        let held = [("if-none-match", warm.header("etag"))];
        for answer in [
            get(&replica, BEGINNERS).await,
            get_with(&replica, BEGINNERS, &held).await,
        ] {
            let control = if profile == "off" {
                "no-store"
            } else {
                "no-cache"
            };
            assert_eq!(answer.header("cache-control"), control, "{profile}");
            assert_eq!(answer.header("cache-status"), stale);
            has_no_word_for_shared_caches(&answer);
        }
        let cold = get(&replica, "/v1/challenges?page_size=21").await;
        let expected = (503, "DATASTORE_UNAVAILABLE".to_owned(), Vec::new());
        assert_eq!(cold.problem(), expected);
        assert!(!cold.header("retry-after").is_empty());
        server.restart();
    }
}

/// With a mebibyte to keep them in, and 40 of JSON.
#[tokio::test]
async fn the_near_cache_keeps_to_its_bytes_with_the_json_of_many_lists() {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    let fill = "INSERT INTO approach_challenges (id, difficulty, title, description, points)
        SELECT gen_random_uuid(), 'beginner', 'Number ' || n, repeat(md5(n::text), 125), 10
        FROM generate_series(1, 200) AS n";
    database.execute(fill).await;
    let settings = [
        ("DATABASE_URL", database.url()),
        ("CATALOG_NEAR_CACHE_BYTES", "1MiB".to_owned()),
        (HTTP.0, HTTP.1.to_owned()),
        ("CATALOG_OPS_ADDR", "127.0.0.1:0".to_owned()),
    ];
    let replica = Replica::start(&settings).await;
    let mut read = 0;
    for size in 1..=100 {
        let path = format!("{BEGINNERS}&page_size={size}");
        for encoding in ["identity", "gzip"] {
            let answer = get_with(&replica, &path, &[("accept-encoding", encoding)]).await;
            assert_eq!(answer.status, 200);
            read += answer.body.len();
        }
        let page = metrics(&replica).await;
        let bytes = metric(&page, "catalog_cache_near_bytes ");
        let capacity = metric(&page, "catalog_cache_near_capacity_bytes ");
        assert!((capacity - f64::from(1 << 20)).abs() < f64::EPSILON);
        assert!(bytes <= capacity, "{bytes} at {size}");
    }
    assert!(read > 16 << 20, "{read}");
}
