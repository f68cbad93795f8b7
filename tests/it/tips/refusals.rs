//! Providers that refuse requests or ask for a long pause, and how that ends.
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use challenges_catalog::domain::{
    FailureKind, FallbackCause, TipMode, TipProviders, TipRequest, TipSource, WriteFailure,
};
use tokio::time::advance;

use super::{
    fixtures::{STATIC, Store, question, question_about},
    provider::replica_of,
    replica::{Alone, Replica, server},
    wire_stream::{OTHERS, hear, question as asked, question_about as asked_about},
    writer::{Act, Writer, failing, spoken},
};
use crate::{
    llm::fixture::{KEY, answer},
    logs::outages::{log_lines, saying},
    support::{
        process::PATIENCE,
        program::run_well,
        redis,
        replica::Replica as Process,
        scripted::{Act as Bytes, Scripted},
        wait::eventually,
    },
};

const TEXT: &str = "Say hello.";
const PAUSE: Duration = Duration::from_millis(20);
const HOURS: Duration = Duration::from_hours(3);

fn limited(pause: Duration) -> Vec<Act> {
    vec![Act::Fail(WriteFailure {
        retry_after: Some(pause),
        ..WriteFailure::new(FailureKind::RateLimited)
    })]
}

async fn health_of_tips(replica: &Process) -> bool {
    let addr = [("CATALOG_ADDR", replica.addr().to_string())];
    let probe = ["health", "--service", "dependency/tips"];
    crate::support::program::run(&probe, &addr)
        .await
        .status
        .success()
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_refuses_the_key_or_lacks_the_model_gets_one_request_in_two_minutes() {
    for kind in [FailureKind::Denied, FailureKind::NotFound] {
        let refused = || failing("", kind);
        let writer = Writer::new("a", [refused(), refused(), spoken(&[TEXT], PAUSE)]);
        let alone = Alone::new(&[&writer]);
        for number in 0..100 {
            assert_eq!(alone.read(question_about(number)).await.text, STATIC);
        }
        assert_eq!(writer.calls(), 1);
        assert!(!alone.service.has_provider());
        advance(Duration::from_mins(2)).await;
        for number in 100..200 {
            assert_eq!(alone.read(question_about(number)).await.text, STATIC);
        }
        assert_eq!(writer.calls(), 2, "the probe was refused");
        advance(Duration::from_mins(2)).await;
        assert_eq!(alone.read(question_about(200)).await.text, TEXT);
        assert!(alone.service.has_provider());
        assert_eq!(alone.service.stats().breaker_opened.get(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn another_key_ends_the_pause_of_the_provider_whose_key_it_is_at_once() {
    let denied = failing("", FailureKind::Denied);
    let writer = Writer::new("a", [denied, spoken(&[TEXT], PAUSE)]);
    let alone = Alone::new(&[&writer]);
    alone.read(question()).await;
    alone.service.key_renewed("b").await;
    assert_eq!(alone.read(question_about(8)).await.text, STATIC);
    alone.service.key_renewed("a").await;
    assert_eq!(alone.read(question_about(9)).await.text, TEXT);
}

#[tokio::test(start_paused = true)]
async fn another_key_does_not_close_the_breaker_of_a_failing_provider() {
    let ill = [(); 5].map(|()| failing("", FailureKind::Overloaded));
    let writer = Writer::new("a", ill.into_iter().chain([spoken(&[TEXT], PAUSE)]));
    let alone = Alone::new(&[&writer]);
    for number in 0..5 {
        alone.read(question_about(number)).await;
    }
    alone.service.key_renewed("a").await;
    let done = alone.read(question_about(8)).await.done;
    assert_eq!(done.fallback, Some(FallbackCause::Unwell));
}

#[tokio::test(start_paused = true)]
async fn during_a_long_pause_there_is_no_provider_and_an_operator_ends_it() {
    let writer = Writer::new("a", [limited(HOURS), spoken(&[TEXT], PAUSE)]);
    let alone = Alone::new(&[&writer]);
    alone.read(question()).await;
    assert!(!alone.service.has_provider());
    let resumed = alone.service.resume().await;
    assert!(resumed.providers[0].pause_left > Duration::from_hours(2));
    assert!(!resumed.is_fleet_wide, "there is nobody else");
    assert!(alone.service.has_provider());
    assert_eq!(alone.read(question_about(8)).await.text, TEXT);
}

#[tokio::test]
async fn what_an_operator_ends_at_one_replica_ends_for_the_fleet() {
    let (redis, store) = (redis::start(), Arc::<Store>::default());
    let nodes = server(&redis.url());
    let writer = Writer::new("a", [limited(HOURS), spoken(&[TEXT], PAUSE)]);
    let replicas = [(); 3].map(|()| Replica::start(&nodes, &writer, &store));
    for (replica, number) in replicas.iter().zip(0..2) {
        let reading = replica.read(question_about(number)).await.unwrap();
        assert_eq!(reading.text, STATIC);
    }
    assert!(replicas[2].resume().await.is_fleet_wide);
    for (replica, number) in replicas.iter().zip(10..) {
        replica.poll_resume().await;
        let reading = replica.read(question_about(number)).await.unwrap();
        assert_eq!(reading.text, TEXT, "replica {number}");
    }
    assert_eq!(writer.calls(), 4);
}

#[tokio::test]
async fn a_tip_that_is_there_is_counted_where_it_was_found() {
    let (redis, store) = (redis::start(), Arc::<Store>::default());
    let nodes = server(&redis.url());
    let writer = Writer::new("a", [spoken(&[TEXT], PAUSE)]);
    let replicas = [(); 3].map(|()| Replica::start(&nodes, &writer, &store));
    let cached = || TipRequest {
        mode: TipMode::CachedOnly,
        ..question()
    };
    replicas[0].read(question()).await.unwrap();
    eventually("it is kept for good", PATIENCE, async || {
        store.tips().len() == 1
    })
    .await;
    for _ in 0..2 {
        let reading = replicas[1].read(cached()).await.unwrap();
        assert_eq!(reading.source, TipSource::Cache);
    }
    redis.flush();
    replicas[2].read(cached()).await.unwrap();
    let counts = replicas.each_ref().map(|replica| {
        let stats = replica.stats();
        let hits = [&stats.memory_hits, &stats.shared_hits, &stats.store_hits];
        hits.map(challenges_catalog::telemetry::Counter::get)
    });
    assert_eq!(counts, [[0, 0, 0], [1, 1, 0], [0, 0, 1]]);
}

/// A graceful restart of the whole fleet is no row of lost leaders.
#[tokio::test]
async fn leaders_that_hand_over_are_not_lost() {
    let (redis, store) = (redis::start(), Arc::<Store>::default());
    let nodes = server(&redis.url());
    let hanging = [(); 5].map(|()| vec![Act::Hang]);
    let writer = Writer::new("a", hanging.into_iter().chain([spoken(&[TEXT], PAUSE)]));
    for calls in 1..=5 {
        let replica = Replica::start(&nodes, &writer, &store);
        let reading = replica.read(question());
        eventually("it leads", PATIENCE, async || writer.calls() == calls).await;
        replica.stop();
        assert_eq!(reading.await.unwrap().text, STATIC);
    }
    let last = Replica::start(&nodes, &writer, &store);
    assert_eq!(last.read(question()).await.unwrap().text, TEXT);
}

#[tokio::test]
async fn a_request_that_fails_says_why_in_one_line() {
    let body = r#"{"error":{"type":"rate_limit_error","message":"sk-S3CR3T Say hello"}}"#;
    let headers = "request-id: req_7\r\nretry-after: 3600\r\n";
    let provider = Scripted::playing(vec![answer("429 Too Many", headers, body)]).await;
    let replica = replica_of(&provider, &[("ANTHROPIC_API_KEY", KEY)]).await;
    hear(&replica, asked()).await;
    let lines = log_lines(&replica);
    let [failed] = saying(&lines, "a request to a provider brought no tip")[..] else {
        panic!("{lines:#?}");
    };
    assert_eq!(failed["level"], "WARN");
    for (field, value) in [
        ("failure", "rate_limited: status 429, rate_limit_error"),
        ("request_id", "req_7"),
        ("told_to_wait", "3600s"),
        ("then", "readers get a fallback text"),
    ] {
        assert_eq!(failed[field], value, "{failed}");
    }
    assert_eq!(failed["attempt"], 1);
    let long = saying(&lines, "a provider asks for a long pause");
    assert_eq!((long.len(), &long[0]["pause"]), (1, &"3600s".into()));
    assert!(!replica.log().contains("S3CR3T"), "{}", replica.log());
}

#[tokio::test]
async fn a_long_pause_shows_in_health_and_the_command_ends_it() {
    let whole = super::provider::tip(&[TEXT], &Bytes::Pause(Duration::ZERO));
    let requests = AtomicUsize::new(0);
    let provider = Scripted::answering(move |_| match requests.fetch_add(1, SeqCst) {
        0 => vec![answer("429 Too Many", "retry-after: 3600\r\n", "{}")],
        _ => whole.clone(),
    });
    let provider = provider.await;
    let replica = replica_of(&provider, &[]).await;
    hear(&replica, asked()).await;
    eventually("health tells", PATIENCE, async || {
        !health_of_tips(&replica).await
    })
    .await;
    let addr = [("CATALOG_ADDR", replica.addr().to_string())];
    let shown = run_well(&["admin", "tips", "resume"], &addr).await;
    assert!(
        shown.contains("claude-haiku-4-5") && shown.contains("Only the replica"),
        "{shown}"
    );
    eventually("health tells", PATIENCE, async || {
        health_of_tips(&replica).await
    })
    .await;
    hear(&replica, asked_about(OTHERS[0])).await;
    assert_eq!(provider.exchanges().len(), 2);
}

#[tokio::test]
async fn a_dead_key_is_one_error_until_another_is_in_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "before").unwrap();
    let good = super::provider::tip(&[TEXT], &Bytes::Pause(Duration::ZERO));
    let provider = Scripted::answering(move |request| {
        if request.head.contains("x-api-key: after") {
            return good.clone();
        }
        vec![answer("401 Unauthorized", "", "{}")]
    });
    let provider = provider.await;
    let replica = Process::start(&[
        ("ANTHROPIC_API_KEY_FILE", key.display().to_string()),
        ("ANTHROPIC_BASE_URL", provider.url()),
    ])
    .await;
    for challenge in OTHERS {
        hear(&replica, asked_about(challenge)).await;
    }
    assert_eq!(provider.exchanges().len(), 1);
    let lines = log_lines(&replica);
    let [refused] = saying(&lines, "a provider refuses requests")[..] else {
        panic!("{lines:#?}");
    };
    assert_eq!(refused["level"], "ERROR");
    assert!(
        refused["advice"].as_str().unwrap().contains("key"),
        "{refused}"
    );
    eventually("health tells", PATIENCE, async || {
        !health_of_tips(&replica).await
    })
    .await;
    std::fs::write(&key, "after").unwrap();
    eventually("health tells", PATIENCE, async || {
        health_of_tips(&replica).await
    })
    .await;
    assert_eq!(hear(&replica, asked()).await.text, TEXT);
}
