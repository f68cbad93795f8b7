//! The same against aimock, another simulator that others wrote, and the faults that it can inject.
use std::{sync::Arc, time::Duration};

use challenges_catalog::{
    domain::{FailureKind, Stop, TipWriter, Usage},
    llm::ProviderSettings,
};
use serde_json::{Value, json};

use super::fixture::{BOTH, Protocol, settings, write};
use crate::support::aimock::{self, Aimock};

const TIP: &str = "Take a breath, smile, and say hello. You can do this.";

/// An answer to whoever asks for this model.
fn fixture(model: &str, response: &Value) -> Value {
    json!({"match": {"model": model}, "response": response})
}

/// The tip, and what goes wrong with it.
fn faulty(model: &str, field: &str, fault: Value) -> Value {
    let mut fixture = fixture(model, &json!({"content": TIP}));
    fixture[field] = fault;
    fixture
}

fn asking(protocol: Protocol, model: &str, server: &Aimock) -> ProviderSettings {
    let url = match protocol {
        Protocol::Anthropic => server.anthropic_url(),
        Protocol::OpenAi => server.openai_url(),
    };
    ProviderSettings {
        model: model.to_owned(),
        ..settings(&url)
    }
}

fn writer(protocol: Protocol, model: &str, server: &Aimock) -> Arc<dyn TipWriter> {
    protocol.writer(&asking(protocol, model, server))
}

#[tokio::test]
async fn a_good_answer_of_each_protocol_is_a_tip_with_what_it_cost() {
    let usage = json!({"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18});
    let tip = json!({"content": TIP, "usage": usage});
    let server = aimock::start(&[fixture("good", &tip)]);
    for protocol in BOTH {
        let attempt = write(&*writer(protocol, "good", &server)).await;
        assert_eq!(attempt.text, TIP);
        let ending = attempt.end.unwrap();
        let usage = Usage {
            input_tokens: 11,
            output_tokens: 7,
            is_estimated: false,
        };
        assert_eq!((ending.stop, ending.usage), (Stop::EndTurn, usage));
    }
}

#[tokio::test]
async fn counts_of_zero_are_estimated() {
    let server = aimock::start(&[fixture("good", &json!({"content": TIP}))]);
    let attempt = write(&*writer(Protocol::Anthropic, "good", &server)).await;
    let usage = attempt.end.unwrap().usage;
    assert!(usage.is_estimated && usage.output_tokens > 1, "{usage:?}");
}

#[tokio::test]
async fn thoughts_are_left_out() {
    let tagged = format!("<think>Why not?</think>\n\n{TIP}");
    let own = json!({"content": TIP, "reasoning": "Why not?"});
    let server = aimock::start(&[
        fixture("tagged", &json!({"content": tagged})),
        fixture("gpt-5", &own),
        fixture("claude-sonnet-4-5", &own),
    ]);
    for protocol in BOTH {
        for model in ["tagged", "gpt-5", "claude-sonnet-4-5"] {
            let attempt = write(&*writer(protocol, model, &server)).await;
            assert_eq!(attempt.text, TIP, "{model}");
            assert!(attempt.end.is_ok());
        }
    }
}

#[tokio::test]
async fn an_answer_that_was_cut_off_refused_or_calls_a_tool_is_none() {
    let stopped = |reason: &str| json!({"content": TIP, "finishReason": reason});
    let call = json!({"toolCalls": [{"name": "wave", "arguments": "{}"}]});
    let server = aimock::start(&[
        fixture("cut", &stopped("length")),
        fixture("refused", &stopped("content_filter")),
        fixture("call", &call),
    ]);
    for protocol in BOTH {
        for (model, kind) in [
            ("cut", FailureKind::CutOff),
            ("refused", FailureKind::Refused),
            ("call", FailureKind::Malformed),
        ] {
            let attempt = write(&*writer(protocol, model, &server)).await;
            assert_eq!(attempt.kind(), kind, "{model}");
        }
    }
}

#[tokio::test]
async fn a_refusal_keeps_its_kind_and_says_when_to_come_again() {
    let refusal = |status: u16, kind: &str| json!({"error": {"message": "No.", "type": kind}, "status": status, "retryAfter": 7});
    let server = aimock::start(&[
        fixture("limited", &refusal(429, "rate_limit_error")),
        fixture("key", &refusal(401, "authentication_error")),
        fixture("busy", &refusal(503, "overloaded_error")),
    ]);
    for protocol in BOTH {
        for (model, kind) in [
            ("limited", FailureKind::RateLimited),
            ("key", FailureKind::Denied),
            ("busy", FailureKind::Overloaded),
            ("nobody", FailureKind::NotFound),
        ] {
            let failure = write(&*writer(protocol, model, &server)).await.failure();
            assert_eq!(failure.kind, kind, "{model}: {failure}");
            assert_eq!(failure.usage, Usage::default());
            let wait = (model == "limited").then_some(Duration::from_secs(7));
            assert_eq!(failure.retry_after, wait, "{model}");
        }
    }
}

#[tokio::test]
async fn its_chaos_is_told_by_its_kind() {
    let always = |fault: &str| faulty(fault, "chaos", json!({fault: 1.0}));
    let faults = [
        ("dropRate", FailureKind::ServerFault),
        ("malformedRate", FailureKind::Malformed),
        ("disconnectRate", FailureKind::Connect),
        ("rateLimitRate", FailureKind::RateLimited),
    ];
    let server = aimock::start(&faults.map(|(fault, _)| always(fault)));
    for protocol in BOTH {
        for (fault, kind) in faults {
            let attempt = write(&*writer(protocol, fault, &server)).await;
            assert_eq!(attempt.kind(), kind, "{fault}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_no_tip() {
    let server = aimock::start(&[
        faulty("truncated", "truncateAfterChunks", json!(4)),
        faulty("disconnected", "disconnectAfterMs", json!(25)),
    ]);
    for protocol in BOTH {
        for model in ["truncated", "disconnected"] {
            let attempt = write(&*writer(protocol, model, &server)).await;
            assert!(TIP.starts_with(&attempt.text) && attempt.text != TIP);
            assert_eq!(attempt.kind(), FailureKind::Truncated, "{model}");
        }
    }
}

#[tokio::test]
async fn a_first_word_that_is_late_is_not_waited_for() {
    let late = json!({"ttft": 60_000});
    let server = aimock::start(&[faulty("late", "streamingProfile", late)]);
    for protocol in BOTH {
        let mut settings = asking(protocol, "late", &server);
        settings.limits.first_text = Duration::from_millis(500);
        let attempt = write(&*protocol.writer(&settings)).await;
        assert_eq!(attempt.kind(), FailureKind::TooSlow);
    }
}
