//! Servers differ in what they take: what one refuses by name is left out from then on.
use std::sync::Arc;

use challenges_catalog::{
    domain::{FailureKind, TipWriter},
    llm::{ProviderSettings, TokenLimit},
};
use serde_json::{Value, json};

use super::fixture::{BOTH, Protocol, answer, events, settings, write};
use crate::support::scripted::Scripted;

/// A server that refuses requests that have `field`, in these words.
async fn without(protocol: Protocol, field: &'static str, words: Value) -> Scripted {
    let tip = protocol.text(&["Hi"]) + &protocol.good_end();
    let script = move |request: &crate::support::scripted::Exchange| {
        let request: Value = serde_json::from_str(&request.body).unwrap();
        if request.get(field).is_some() {
            return vec![answer("400 Bad Request", "", words.to_string())];
        }
        vec![events(tip.clone())]
    };
    Scripted::answering(script).await
}

fn writer(
    protocol: Protocol,
    server: &Scripted,
    change: impl Fn(&mut ProviderSettings),
) -> Arc<dyn TipWriter> {
    let mut settings = settings(&server.url());
    change(&mut settings);
    protocol.writer(&settings)
}

/// The requests that a server got.
fn requests(server: &Scripted) -> Vec<Value> {
    let exchanges = server.exchanges();
    let requests = exchanges.iter();
    requests
        .map(|request| serde_json::from_str(&request.body).unwrap())
        .collect()
}

#[tokio::test]
async fn a_field_that_is_refused_by_name_is_left_out_of_the_next_request_and_all_after_it() {
    for (field, words) in [
        (
            "max_tokens",
            json!({"error": {"message": "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
                "type": "invalid_request_error", "param": "max_tokens", "code": "unsupported_parameter"}}),
        ),
        (
            "stream_options",
            json!({"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"],
                "msg": "Extra inputs are not permitted", "input": {"include_usage": true}}]}),
        ),
        (
            "temperature",
            json!({"error": {"message": "Unsupported value: 'temperature' does not support 0.7 with this model."}}),
        ),
    ] {
        let server = without(Protocol::OpenAi, field, words).await;
        let writer = writer(Protocol::OpenAi, &server, |it| it.temperature_milli = 700);
        let failure = write(&*writer).await.failure();
        assert_eq!(failure.kind, FailureKind::Rejected);
        assert!(
            failure.is_worth_retrying(),
            "another request will do: {field}"
        );
        for _ in 0..2 {
            write(&*writer).await.end.unwrap();
        }
        let requests = requests(&server);
        assert_eq!(requests.len(), 3, "one was refused, and no more");
        let limits = ["max_tokens", "max_completion_tokens"];
        let limit = |request: &Value| limits.map(|name| request.get(name).is_some());
        let expected = [field != "max_tokens", field == "max_tokens"];
        assert_eq!(limit(&requests[2]), expected, "there is always one limit");
    }
}

#[tokio::test]
async fn a_model_of_anthropics_without_a_temperature_gets_none() {
    let words = json!({"type": "error", "error": {"type": "invalid_request_error",
        "message": "`temperature` is deprecated for this model."}});
    let server = without(Protocol::Anthropic, "temperature", words).await;
    let writer = writer(Protocol::Anthropic, &server, |it| {
        it.temperature_milli = 700;
    });
    assert!(write(&*writer).await.failure().is_worth_retrying());
    write(&*writer).await.end.unwrap();
}

#[tokio::test]
async fn a_refusal_that_names_no_field_is_no_reason_for_another_request() {
    for protocol in BOTH {
        let words = json!({"error": {"message": "The temperature of this talk is too high."}});
        let server = without(protocol, "model", words).await;
        let writer = writer(protocol, &server, |it| it.temperature_milli = 700);
        assert!(!write(&*writer).await.failure().is_worth_retrying());
    }
}

#[tokio::test]
async fn what_the_settings_say_is_sent_and_no_host_is_special() {
    let tip = Protocol::OpenAi.text(&["Hi"]) + &Protocol::OpenAi.good_end();
    let server = Scripted::playing(vec![events(tip)]).await;
    let writer = writer(Protocol::OpenAi, &server, |it| {
        it.token_limit = Some(TokenLimit::MaxCompletionTokens);
        it.stream_usage = Some(false);
    });
    write(&*writer).await.end.unwrap();
    let request = &requests(&server)[0];
    assert_eq!(request["max_completion_tokens"], 400);
    assert!(request.get("max_tokens").is_none() && request.get("stream_options").is_none());
}
