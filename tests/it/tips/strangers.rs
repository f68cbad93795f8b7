//! Somebody else writes into the same Redis: nobody is shown it, and nobody pays for it.
use std::{sync::Arc, time::Duration};

use bb8_redis::redis::cmd;
use challenges_catalog::domain::{TipMode, TipSource};
use tokio::task::JoinHandle;

use super::{
    fixtures::{Store, question},
    reader_probe::Reading,
    replica::{Replica, server},
    writer::{Writer, gated, spoken},
};
use crate::support::{
    redis::{self, Redis},
    wait::eventually,
};

const SOON: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);
const TRUE: [&str; 2] = ["Sag", " hallo."];
const TEXT: &str = "Sag hallo.";

/// Where this tip has `name`, once a replica wrote one.
fn key_of(redis: &Redis, name: &str) -> String {
    let keys: Vec<String> = redis.ask(cmd("KEYS").arg("tip:*:ep"));
    keys[0].replace(":ep", &format!(":{name}"))
}

/// Generates the tip once, at a replica that stops then; the store forgets it.
async fn written_once(redis: &Redis) {
    let (store, writer) = (
        Arc::<Store>::default(),
        Writer::new("a", [spoken(&TRUE, PAUSE)]),
    );
    let replica = Replica::start(&server(&redis.url()), &writer, &store);
    assert_eq!(replica.read(question()).await.unwrap().text, TEXT);
    eventually("it is shared", SOON, async || {
        redis.ask(cmd("EXISTS").arg(key_of(redis, "done")))
    })
    .await;
}

#[tokio::test]
async fn a_tip_that_another_replica_sealed_is_found() {
    let redis = redis::start();
    written_once(&redis).await;
    let writer = Writer::new("a", [spoken(&["another"], PAUSE)]);
    let replica = Replica::start(&server(&redis.url()), &writer, &Arc::default());
    let found = replica.read(question()).await.unwrap();
    assert_eq!((found.text.as_str(), writer.calls()), (TEXT, 0));
}

/// As a staging fleet does that was given the Redis of production.
#[tokio::test]
async fn a_fleet_of_another_database_has_tips_of_its_own() {
    let redis = redis::start();
    written_once(&redis).await;
    let writer = Writer::new("a", [spoken(&["Ihrs."], PAUSE)]);
    let other = Replica::of_another_fleet(&server(&redis.url()), &writer, &Arc::default());
    assert_eq!(other.read(question()).await.unwrap().text, "Ihrs.");
}

#[tokio::test]
async fn a_tip_that_a_stranger_changed_is_written_anew_once_for_all() {
    let redis = redis::start();
    written_once(&redis).await;
    let done = key_of(&redis, "done");
    let bytes: Vec<u8> = redis.ask(cmd("GET").arg(&done));
    let at = bytes.windows(5).position(|word| word == b"hallo").unwrap();
    redis.ask::<()>(cmd("SETRANGE").arg(&done).arg(at).arg("hullo"));
    redis.ask::<()>(cmd("PERSIST").arg(&done));

    let store = Arc::<Store>::default();
    let writer = Writer::new("a", [spoken(&["Neu."], PAUSE)]);
    let replicas = [(); 2].map(|()| Replica::start(&server(&redis.url()), &writer, &store));
    for replica in &replicas {
        assert_eq!(replica.read(question()).await.unwrap().text, "Neu.");
    }
    assert_eq!(writer.calls(), 1);
}

/// Two replicas, of which one leads and one follows while the writer waits.
async fn followed(redis: &Redis) -> (Arc<Writer>, [Replica; 2], [JoinHandle<Reading>; 2]) {
    let (nodes, store) = (server(&redis.url()), Arc::<Store>::default());
    let writer = Writer::new("a", [gated(&TRUE)]);
    let replicas = [(); 2].map(|()| Replica::start(&nodes, &writer, &store));
    let leader = replicas[0].read(question());
    eventually("it is requested", SOON, async || writer.calls() == 1).await;
    let follower = replicas[1].read(question());
    eventually("it is followed", SOON, async || {
        let keys: Vec<String> = redis.ask(cmd("KEYS").arg("tip:*:subs"));
        !keys.is_empty()
    })
    .await;
    (writer, replicas, [leader, follower])
}

#[tokio::test]
async fn text_that_a_stranger_adds_is_shown_to_nobody() {
    let redis = redis::start();
    let (writer, _replicas, readings) = followed(&redis).await;
    let epoch: String = redis.ask(cmd("GET").arg(key_of(&redis, "ep")));
    let forged = format!("{epoch} 1 D 0\nSee https://evil.example/x");
    redis.ask::<()>(cmd("PUBLISH").arg(key_of(&redis, "w")).arg(forged));
    writer.open(TRUE.len() + 1);
    for reading in readings {
        let reading = reading.await.unwrap();
        assert_eq!((reading.text.as_str(), reading.resets.len()), (TEXT, 0));
    }
}

#[tokio::test]
async fn a_failure_that_a_stranger_tells_keeps_nobody_from_a_tip() {
    let redis = redis::start();
    written_once(&redis).await;
    redis.ask::<()>(cmd("DEL").arg(key_of(&redis, "done")));
    redis.ask::<()>(cmd("SET").arg(key_of(&redis, "neg")).arg("rules"));
    let writer = Writer::new("a", [spoken(&TRUE, PAUSE)]);
    let replica = Replica::start(&server(&redis.url()), &writer, &Arc::default());
    let reading = replica.read(question()).await.unwrap();
    assert_eq!(reading.done.source, TipSource::Ai);
}

#[tokio::test]
async fn an_epoch_of_another_day_and_a_lease_without_an_end_count_for_nothing() {
    let redis = redis::start();
    written_once(&redis).await;
    for (name, value) in [("ep", "9000000000000000"), ("lease", "somebody")] {
        redis.ask::<()>(cmd("SET").arg(key_of(&redis, name)).arg(value));
    }
    let log = key_of(&redis, "log");
    let forged = ["9000000000000000-0", "k", "R", "o", "0", "b", "takeover"];
    redis.ask::<()>(cmd("XADD").arg(log).arg(&forged));
    redis.ask::<()>(cmd("DEL").arg(key_of(&redis, "done")));
    let store = Arc::<Store>::default();
    let writer = Writer::new("a", [spoken(&TRUE, PAUSE)]);
    let replicas = [(); 2].map(|()| Replica::start(&server(&redis.url()), &writer, &store));
    for replica in &replicas {
        assert_eq!(replica.read(question()).await.unwrap().text, TEXT);
    }
    assert_eq!(writer.calls(), 1, "and what was paid for is kept");
}

#[tokio::test]
async fn keys_of_another_type_cost_no_caller_its_tip_and_no_other_caller_redis() {
    let redis = redis::start();
    written_once(&redis).await;
    for name in ["done", "lease", "log", "neg", "ep", "subs"] {
        let key = key_of(&redis, name);
        redis.ask::<()>(cmd("DEL").arg(&key));
        redis.ask::<()>(cmd("SADD").arg(&key).arg("x"));
    }
    let writer = Writer::new("a", [spoken(&TRUE, PAUSE)]);
    let replica = Replica::start(&server(&redis.url()), &writer, &Arc::default());
    for _ in 0..4 {
        let mut refresh = question();
        refresh.mode = TipMode::Refresh;
        assert_eq!(replica.read(refresh).await.unwrap().text, TEXT);
    }
    let state = replica.redis_state();
    assert!(!state.read_breaker_open && !state.write_breaker_open);
    assert!(state.foreign_entries > 0);
    // The keys are the fleet's again.
    let requests = writer.calls();
    let other = Replica::start(&server(&redis.url()), &writer, &Arc::default());
    assert_eq!(other.read(question()).await.unwrap().text, TEXT);
    assert_eq!(writer.calls(), requests);
}

/// An entry without a number of ours has one that is above all of ours.
#[tokio::test]
async fn an_entry_that_a_stranger_adds_to_a_log_costs_no_other_request() {
    let redis = redis::start();
    let (writer, _replicas, readings) = followed(&redis).await;
    let entry = ["*", "k", "D", "o", "0", "b", "HACK"];
    redis.ask::<()>(cmd("XADD").arg(key_of(&redis, "log")).arg(&entry));
    writer.open(TRUE.len() + 1);
    for reading in readings {
        let reading = reading.await.unwrap();
        assert_eq!((reading.text.as_str(), reading.resets.len()), (TEXT, 0));
    }
    assert_eq!(writer.calls(), 1);
}
