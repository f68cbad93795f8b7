//! What keeps us from hurting a provider, and the bill from hurting us.
use std::{sync::Arc, time::Duration};

use challenges_catalog::{
    domain::{FailureKind, FallbackCause, TipSource},
    tips::{ProviderQuota, ProviderSpec, TipSettings},
};
use futures_util::future::join_all;
use tokio::time::{advance, sleep};

use super::{
    fixtures::{STATIC, Store, question, question_about},
    money::{are_booked, is_known},
    replica::{Alone, COST, Replica, provider, server, settings},
    writer::{Act, Writer, failing, gated, spoken},
};
use crate::support::redis;

const TEXT: &str = "Say hello.";
const PAUSE: Duration = Duration::from_millis(20);

/// A provider whose circuit breaker is open is not called; then one call finds out whether it works again.
#[tokio::test(start_paused = true)]
async fn a_provider_with_an_open_breaker_is_left_alone_and_then_asked_once() {
    let ill = [(); 5].map(|()| failing("", FailureKind::Overloaded));
    let writer = Writer::new("a", ill.into_iter().chain([gated(&[TEXT])]));
    let alone = Alone::new(&[&writer]);
    for number in 0..1_000 {
        assert_eq!(alone.read(question_about(number)).await.text, STATIC);
    }
    assert_eq!(writer.calls(), 5);
    advance(Duration::from_secs(7)).await;
    let probing = join_all((2_000..3_000).map(|number| alone.read(question_about(number))));
    let (readings, ()) = tokio::join!(probing, async {
        sleep(Duration::from_secs(1)).await;
        assert_eq!((writer.calls(), writer.under_way()), (6, 1));
        writer.open(10_000);
    });
    let written = readings.iter().filter(|reading| reading.text == TEXT);
    assert_eq!(written.count(), 1);
    let unwell = readings
        .iter()
        .filter(|r| r.done.fallback == Some(FallbackCause::Unwell));
    assert_eq!(unwell.count(), 999);
    assert_eq!(alone.read(question_about(4_000)).await.text, TEXT);
}

#[tokio::test(start_paused = true)]
async fn a_provider_whose_money_is_spent_is_left_alone_for_ten_minutes() {
    let spent = failing("", FailureKind::SpendLimit);
    let writer = Writer::new("a", [spent, spoken(&[TEXT], PAUSE)]);
    let alone = Alone::new(&[&writer]);
    assert_eq!(alone.read(question()).await.text, STATIC);
    advance(Duration::from_secs(595)).await;
    assert_eq!(alone.read(question_about(8)).await.text, STATIC);
    assert_eq!(writer.calls(), 1);
    advance(Duration::from_secs(10)).await;
    assert_eq!(alone.read(question_about(8)).await.text, TEXT);
}

/// Beyond the day's budget there are static tips, and kept ones cost nothing.
#[tokio::test(start_paused = true)]
async fn beyond_the_budget_there_are_static_tips() {
    let writer = Writer::new("a", [spoken(&[TEXT], PAUSE)]);
    let budget = 5_000;
    let settings = TipSettings {
        daily_budget_micro_usd: Some(budget),
        ..settings()
    };
    let alone = Alone::with(settings, vec![provider(&writer)]);
    let readings = join_all((0..100).map(|number| alone.read(question_about(number)))).await;
    let over = readings
        .iter()
        .filter(|r| r.done.fallback == Some(FallbackCause::Budget));
    assert_eq!(over.count() + writer.calls(), 100);
    assert!(writer.calls() > 0 && writer.calls() < 100);
    let spent = COST * writer.calls() as u64;
    assert!(spent <= budget && spent > 0);
    let written = readings
        .iter()
        .position(|r| r.done.source == TipSource::Ai)
        .unwrap();
    let again = alone.read(question_about(written as u128)).await;
    assert_eq!(again.source, TipSource::Cache);
}

/// In the fleet, with attempts that were cut off among them.
#[tokio::test]
async fn the_fleet_never_overspends_its_budget() {
    let (redis, store) = (redis::start(), Arc::<Store>::default());
    let nodes = server(&redis.url());
    let broken = vec![Act::Say("Say".to_owned()), Act::Vanish];
    let writer = Writer::new("a", [broken, spoken(&[TEXT], PAUSE)]);
    let budget = 8_000;
    let settings = TipSettings {
        daily_budget_micro_usd: Some(budget),
        ..settings()
    };
    let providers = || vec![provider(&writer)];
    let replicas =
        [(); 3].map(|()| Replica::patient(settings.clone(), &nodes, providers(), &store));
    is_known(&redis).await;
    let ask = |number: u128| replicas[number as usize % 3].read(question_about(number));
    let readings = join_all((0..200).map(ask)).await;
    let over = readings.iter().flatten();
    let over = over
        .filter(|r| r.done.fallback == Some(FallbackCause::Budget))
        .count();
    assert!(over > 0 && writer.calls() > 0);
    let spent: u64 = replicas
        .iter()
        .map(|each| each.stats().cost_micro_usd.get())
        .sum();
    assert!(spent <= budget, "{spent}");
    are_booked(&redis, spent).await;
}

/// Whatever clocks the replicas have, the fleet keeps the limit, by the clock of Redis.
#[tokio::test]
async fn the_fleet_keeps_the_providers_limit() {
    let (redis, store) = (redis::start(), Arc::<Store>::default());
    let nodes = server(&redis.url());
    let writer = Writer::new("a", [spoken(&[TEXT], PAUSE)]);
    // A burst of 30, and one more in each 0.2 s.
    let limited = || {
        vec![ProviderSpec {
            quota: ProviderQuota {
                requests_per_minute: Some(300),
                tokens_per_minute: None,
            },
            ..provider(&writer)
        }]
    };
    let replicas = [(); 3].map(|()| Replica::patient(settings(), &nodes, limited(), &store));
    let ask = |number: u128| replicas[number as usize % 3].read(question_about(number));
    let started = tokio::time::Instant::now();
    let readings = join_all((0..300).map(ask)).await;
    let most = 30 + started.elapsed().as_millis() / 200 + 1;
    let calls = writer.calls();
    assert!(calls >= 30 && calls as u128 <= most, "{calls} of {most}");
    let limited = readings.iter().flatten();
    let limited = limited
        .filter(|r| r.done.fallback == Some(FallbackCause::Limited))
        .count();
    assert_eq!(limited + calls, 300);
}

/// A pause that one replica was asked for, all keep.
#[tokio::test]
async fn a_pause_that_one_replica_was_told_holds_for_the_fleet() {
    let (redis, store) = (redis::start(), Arc::<Store>::default());
    let nodes = server(&redis.url());
    let limited = challenges_catalog::domain::WriteFailure {
        retry_after: Some(Duration::from_mins(5)),
        ..challenges_catalog::domain::WriteFailure::new(FailureKind::RateLimited)
    };
    let writer = Writer::new("a", [vec![Act::Fail(limited)], spoken(&[TEXT], PAUSE)]);
    let replicas = [(); 2].map(|()| Replica::start(&nodes, &writer, &store));
    assert_eq!(replicas[0].read(question()).await.unwrap().text, STATIC);
    let other = replicas[1].read(question_about(8)).await.unwrap();
    assert_eq!(other.done.fallback, Some(FallbackCause::Limited));
    assert_eq!(writer.calls(), 1);
}
