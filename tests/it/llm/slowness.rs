//! Every wait has a limit.
use std::time::Duration;

use challenges_catalog::{
    domain::FailureKind,
    llm::{ProviderSettings, TimeLimits},
};
use tokio::time::{Instant, timeout};

use super::fixture::{BOTH, PATIENT, Protocol, answer, events, settings, write};
use crate::support::{
    scripted::{Act, Scripted},
    wait::eventually,
};

const SHORT: Duration = Duration::from_millis(300);
const FAR_FROM_SHORT: Duration = Duration::from_secs(20);

/// The attempt is given up for slowness after [`SHORT`] and long before the other limits, and
/// the provider sees that.
async fn is_too_slow(protocol: Protocol, limits: TimeLimits, script: Vec<Act>, text: &str) {
    let server = Scripted::playing(script).await;
    let settings = ProviderSettings {
        limits,
        ..settings(&server.url())
    };
    let started = Instant::now();
    let writer = protocol.writer(&settings);
    let attempt = timeout(FAR_FROM_SHORT, write(&*writer)).await.unwrap();
    assert!(started.elapsed() >= SHORT);
    assert_eq!(attempt.text, text);
    assert_eq!(attempt.kind(), FailureKind::TooSlow);
    eventually("the provider sees it", FAR_FROM_SHORT, || async {
        server.client_left()
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_does_not_begin_is_given_up() {
    for protocol in BOTH {
        let limits = TimeLimits {
            first_text: SHORT,
            ..PATIENT
        };
        is_too_slow(protocol, limits, vec![Act::Hold], "").await;
    }
}

#[tokio::test]
async fn pings_do_not_stand_for_the_first_text() {
    for protocol in BOTH {
        let limits = TimeLimits {
            first_text: SHORT,
            ..PATIENT
        };
        let ping = Act::Repeat(b": ping\n\n".to_vec(), SHORT / 10);
        let script = vec![events(protocol.text(&[])), ping];
        is_too_slow(protocol, limits, script, "").await;
    }
}

#[tokio::test]
async fn an_answer_that_stalls_is_given_up() {
    for protocol in BOTH {
        let limits = TimeLimits {
            idle: SHORT,
            ..PATIENT
        };
        let script = vec![events(protocol.text(&["Hi"])), Act::Hold];
        is_too_slow(protocol, limits, script, "Hi").await;
    }
}

#[tokio::test]
async fn so_is_one_that_only_pings() {
    for protocol in BOTH {
        let limits = TimeLimits {
            text_idle: SHORT,
            ..PATIENT
        };
        let ping = Act::Repeat(b": ping\n\n".to_vec(), SHORT / 10);
        let script = vec![events(protocol.text(&["Hi"])), ping];
        is_too_slow(protocol, limits, script, "Hi").await;
    }
}

#[tokio::test]
async fn an_error_whose_body_stalls_is_told_without_it() {
    for protocol in BOTH {
        let script = vec![
            answer("529 Overloaded", "content-length: 9\r\n", "{"),
            Act::Hold,
        ];
        let attempt = timeout(FAR_FROM_SHORT, protocol.attempt(script)).await;
        assert_eq!(attempt.unwrap().kind(), FailureKind::Overloaded);
    }
}
