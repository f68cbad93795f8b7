//! Receipts of invalidations, with edges before the fleet.
use std::time::{Duration, Instant};

use challenges_catalog::pb::admin::v1::{
    InvalidateCacheRequest, InvalidateCacheResponse, InvalidationWait,
    cache_admin_client::CacheAdminClient, invalidate_cache_request::Target,
};
use tonic::transport::Channel;

use super::fake_edge::FakeEdge;
use crate::support::{
    fleet::Fleet,
    program::run_well,
    replica::Replica,
    scripted::{Act, Scripted},
    wait::eventually,
};

const SOON: Duration = Duration::from_secs(5);
/// Not one that any commit will have: as an answer of another database.
const OTHER: &str = "0000000000000007-000000010000000000000001";

pub fn settings(url: &str) -> Vec<(&'static str, &str)> {
    vec![
        ("CATALOG_EDGE_PURGE", "varnish"),
        ("CATALOG_EDGE_PURGE_URL", url),
    ]
}

async fn fleet_behind(url: &str) -> Fleet {
    Fleet::start_with(1, &settings(url)).await
}

pub fn beginner() -> InvalidateCacheRequest {
    InvalidateCacheRequest {
        target: Some(Target::Tag("difficulty:beginner".to_owned())),
        ..Default::default()
    }
}

pub async fn invalidate(
    replica: &Replica,
    request: InvalidateCacheRequest,
) -> InvalidateCacheResponse {
    let endpoint = Channel::from_shared(format!("http://{}", replica.addr())).unwrap();
    let mut client = CacheAdminClient::new(endpoint.connect().await.unwrap());
    client.invalidate_cache(request).await.unwrap().into_inner()
}

/// As far as any commit of the database that `version` is of.
fn far_ahead(version: &str) -> String {
    format!("{}ffffffff", &version[..version.len() - 8])
}

#[tokio::test]
async fn an_edge_that_shows_the_commit_is_proven_and_asked_for_what_was_invalidated() {
    let edge = FakeEdge::start().await;
    let fleet = fleet_behind(&edge.server.url()).await;
    let counted = InvalidateCacheRequest {
        validate_only: true,
        ..beginner()
    };
    let counted = invalidate(&fleet.replicas[0], counted).await;
    assert_eq!((counted.edges_proven.len(), edge.purges().len()), (0, 0));
    edge.show(OTHER);
    let receipt = invalidate(&fleet.replicas[0], beginner()).await;
    assert_eq!(
        (receipt.acknowledged.len(), receipt.edges_proven.len()),
        (1, 0)
    );

    edge.show(&far_ahead(&receipt.version));
    let hard = InvalidateCacheRequest {
        hard: true,
        ..beginner()
    };
    let receipt = invalidate(&fleet.replicas[0], hard).await;
    let name = edge.server.url().replace("http://", "varnish/");
    assert_eq!(receipt.edges_proven, [name]);
    assert!(receipt.edges_unproven.is_empty());
    let purge = ("difficulty:beginner".to_owned(), true);
    assert!(edge.purges().contains(&purge), "{:?}", edge.purges());
    let question = "GET /v1/challenges?difficulty=beginner&page_size=1 HTTP/1.1";
    assert!(edge.questions().iter().all(|asked| asked == question));
    let asked = "it is purged again when nobody answers from before";
    eventually(asked, SOON, async || edge.purges().len() >= 4).await;
}

#[tokio::test]
async fn an_edge_that_goes_on_showing_what_was_before_is_named_with_the_reason() {
    let edge = FakeEdge::start().await;
    edge.show(OTHER);
    let fleet = fleet_behind(&edge.server.url()).await;
    let asked = Instant::now();
    let receipt = invalidate(&fleet.replicas[0], beginner()).await;
    assert!(
        asked.elapsed() < Duration::from_secs(4),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(receipt.acknowledged.len(), 1);
    let unproven = &receipt.edges_unproven[0];
    assert!(
        unproven.ends_with(&format!(": purged, but it still shows version {OTHER}")),
        "{unproven}"
    );
    let here = [("CATALOG_ADDR", fleet.replicas[0].addr().to_string())];
    let arguments = [
        "admin",
        "cache",
        "invalidate",
        "--tag",
        "difficulty:beginner",
        "--output",
        "table",
    ];
    let table = run_well(&arguments, &here).await;
    for said in ["edges_unproven", "still shows", "not proven at the edge"] {
        assert!(table.contains(said), "{table}");
    }
}

#[tokio::test]
async fn an_edge_that_refuses_is_named_logged_and_purged_when_it_lets_us_in() {
    let edge = FakeEdge::start().await;
    edge.refuse(true);
    let fleet = fleet_behind(&edge.server.url()).await;
    let replica = &fleet.replicas[0];
    let receipt = invalidate(replica, beginner()).await;
    let unproven = &receipt.edges_unproven[0];
    assert!(
        unproven.ends_with(": not purged yet: it answered 403: who are you?"),
        "{unproven}"
    );
    invalidate(replica, beginner()).await;
    let lines = replica
        .log()
        .matches("the edge cache cannot be purged")
        .count();
    assert_eq!(lines, 1, "{}", replica.log());
    edge.refuse(false);
    eventually("it is purged of what it missed", 4 * SOON, async || {
        replica.log().contains("purged of all that it missed")
    })
    .await;
    assert!(
        edge.purges()
            .contains(&("difficulty:beginner".to_owned(), false))
    );
}

#[tokio::test]
async fn an_edge_that_is_gone_or_hangs_fails_nothing_and_costs_a_bounded_time() {
    let gone = Scripted::playing(Vec::new()).await.url();
    let hanging = Scripted::playing(vec![Act::Hold]).await;
    let both = format!("{gone},{}", hanging.url());
    let fleet = fleet_behind(&both).await;
    let asked = Instant::now();
    let receipt = invalidate(&fleet.replicas[0], beginner()).await;
    assert!(
        asked.elapsed() < Duration::from_secs(4),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(
        (receipt.acknowledged.len(), receipt.edges_unproven.len()),
        (1, 2)
    );
    let is_why = |at: usize, why: &str| receipt.edges_unproven[at].contains(why);
    assert!(
        is_why(0, "not purged yet: Connection refused") && is_why(1, "takes too long"),
        "{:?}",
        receipt.edges_unproven
    );
}

#[tokio::test]
async fn nobody_who_does_not_wait_waits_for_an_edge() {
    let edge = FakeEdge::start().await;
    let fleet = fleet_behind(&edge.server.url()).await;
    let at_once = InvalidateCacheRequest {
        wait: InvalidationWait::None.into(),
        ..beginner()
    };
    let receipt = invalidate(&fleet.replicas[0], at_once).await;
    assert_eq!(
        (receipt.edges_proven.len(), receipt.edges_unproven.len()),
        (0, 0)
    );
    let purge = ("difficulty:beginner".to_owned(), false);
    eventually("it is purged all the same", SOON, async || {
        edge.purges().contains(&purge)
    })
    .await;
    assert!(edge.questions().is_empty());
}
