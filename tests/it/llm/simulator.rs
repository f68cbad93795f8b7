//! The same against a simulator that others wrote.
use std::{sync::Arc, time::Duration};

use challenges_catalog::{
    domain::{FailureKind, Stop, TipWriter},
    llm::TimeLimits,
};
use serde_json::{Value, json};

use super::fixture::{Attempt, BOTH, Protocol, settings, write};
use crate::support::{
    llmock::{self, Llmock},
    wait::eventually,
};

const TIP: &str = "Take a breath, smile, and say hello. You can do this.";

fn writer(protocol: Protocol, server: &Llmock) -> Arc<dyn TipWriter> {
    let url = match protocol {
        Protocol::Anthropic => server.anthropic_url(),
        Protocol::OpenAi => server.openai_url(),
    };
    let mut settings = settings(&url);
    settings.limits = TimeLimits {
        idle: Duration::from_secs(2),
        ..settings.limits
    };
    protocol.writer(&settings)
}

/// An attempt that is to bring the tip, and meets this fault.
async fn meeting(fault: &Value, protocol: Protocol, server: &Llmock) -> Attempt {
    server.next(&json!({"type": "reply", "text": TIP}));
    server.next(fault);
    write(&*writer(protocol, server)).await
}

#[tokio::test]
async fn a_good_answer_of_each_protocol_is_a_tip() {
    let server = llmock::start();
    for protocol in BOTH {
        server.next(&json!({"type": "reply", "text": TIP}));
        let attempt = write(&*writer(protocol, &server)).await;
        assert_eq!(attempt.text, TIP);
        let ending = attempt.end.unwrap();
        assert_eq!(
            (ending.stop, ending.model.as_str()),
            (Stop::EndTurn, "model-1")
        );
        assert!(!ending.usage.is_estimated && ending.usage.output_tokens > 1);
    }
}

#[tokio::test]
async fn each_fault_of_a_stream_is_told() {
    let server = llmock::start();
    for protocol in BOTH {
        for (fault, kind) in [
            ("truncate", FailureKind::Truncated),
            ("disconnect", FailureKind::Truncated),
            ("malformed", FailureKind::Malformed),
        ] {
            let fault = json!({"type": "stream_fault", "kind": fault, "after_chunks": 5});
            let attempt = meeting(&fault, protocol, &server).await;
            assert!(!attempt.text.is_empty() && TIP.starts_with(&attempt.text));
            assert_eq!(attempt.kind(), kind, "{fault}");
        }
    }
}

#[tokio::test]
async fn a_stall_is_not_waited_out_and_the_simulator_sees_us_leave() {
    let server = llmock::start();
    for protocol in BOTH {
        let stall = json!({"type": "stream_fault", "kind": "stall", "after_chunks": 5, "stall_seconds": 60});
        let attempt = meeting(&stall, protocol, &server).await;
        assert_eq!(attempt.kind(), FailureKind::TooSlow);
    }
    eventually(
        "both requests are over",
        Duration::from_secs(20),
        || async { server.requests().len() == 2 },
    )
    .await;
    for request in server.requests() {
        let waited = request["stall_waited"].as_f64().unwrap();
        assert!(waited < 30.0, "{request}");
    }
}

#[tokio::test]
async fn a_refusal_of_each_protocol_says_when_to_come_again() {
    let server = llmock::start();
    for protocol in BOTH {
        server.next(&json!({"type": "fail", "status": 429, "retry_after": 0.25}));
        let failure = write(&*writer(protocol, &server)).await.failure();
        assert_eq!(failure.kind, FailureKind::RateLimited);
        assert_eq!(failure.retry_after, Some(Duration::from_millis(250)));
        let refusal = json!({"type": "reply", "text": "No.", "finish_reason": "content_filter"});
        server.next(&refusal);
        let kind = write(&*writer(protocol, &server)).await.kind();
        assert_eq!(kind, FailureKind::Refused);
    }
}
