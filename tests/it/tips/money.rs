//! Whatever becomes of Redis and of replicas: the day's money is never overspent, and never lost count of.
use std::{collections::HashMap, ops::Range, sync::Arc, time::Duration};

use bb8_redis::redis::cmd;
use challenges_catalog::{
    domain::{FallbackCause, TipSource},
    tips::TipSettings,
};
use futures_util::future::join_all;

use super::{
    fixtures::{Store, question_about},
    replica::{COST, Replica, provider, server, settings},
    writer::{Writer, gated, spoken},
};
use crate::support::{
    process::PATIENCE,
    proxy::{Mode, Proxy},
    redis::{self, Redis},
    wait::eventually,
};

const TEXT: &str = "Say hello.";
const PAUSE: Duration = Duration::from_millis(20);
const BUDGET: u64 = 20_000;
/// No request costs more.
const MOST: i64 = 900;

/// What Redis has of the day, of all replicas together.
struct Standings {
    versions: i64,
    settled: i64,
    taken: i64,
    granted: i64,
}

impl Standings {
    /// `None` before any replica sent its totals.
    fn of(redis: &Redis) -> Option<Self> {
        let keys: Vec<String> = redis.ask(cmd("KEYS").arg("tip:*:money:*"));
        let replicas: HashMap<String, String> = redis.ask(cmd("HGETALL").arg(keys.first()?));
        let figures = |text: &String| {
            let figures = text.split(' ').map(|figure| figure.parse::<i64>().unwrap());
            <[i64; 4]>::try_from(figures.collect::<Vec<_>>()).ok()
        };
        // What is not a replica's has another form.
        let standings: Vec<_> = replicas.values().filter_map(figures).collect();
        let sum = |place: usize| standings.iter().map(|figures| figures[place]).sum();
        Some(Self {
            versions: sum(0),
            settled: sum(1),
            taken: sum(2),
            granted: sum(3),
        })
    }
}

/// Lets the day be one that Redis has known for a while: of one that is new to it, it grants nothing at once.
pub async fn is_known(redis: &Redis) {
    eventually("a replica has reported", PATIENCE, async || {
        let keys: Vec<String> = redis.ask(cmd("KEYS").arg("tip:*:money:*"));
        let is_there = |key| redis.ask::<u64>(cmd("HDEL").arg(key).arg("lacked")) > 0;
        keys.first().is_some_and(is_there)
    })
    .await;
}

/// Waits until all that Redis has of the day is what ended requests cost.
pub async fn are_booked(redis: &Redis, spent: u64) {
    let spent = i64::try_from(spent).unwrap();
    eventually("the ledger is closed", PATIENCE, async || {
        // What ended requests cost, and with those under way, of which there are none.
        Standings::of(redis).is_some_and(|all| (all.settled, all.taken) == (spent, spent))
    })
    .await;
}

fn spent_by(replicas: &[Replica]) -> u64 {
    let stats = replicas.iter().map(Replica::stats);
    stats.map(|stats| stats.cost_micro_usd.get()).sum()
}

fn with_budget() -> TipSettings {
    TipSettings {
        daily_budget_micro_usd: Some(BUDGET),
        ..settings()
    }
}

/// Three replicas with Redis behind a proxy, and a provider; all of `trouble` while 300 callers ask.
async fn is_kept(trouble: impl AsyncFnOnce(&mut Proxy, &Redis)) {
    let (redis, store) = (redis::start(), Arc::<Store>::default());
    let mut proxy = Proxy::to(redis.port()).await;
    let nodes = server(&format!("redis://127.0.0.1:{}", proxy.port()));
    let writer = Writer::new("a", [spoken(&[TEXT], PAUSE)]);
    let start = || Replica::budgeted(with_budget(), &nodes, vec![provider(&writer)], &store);
    let replicas = [start(), start(), start()];
    is_known(&redis).await;
    let ask = |number: u128| replicas[number as usize % 3].read(question_about(number));
    let asked = join_all((0..300).map(ask));
    tokio::join!(asked, trouble(&mut proxy, &redis));
    proxy.set(Mode::Pass).await;
    // Whoever got no tip comes again, until there is nothing left for a request; on a busy machine Redis is late by itself.
    let is_spent = || BUDGET.saturating_sub(spent_by(&replicas)) < MOST.unsigned_abs();
    for round in 1..=30 {
        if is_spent() {
            break;
        }
        join_all((0..60).map(|number| ask(1_000 * round + number))).await;
    }
    assert!(is_spent(), "all of it may be spent");
    let spent = spent_by(&replicas);
    assert!(spent <= BUDGET, "{spent}");
    assert_eq!(
        spent,
        COST * writer.calls() as u64,
        "each request is booked"
    );
    are_booked(&redis, spent).await;
}

#[tokio::test]
async fn a_budget_is_kept_when_redis_answers_after_everybody_gave_up() {
    is_kept(async |proxy, _| {
        proxy.set(Mode::Delay(Duration::from_millis(600))).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    })
    .await;
}

#[tokio::test]
async fn a_budget_is_kept_when_redis_forgets_the_day() {
    is_kept(async |_, redis| {
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            redis.restart_empty();
        }
    })
    .await;
}

/// Nobody gets any of it before all that have some could say so.
#[tokio::test]
async fn what_a_redis_forgot_that_others_were_granted_is_not_granted_again() {
    let (redis, store) = (redis::start(), Arc::<Store>::default());
    let nodes = server(&redis.url());
    let writer = Writer::new("a", [gated(&[TEXT])]);
    let start = || Replica::patient(with_budget(), &nodes, vec![provider(&writer)], &store);
    let mut replicas = [start(), start()];
    is_known(&redis).await;
    let mut readings = Vec::new();
    let mut ask = |replica: &Replica, numbers: Range<u128>| {
        readings.extend(numbers.map(|number| replica.read(question_about(number))));
    };
    // The second one hears of the first one, before that is granted half of it.
    ask(&replicas[0], 0..1);
    eventually("one is requested", PATIENCE, async || writer.calls() == 1).await;
    ask(&replicas[1], 1..2);
    eventually("two are requested", PATIENCE, async || writer.calls() == 2).await;
    let budget = i64::try_from(BUDGET).unwrap();
    let granted = || Standings::of(&redis).map_or(0, |all| all.granted);
    ask(&replicas[0], 2..12);
    eventually("ten more are requested", PATIENCE, async || {
        writer.calls() == 12
    })
    .await;
    redis.restart_empty();
    ask(&replicas[1], 100..200);
    eventually("all of it is granted", PATIENCE, async || {
        granted() > budget - 2 * MOST
    })
    .await;
    replicas[1].kill();
    let versions = || Standings::of(&redis).map_or(0, |all| all.versions);
    let before = versions();
    eventually("the first one tells", PATIENCE, async || {
        versions() > before
    })
    .await;
    assert!(granted() <= budget, "{}", granted());
}

/// It was granted nothing that Redis could miss, and knows of nobody.
#[tokio::test]
async fn a_replica_that_is_new_gets_nothing_at_once_of_a_redis_that_forgot_the_day() {
    let (redis, store) = (redis::start(), Arc::<Store>::default());
    let nodes = server(&redis.url());
    let writer = Writer::new("a", [gated(&[TEXT])]);
    let start = || Replica::patient(with_budget(), &nodes, vec![provider(&writer)], &store);
    let first = start();
    is_known(&redis).await;
    let _readings: Vec<_> = (0..100)
        .map(|number| first.read(question_about(number)))
        .collect();
    eventually("all is granted", PATIENCE, async || {
        writer.calls() > 0 && first.stats().budget_reserved.get() > 0
    })
    .await;
    redis.restart_empty();
    let reading = start().read(question_about(1_000)).await.unwrap();
    assert_ne!(reading.done.source, TipSource::Ai);
    let budget = i64::try_from(BUDGET).unwrap();
    eventually("Redis knows again what it granted", PATIENCE, async || {
        Standings::of(&redis).is_some_and(|all| all.granted > budget - MOST)
    })
    .await;
    assert!(Standings::of(&redis).unwrap().granted <= budget);
}

#[tokio::test]
async fn a_budget_is_kept_when_redis_is_away() {
    is_kept(async |proxy, _| {
        for _ in 0..3 {
            proxy.set(Mode::Blackhole).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            proxy.set(Mode::Pass).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    })
    .await;
}

/// The most that a request may cost is many times what it costs.
#[tokio::test]
async fn callers_hear_soon_that_nobody_grants_money_while_redis_is_away() {
    let (redis, store) = (redis::start(), Arc::<Store>::default());
    let writer = Writer::new("a", [vec![]]);
    let nodes = server(&redis.url());
    let replica = Replica::budgeted(with_budget(), &nodes, vec![provider(&writer)], &store);
    redis.kill();
    // Who waits for money that is held hears that there is a limit.
    let reading = replica.read(question_about(1)).await.unwrap();
    assert_eq!(reading.done.fallback, Some(FallbackCause::Budget));
    assert_eq!(writer.calls(), 0);
}

#[tokio::test]
async fn callers_wait_for_money_that_is_held_for_requests_under_way() {
    let (redis, store) = (redis::start(), Arc::<Store>::default());
    let nodes = server(&redis.url());
    let writer = Writer::new("a", [spoken(&[TEXT], PAUSE)]);
    let start = || Replica::patient(with_budget(), &nodes, vec![provider(&writer)], &store);
    let replicas = [start(), start(), start()];
    is_known(&redis).await;
    let ask = |number: u128| replicas[number as usize % 3].read(question_about(number));
    let readings = join_all((0..18).map(ask)).await;
    for reading in readings {
        assert_eq!(reading.unwrap().text, TEXT);
    }
}

/// It is held by nobody who could give it back.
#[tokio::test]
async fn callers_hear_that_the_money_is_spent_when_a_replica_died_with_it() {
    let (redis, store) = (redis::start(), Arc::<Store>::default());
    let nodes = server(&redis.url());
    let writer = Writer::new("a", [gated(&[TEXT])]);
    let start = || Replica::patient(with_budget(), &nodes, vec![provider(&writer)], &store);
    let (mut first, second) = (start(), start());
    is_known(&redis).await;
    let _readings: Vec<_> = (0..100)
        .map(|number| first.read(question_about(number)))
        .collect();
    eventually("it has money for no more", PATIENCE, async || {
        writer.calls() > 0 && first.stats().budget_reserved.get() > 0
    })
    .await;
    first.kill();
    let reading = second.read(question_about(1_000)).await.unwrap();
    assert_eq!(reading.done.fallback, Some(FallbackCause::Budget));
}

#[tokio::test]
async fn a_request_that_is_cut_off_by_the_end_of_its_replica_is_booked_and_paid_for() {
    let (redis, store) = (redis::start(), Arc::<Store>::default());
    let nodes = server(&redis.url());
    let writer = Writer::new("a", [gated(&[TEXT])]);
    let replica = Replica::patient(with_budget(), &nodes, vec![provider(&writer)], &store);
    is_known(&redis).await;
    let readings: Vec<_> = (0..20)
        .map(|number| replica.read(question_about(number)))
        .collect();
    eventually("all are requested", PATIENCE, async || writer.calls() == 20).await;
    replica.stop();
    for reading in readings {
        reading.await.unwrap();
    }
    let spent = replica.stats().cost_micro_usd.get();
    assert!(spent > 0);
    eventually("all are in the ledger", PATIENCE, async || {
        store.records().len() == 20
    })
    .await;
    are_booked(&redis, spent).await;
}
