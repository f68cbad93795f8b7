//! Leaders die, freeze and leave; Redis dies, forgets and comes back. Every reader has a tip.
use std::{sync::Arc, time::Duration};

use bb8_redis::redis::cmd;
use challenges_catalog::domain::{ResetCause, TipSource};
use tokio::{task::JoinHandle, time::Instant};

use super::{
    fixtures::{Store, question},
    reader_probe::Reading,
    replica::{Replica, cluster, server},
    writer::{Act, Writer, gated, spoken},
};
use crate::support::{
    redis::{self, Redis},
    wait::eventually,
};

const OLD: [&str; 3] = ["The old", " leader's", " text."];
const NEW: [&str; 3] = ["A new", " leader's", " text."];
const NEW_TEXT: &str = "A new leader's text.";
const PAUSE: Duration = Duration::from_millis(20);
const SOON: Duration = Duration::from_secs(5);

/// A leader and two followers, each with a reader, and the leader's text behind gates.
struct Scene {
    redis: Redis,
    store: Arc<Store>,
    writer: Arc<Writer>,
    leader: Replica,
    followers: [Replica; 2],
    led: Option<JoinHandle<Reading>>,
    following: Vec<JoinHandle<Reading>>,
}

impl Scene {
    async fn start(then: Vec<Act>) -> Self {
        let (redis, store) = (redis::start(), Arc::<Store>::default());
        let nodes = server(&redis.url());
        let writer = Writer::new("a", [gated(&OLD), then]);
        let start = || Replica::start(&nodes, &writer, &store);
        let (leader, followers) = (start(), [start(), start()]);
        let led = leader.read(question());
        eventually("the leader calls", SOON, async || writer.calls() == 1).await;
        let following = followers.iter().map(|each| each.read(question())).collect();
        let scene = Self {
            redis,
            store,
            writer,
            leader,
            followers,
            led: Some(led),
            following,
        };
        eventually("both follow", SOON, async || {
            scene.count("ZCARD", "subs") == 2
        })
        .await;
        scene
    }

    /// Lets the leader say so many pieces, and waits until they stand in Redis.
    async fn say(&self, pieces: usize) {
        for _ in 0..pieces {
            let before = self.count("XLEN", "log");
            self.writer.open(1);
            eventually("a piece is shared", SOON, async || {
                self.count("XLEN", "log") > before
            })
            .await;
        }
    }

    fn key(&self, name: &str) -> Option<String> {
        let keys: Vec<String> = self.redis.ask(cmd("KEYS").arg(format!("tip:*:{name}")));
        keys.into_iter().next()
    }

    fn count(&self, command: &str, name: &str) -> usize {
        self.key(name)
            .map_or(0, |key| self.redis.ask(cmd(command).arg(key)))
    }

    /// What the followers' readers have in the end.
    async fn followed(&mut self) -> Vec<Reading> {
        let mut readings = Vec::new();
        for reading in self.following.drain(..) {
            readings.push(reading.await.unwrap());
        }
        readings
    }
}

/// Before the first text, amid it, and when only the end is missing.
#[tokio::test]
async fn whenever_a_leader_is_killed_another_replica_brings_the_tip() {
    for said in 0..=OLD.len() {
        let mut scene = Scene::start(spoken(&NEW, PAUSE)).await;
        scene.say(said).await;
        scene.leader.kill();
        let readings = scene.followed().await;
        assert_eq!(scene.writer.calls(), 2, "one takeover after {said}");
        for reading in readings {
            // One that finds it finished has it from the cache.
            assert_eq!(reading.text, NEW_TEXT);
            let resets = &[ResetCause::Takeover][..usize::from(said > 0)];
            assert_eq!(reading.resets, resets, "only of text that there was");
        }
        eventually("the tip is kept", SOON, async || {
            scene.store.tips().len() == 1
        })
        .await;
        assert_eq!(scene.store.tips()[0].text, NEW_TEXT);
    }
}

/// On a cluster.
#[tokio::test]
async fn a_killed_leader_is_followed_by_another_on_a_cluster_too() {
    let (servers, store) = (redis::cluster(), Arc::<Store>::default());
    let nodes = cluster(servers.nodes.each_ref().map(Redis::port));
    let writer = Writer::new("a", [gated(&OLD), spoken(&NEW, PAUSE)]);
    let mut leader = Replica::start(&nodes, &writer, &store);
    let follower = Replica::start(&nodes, &writer, &store);
    leader.read(question());
    eventually("the leader calls", SOON, async || writer.calls() == 1).await;
    let following = follower.read(question());
    writer.open(1);
    eventually("the text goes round", SOON, async || {
        follower.stats().first_texts() == 1
    })
    .await;
    leader.kill();
    assert_eq!(following.await.unwrap().text, NEW_TEXT);
}

/// A leader that stood still and wakes up publishes nothing of its epoch, here or there.
#[tokio::test]
async fn a_leader_that_was_frozen_publishes_nothing_when_it_wakes() {
    let mut scene = Scene::start(spoken(&NEW, PAUSE)).await;
    scene.say(1).await;
    scene.leader.freeze(Duration::from_secs(7));
    let readings = scene.followed().await;
    assert!(readings.iter().all(|reading| reading.text == NEW_TEXT));
    // All of the old text is ready to be read when it wakes.
    scene.writer.open(OLD.len());
    let led = scene.led.take().unwrap().await.unwrap();
    assert_eq!(
        (led.text.as_str(), led.resets.as_slice()),
        (NEW_TEXT, &[ResetCause::Takeover][..])
    );
    let old_bytes = led
        .points
        .iter()
        .filter(|point| point.epoch == led.points[0].epoch);
    let furthest = old_bytes.map(|point| point.offset).max();
    assert_eq!(
        furthest,
        Some(OLD[0].len() as u64),
        "nothing of the old epoch came after"
    );
    assert_eq!(scene.writer.calls(), 2);
    let kept: Vec<u8> = scene.redis.ask(cmd("GET").arg(scene.key("done").unwrap()));
    assert!(String::from_utf8_lossy(&kept).contains(NEW_TEXT));
    assert_eq!(scene.store.tips()[0].text, NEW_TEXT);
}

/// A replica that stops hands over at once, and its own readers have a tip too.
#[tokio::test]
async fn a_leader_that_stops_hands_over_within_half_a_second() {
    let mut scene = Scene::start(spoken(&NEW, PAUSE)).await;
    scene.say(1).await;
    let stopped = Instant::now();
    scene.leader.stop();
    eventually(
        "another takes over",
        Duration::from_millis(500),
        async || scene.writer.calls() == 2,
    )
    .await;
    assert!(stopped.elapsed() <= Duration::from_millis(500));
    assert!(
        scene
            .followed()
            .await
            .iter()
            .all(|reading| reading.text == NEW_TEXT)
    );
    let led = scene.led.take().unwrap().await.unwrap();
    assert_eq!(led.done.source, TipSource::Static);
}

/// A tip that loses every leader must not go through the whole fleet.
#[tokio::test]
async fn a_tip_that_lost_three_leaders_in_a_minute_is_left_alone() {
    let (redis, store) = (redis::start(), Arc::<Store>::default());
    let nodes = server(&redis.url());
    let writer = Writer::new("a", [vec![Act::Hang]]);
    let last = Replica::start(&nodes, &writer, &store);
    let mut reading = None;
    for victim in 1..=3 {
        let mut replica = Replica::start(&nodes, &writer, &store);
        replica.read(question());
        eventually("it leads", SOON, async || writer.calls() == victim).await;
        if victim == 3 {
            reading = Some(last.read(question()));
            eventually("the last one follows", SOON, async || {
                let keys: Vec<String> = redis.ask(cmd("KEYS").arg("tip:*:subs"));
                !keys.is_empty()
            })
            .await;
        }
        replica.kill();
        if victim < 3 {
            eventually("the lease runs out", SOON, async || {
                let keys: Vec<String> = redis.ask(cmd("KEYS").arg("tip:*:lease"));
                keys.is_empty()
            })
            .await;
        }
    }
    let done = reading.unwrap().await.unwrap().done;
    assert_eq!((done.source, writer.calls()), (TipSource::Static, 3));
}

/// Whatever happens to Redis, every reader ends with a tip, for one request a replica at most.
async fn endures(trouble: impl AsyncFnOnce(&Redis)) {
    let mut scene = Scene::start(spoken(&NEW, PAUSE)).await;
    scene.say(1).await;
    trouble(&scene.redis).await;
    scene.writer.open(OLD.len());
    let led = scene.led.take().unwrap().await.unwrap();
    let texts = [OLD.concat(), NEW.concat()];
    for reading in scene.followed().await.into_iter().chain([led]) {
        assert!(texts.contains(&reading.text), "{}", reading.text);
    }
    assert!(scene.writer.calls() <= 3);
    for each in [&scene.leader, &scene.followers[0], &scene.followers[1]] {
        assert!(each.stats().attempts.get() <= 1);
    }
}

#[tokio::test]
async fn redis_killed_in_mid_stream_costs_no_reader_its_tip() {
    endures(async |redis| redis.kill()).await;
}

#[tokio::test]
async fn redis_restarted_empty_in_mid_stream_costs_no_reader_its_tip() {
    endures(async |redis| redis.restart_empty()).await;
}

#[tokio::test]
async fn redis_flushed_in_mid_stream_costs_no_reader_its_tip() {
    endures(async |redis| redis.flush()).await;
}

#[tokio::test]
async fn redis_frozen_in_mid_stream_costs_no_reader_its_tip() {
    endures(async |redis| {
        redis.freeze();
        tokio::time::sleep(Duration::from_secs(4)).await;
        redis.thaw();
    })
    .await;
}

/// What was paid for is finished, though the fleet cannot have it.
#[tokio::test]
async fn redis_that_takes_no_more_entries_in_mid_stream_costs_no_other_request() {
    let (redis, store) = (redis::start(), Arc::<Store>::default());
    let nodes = server(&redis.url());
    let writer = Writer::new("a", [gated(&OLD), spoken(&NEW, PAUSE)]);
    let leader = Replica::start(&nodes, &writer, &store);
    let led = leader.read(question());
    eventually("the leader calls", SOON, async || writer.calls() == 1).await;
    redis.ask::<()>(cmd("ACL").arg(&["SETUSER", "default", "-xadd"]));
    writer.open(OLD.len() + 1);
    let led = led.await.unwrap();
    assert_eq!((led.text, led.resets.len()), (OLD.concat(), 0));
    assert_eq!(writer.calls(), 1);
}

/// Without Redis each replica does for itself.
#[tokio::test]
async fn without_redis_each_replica_calls_once() {
    let (redis, store) = (redis::start(), Arc::<Store>::default());
    let nodes = server(&redis.url());
    redis.kill();
    let writer = Writer::new("a", [spoken(&NEW, PAUSE)]);
    let replicas = [(); 3].map(|()| Replica::start(&nodes, &writer, &store));
    let readers = (0..300).map(|number: usize| replicas[number % 3].read(question()));
    let readings = futures_util::future::join_all(readers).await;
    assert!(
        readings
            .into_iter()
            .all(|reading| reading.unwrap().text == NEW_TEXT)
    );
    assert!(writer.calls() <= 3);
}
