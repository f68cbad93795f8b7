//! The program behind a real Varnish with the documented VCL: what callers of the edge get.
use std::{
    cell::Cell,
    net::SocketAddr,
    time::{Duration, Instant},
};

use challenges_catalog::pb::{admin::v1::InvalidateCacheRequest, catalog::v1 as pb};

use super::receipts::{beginner, invalidate};
use crate::{
    flags::client::set_flag,
    ops::scene::{Answer, ask},
    support::{
        fleet::{Fleet, list},
        process::free_port,
        varnish::Varnish,
        wait::eventually,
    },
};

const LIST: &str = "/v1/challenges?difficulty=beginner";
const OTHER: &str = "/v1/challenges?difficulty=advanced";
const RENAME: &str =
    "UPDATE approach_challenges SET title = 'Renamed' WHERE difficulty = 'beginner'";
const NEW: &str = "\"title\":\"Renamed\"";
/// A commit is purged at once and, when no replica gives older answers any more, again after 2.1 s.
const SETTLED: Duration = Duration::from_secs(3);
/// Within so long a catalog that is switched off is off for everybody.
const OFF: Duration = Duration::from_secs(2);
const SOON: Duration = Duration::from_secs(5);
/// The origin and the edge each drop less than a second of an answer's age.
const ROUNDED: Duration = Duration::from_secs(2);
/// The `max-age` of answers, in seconds.
const MAX_AGE: u64 = 2;

/// One replica on PostgreSQL, and a Varnish before it that it purges.
struct Scene {
    fleet: Fleet,
    varnish: Varnish,
}

impl Scene {
    async fn start(profile: &'static str, more: &[(&'static str, &str)]) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        // It needs no origin before it is asked.
        let varnish = Varnish::before(&format!("http://{address}"));
        let url = varnish.url();
        let mut settings = vec![
            ("CATALOG_HTTP_ADDR", address.as_str()),
            ("CATALOG_HTTP_CACHE", profile),
            ("CATALOG_EDGE_PURGE", "varnish"),
            ("CATALOG_EDGE_PURGE_URL", &url),
        ];
        settings.extend(more);
        let fleet = Fleet::start_with(1, &settings).await;
        Self { fleet, varnish }
    }

    fn addr(&self) -> SocketAddr {
        self.varnish.url().replace("http://", "").parse().unwrap()
    }

    async fn get(&self, path: &str) -> Answer {
        // Varnish sends no chunks to those who do not know them.
        ask(self.addr(), &format!("GET {path} HTTP/1.0")).await
    }

    /// Asks until the answer is one that the edge had.
    async fn warm(&self, path: &str) -> Answer {
        eventually("the edge keeps it", SETTLED, async || {
            is_hit(&self.get(path).await)
        })
        .await;
        self.get(path).await
    }

    /// The id of one that is renamed.
    async fn beginner(&self) -> String {
        let any = "SELECT id FROM approach_challenges WHERE difficulty = 'beginner' LIMIT 1";
        self.fleet.database.query_text(any).await
    }

    async fn switch(&self, is_on: bool) {
        set_flag(&self.fleet.replicas[0], "challenges_catalog", is_on).await;
    }
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let mut lines = answer.head.lines().filter_map(|line| line.split_once(": "));
    lines
        .find(|(header, _)| *header == name)
        .map(|(_, value)| value)
}

fn age(answer: &Answer) -> u64 {
    let age = header(answer, "age").unwrap_or_else(|| panic!("{}", answer.head));
    age.parse().unwrap()
}

/// Varnish names two requests where it had the answer: this one, and the one that it had it from.
fn is_hit(answer: &Answer) -> bool {
    let requests = header(answer, "x-varnish").unwrap_or_default();
    answer.status == 200 && requests.split(' ').count() == 2
}

#[tokio::test]
async fn the_edge_answers_the_second_time_and_knows_what_the_caller_has() {
    let scene = Scene::start("edge", &[]).await;
    let first = scene.get(LIST).await;
    assert!(first.status == 200 && !is_hit(&first), "{}", first.head);
    let second = scene.get(LIST).await;
    assert!(is_hit(&second), "{}", second.head);
    assert_eq!(first.body, second.body);
    for tags in ["xkey", "surrogate-key", "cache-tag"] {
        assert_eq!(header(&second, tags), None);
    }
    eventually("it ages beyond what browsers keep", SOON, async || {
        let answer = scene.get(LIST).await;
        assert!(is_hit(&answer), "{}", answer.head);
        age(&answer) > MAX_AGE
    })
    .await;
    // The correlation id of another call.
    assert!(header(&first, "x-request-id").is_some());
    assert_eq!(header(&second, "x-request-id"), None);
    let slash = ask(scene.addr(), "GET /api/challenges/ HTTP/1.1").await;
    let host = "http://test/api/challenges";
    assert_eq!(
        (slash.status, header(&slash, "location")),
        (307, Some(host))
    );
    let known = list(&scene.fleet.replicas[0], pb::Difficulty::Beginner, 0).await;
    let etag = known.unwrap().etag;
    let head = format!("GET {LIST} HTTP/1.1\r\nif-none-match: {etag}");
    let unchanged = ask(scene.addr(), &head).await;
    assert_eq!((unchanged.status, &*unchanged.body), (304, ""));
}

#[tokio::test]
async fn a_receipt_proves_the_edge_and_other_tags_stay_there() {
    let scene = Scene::start("edge", &[]).await;
    let [before, _] = [scene.warm(LIST).await, scene.warm(OTHER).await];
    scene.fleet.database.execute(RENAME).await;
    // Nobody purges on commits.
    assert!(is_hit(&scene.get(LIST).await));
    let request = InvalidateCacheRequest {
        hard: true,
        ..beginner()
    };
    let receipt = invalidate(&scene.fleet.replicas[0], request).await;
    let name = scene.varnish.url().replace("http://", "varnish/");
    assert_eq!(receipt.edges_proven, [name], "{receipt:?}");
    let after = scene.get(LIST).await;
    assert!(
        after.body.contains(NEW) && !before.body.contains(NEW),
        "{}",
        after.head
    );
    let other = scene.get(OTHER).await;
    assert!(is_hit(&other), "{}", other.head);
}

#[tokio::test]
async fn plain_sql_shows_through_the_edge_soon_where_commits_are_purged() {
    let scene = Scene::start("edge", &[("CATALOG_EDGE_PURGE_ON", "commits")]).await;
    let one = format!("/v1/challenges/{}", scene.beginner().await);
    // What the replica purges at its start is over.
    eventually("entries stay", SOON, async || {
        age(&scene.get(OTHER).await) > MAX_AGE
    })
    .await;
    for path in [LIST, &one] {
        assert!(!scene.warm(path).await.body.contains(NEW));
    }
    scene.fleet.database.execute(RENAME).await;
    eventually("the edge shows it", SETTLED, async || {
        let shown = [scene.get(LIST).await, scene.get(&one).await];
        shown.iter().all(|answer| answer.body.contains(NEW))
    })
    .await;
    // It stays so, also where the edge was filled by an answer from before.
    let since = Instant::now();
    eventually("the second purge is over", SOON, async || {
        let answer = scene.get(LIST).await;
        assert!(answer.body.contains(NEW), "{}", answer.head);
        since.elapsed() > SETTLED
    })
    .await;
    let other = scene.get(OTHER).await;
    assert!(is_hit(&other), "{}", other.head);
}

#[tokio::test]
async fn a_catalog_that_is_switched_off_is_off_at_the_edge_within_two_seconds() {
    let scene = Scene::start("edge", &[]).await;
    scene.warm(LIST).await;
    let began = Instant::now();
    scene.switch(false).await;
    let left = OFF.saturating_sub(began.elapsed());
    eventually("the edge refuses", left, async || {
        scene.get(LIST).await.status == 503
    })
    .await;
    let refusal = scene.get(LIST).await;
    assert_eq!(header(&refusal, "cache-control"), Some("no-store"));
    // An answer that was on its way may have filled the edge again, until the second purge.
    let is_over = || began.elapsed() > OFF;
    eventually("two seconds are over", SOON, async || is_over()).await;
    for _ in 0..20 {
        assert_eq!(scene.get(LIST).await.status, 503);
    }
    scene.switch(true).await;
    eventually("it is served again", OFF, async || {
        scene.get(LIST).await.status == 200
    })
    .await;
    scene.warm(LIST).await;
}

#[tokio::test]
async fn with_the_profile_proof_nothing_is_served_for_longer_than_it_says() {
    let scene = Scene::start("proof", &[]).await;
    scene.warm(LIST).await;
    scene.fleet.database.execute(RENAME).await;
    let committed = Instant::now();
    let is_new = Cell::new(false);
    eventually("it was asked for twice as long", 2 * SOON, async || {
        let asked = committed.elapsed();
        let answer = scene.get(LIST).await;
        assert_eq!(answer.status, 200, "{}", answer.head);
        assert!(age(&answer) <= MAX_AGE, "{}", answer.head);
        if answer.body.contains(NEW) {
            is_new.set(true);
        } else {
            assert!(!is_new.get(), "it went back: {}", answer.head);
            let told = Duration::from_secs(age(&answer)) + ROUNDED;
            assert!(asked < told, "older than it says: {}", answer.head);
        }
        asked > Duration::from_secs(2 * MAX_AGE)
    })
    .await;
    assert!(is_new.get());
}
