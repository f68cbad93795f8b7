//! Several boards on one Redis: one of them has a tip written, and the others read along.
use std::{sync::Arc, time::Duration};

use challenges_catalog::{
    domain::{FailureKind, FallbackCause, TipMode, TipRole, TipSource},
    redis::RedisServers,
};
use futures_util::future::join_all;

use super::{
    fixtures::{STATIC, Store, question, question_about, sha256},
    replica::{Replica, cluster, provider, server, settings},
    writer::{Writer, failing, gated, spoken},
};
use crate::support::{redis, wait::eventually};

const PIECES: [&str; 5] = ["Geh hin,", " sag", " „Hallo“", " und", " lächle. 👋"];
const TEXT: &str = "Geh hin, sag „Hallo“ und lächle. 👋";
const PAUSE: Duration = Duration::from_millis(40);
const SOON: Duration = Duration::from_secs(5);

/// Over replicas, at random moments.
async fn one_request_for_a_thousand_readers(nodes: &RedisServers) {
    let store = Arc::<Store>::default();
    let writer = Writer::new("a", [spoken(&PIECES, PAUSE)]);
    // A replica that Redis does not answer in time has a tip written itself.
    let replicas = [(); 3].map(|()| {
        let providers = vec![provider(&writer)];
        Replica::patient(settings(), nodes, providers, &store)
    });
    let readings = join_all((0..1_000).map(async |number: usize| {
        let delay = Duration::from_micros(rand::random_range(0..300_000));
        tokio::time::sleep(delay).await;
        replicas[number % 3].read(question()).await.unwrap()
    }))
    .await;
    assert_eq!(writer.calls(), 1);
    for reading in &readings {
        assert_eq!(
            (reading.text.as_str(), reading.done.sha256),
            (TEXT, sha256(TEXT))
        );
        assert!(reading.resets.is_empty());
    }
    let leaders = readings
        .iter()
        .filter(|reading| reading.role == TipRole::Leader);
    assert_eq!(leaders.count(), 1);
    eventually("the tip is kept", SOON, async || store.tips().len() == 1).await;
    assert_eq!(store.tips()[0].text, TEXT);
}

#[tokio::test]
async fn a_thousand_readers_at_three_replicas_cost_one_request() {
    let redis = redis::start();
    one_request_for_a_thousand_readers(&server(&redis.url())).await;
}

#[tokio::test]
async fn a_thousand_readers_cost_one_request_on_a_cluster_too() {
    let cluster_servers = redis::cluster();
    let ports = cluster_servers.nodes.each_ref().map(redis::Redis::port);
    one_request_for_a_thousand_readers(&cluster(ports)).await;
}

/// Who comes to another replica at any moment, the instant after the end too, has all of it.
#[tokio::test]
async fn a_reader_at_another_replica_has_the_whole_text_whenever_it_comes() {
    let (redis, store) = (redis::start(), Arc::<Store>::default());
    let nodes = server(&redis.url());
    let writer = Writer::new("a", [gated(&PIECES)]);
    let replicas = [(); 2].map(|()| Replica::start(&nodes, &writer, &store));
    let leader = replicas[0].read(question());
    let mut followers = Vec::new();
    for passed in 0..=PIECES.len() {
        followers.push(replicas[1].read(question()));
        writer.open(1);
        eventually("the piece is said", SOON, async || {
            writer.calls() == 1 && replicas[0].stats().first_texts() > 0 || passed == 0
        })
        .await;
    }
    assert_eq!(leader.await.unwrap().text, TEXT);
    followers.push(replicas[1].read(question()));
    for follower in join_all(followers).await {
        assert_eq!(follower.unwrap().text, TEXT);
    }
    assert_eq!(writer.calls(), 1);
}

/// A reader whose replica is gone for it goes on at another, without reading twice.
#[tokio::test]
async fn a_reader_resumes_at_another_replica() {
    let (redis, store) = (redis::start(), Arc::<Store>::default());
    let nodes = server(&redis.url());
    let writer = Writer::new("a", [spoken(&PIECES, PAUSE)]);
    let replicas = [(); 2].map(|()| Replica::start(&nodes, &writer, &store));
    let first = replicas[0].read(question()).await.unwrap();
    for point in first.points {
        let held = TEXT[..usize::try_from(point.offset).unwrap()].to_owned();
        let mut again = question();
        again.resume = Some(point);
        let rest = replicas[1].read_on(held, again).await.unwrap();
        assert_eq!((rest.text.as_str(), rest.resets.len()), (TEXT, 0));
    }
    assert_eq!(writer.calls(), 1);
}

#[tokio::test]
async fn a_failure_is_told_to_the_fleet_and_not_tried_again_elsewhere() {
    let (redis, store) = (redis::start(), Arc::<Store>::default());
    let nodes = server(&redis.url());
    let refused = failing("Geh", FailureKind::Refused);
    let writer = Writer::new("a", [refused]);
    let replicas = [(); 2].map(|()| Replica::start(&nodes, &writer, &store));
    let readings = join_all(replicas.iter().map(|each| each.read(question()))).await;
    for reading in readings {
        let done = reading.unwrap().done;
        let refused = FallbackCause::Provider(FailureKind::Refused);
        assert_eq!(
            (done.source, done.fallback),
            (TipSource::Static, Some(refused))
        );
    }
    assert_eq!(replicas[1].read(question()).await.unwrap().text, STATIC);
    assert_eq!(writer.calls(), 1);
    assert_eq!(store.tips(), []);
}

#[tokio::test]
async fn a_refresh_at_one_replica_is_what_the_others_find() {
    let (redis, store) = (redis::start(), Arc::<Store>::default());
    let nodes = server(&redis.url());
    let writer = Writer::new("a", [spoken(&["old"], PAUSE), spoken(&["new"], PAUSE)]);
    let replicas = [(); 3].map(|()| Replica::start(&nodes, &writer, &store));
    assert_eq!(replicas[0].read(question()).await.unwrap().text, "old");
    let mut refresh = question();
    refresh.mode = TipMode::Refresh;
    assert_eq!(replicas[1].read(refresh).await.unwrap().text, "new");
    eventually("the new tip is shared", SOON, async || {
        store.tips()[0].text == "new"
    })
    .await;
    assert_eq!(replicas[2].read(question()).await.unwrap().text, "new");
    assert_eq!(writer.calls(), 2);
}

/// Over replicas: as long as one reader is left anywhere, a refresh goes on.
#[tokio::test]
async fn a_reader_at_another_replica_keeps_a_refresh_alive() {
    let (redis, store) = (redis::start(), Arc::<Store>::default());
    let nodes = server(&redis.url());
    let writer = Writer::new("a", [gated(&PIECES)]);
    let replicas = [(); 2].map(|()| Replica::start(&nodes, &writer, &store));
    let mut refresh = question();
    refresh.mode = TipMode::Refresh;
    let leader = replicas[0].read(refresh);
    eventually("it is requested", SOON, async || writer.calls() == 1).await;
    let follower = replicas[1].read(question());
    eventually("it is followed", SOON, async || {
        let keys: Vec<String> = redis.ask(bb8_redis::redis::cmd("KEYS").arg("tip:*:subs"));
        keys.len() == 1
    })
    .await;
    leader.abort();
    // Longer than the linger, and nothing ends the request.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(writer.under_way(), 1);
    writer.open(PIECES.len() + 1);
    assert_eq!(follower.await.unwrap().text, TEXT);
}

#[tokio::test]
async fn tips_of_many_challenges_go_their_ways_side_by_side() {
    let (redis, store) = (redis::start(), Arc::<Store>::default());
    let nodes = server(&redis.url());
    let writer = Writer::new("a", [spoken(&PIECES, PAUSE)]);
    let replicas = [(); 3].map(|()| Replica::start(&nodes, &writer, &store));
    let ask = |number: usize| replicas[number % 3].read(question_about(number as u128 / 6));
    let readings = join_all((0..300).map(ask)).await;
    assert!(
        readings
            .into_iter()
            .all(|reading| reading.unwrap().text == TEXT)
    );
    assert_eq!(writer.calls(), 50);
}
