use std::collections::VecDeque;

use serde_json::{Value, json};

use super::decoder::ChatDecoder;
use crate::{
    domain::{Completion, FailureKind, Prompt, Stop, StreamEvent, Usage},
    llm::{
        decoder::Decoder, protocol_error::ProtocolError, thoughts::ThinkingHabit,
        usage_counter::UsageCounter,
    },
};

fn decoder() -> ChatDecoder {
    let prompt = Prompt {
        system: "1234".to_owned(),
        user: "1234".to_owned(),
    };
    let counter = UsageCounter::of(&prompt, &ThinkingHabit::default());
    ChatDecoder::new(counter, "asked-for".to_owned())
}

fn chunk(delta: &Value, finish: Option<&str>) -> String {
    let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
    json!({"id": "cmpl_1", "model": "gpt-x", "choices": [choice], "usage": null}).to_string()
}

fn text(text: &str) -> String {
    chunk(&json!({"content": text}), None)
}

fn finish(reason: &str) -> String {
    chunk(&json!({}), Some(reason))
}

fn done() -> String {
    "[DONE]".to_owned()
}

/// What the events mean, up to the first flaw, and how it ended if it did so with the body.
fn decode(events: &[String]) -> (Vec<StreamEvent>, Option<ProtocolError>) {
    let (mut decoder, mut writings) = (decoder(), VecDeque::new());
    let mut results = events
        .iter()
        .map(|event| decoder.decode(event, &mut writings));
    if let Some(error) = results.find_map(Result::err) {
        return (writings.into(), Some(error));
    }
    if matches!(writings.back(), Some(StreamEvent::Ended(_))) {
        return (writings.into(), None);
    }
    let error = decoder.close(&mut writings).err();
    (writings.into(), error)
}

fn kind(events: &[String]) -> Option<FailureKind> {
    decode(events).1.map(|error| error.kind)
}

fn ending(events: &[String]) -> Completion {
    match decode(events).0.pop() {
        Some(StreamEvent::Ended(ending)) => ending,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_whole_completion_becomes_its_text_and_what_it_cost() {
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 25, "completion_tokens": 9}});
    let events = [
        chunk(&json!({"role": "assistant", "content": ""}), None),
        text("Be "),
        chunk(&json!({"content": null}), None),
        chunk(&json!({"content": "kind."}), Some("stop")),
        usage.to_string(),
        done(),
    ];
    let (writings, error) = decode(&events);
    assert_eq!(error, None);
    let accepted = StreamEvent::Accepted {
        attempt_id: Some("cmpl_1".to_owned()),
        usage: Usage::estimated(8, 0),
    };
    let ended = StreamEvent::Ended(Completion {
        stop: Stop::EndTurn,
        usage: Usage {
            input_tokens: 25,
            output_tokens: 9,
            is_estimated: false,
        },
        model: "gpt-x".to_owned(),
    });
    let written: Vec<_> = writings
        .into_iter()
        .filter(|writing| *writing != StreamEvent::Alive)
        .collect();
    let [be, kind] = ["Be ", "kind."].map(|text| StreamEvent::Text(text.to_owned()));
    assert_eq!(written, [accepted, be, kind, ended]);
}

#[test]
fn the_end_of_the_body_ends_it_where_done_is_missing_and_cost_is_guessed() {
    let ending = ending(&[text("Be kind."), finish("stop")]);
    assert_eq!(ending.usage, Usage::estimated(8, 8));
}

#[test]
fn a_count_before_the_end_is_not_taken_for_the_last() {
    let early = json!({"choices": [{"delta": {"content": "Hi"}}],
        "usage": {"prompt_tokens": 25, "completion_tokens": 1}});
    let usage = ending(&[early.to_string(), finish("stop"), done()]).usage;
    assert!(usage.is_estimated && usage.input_tokens == 25, "{usage:?}");
}

#[test]
fn only_a_good_reason_with_text_is_a_tip() {
    for (reason, expected) in [
        ("stop", None),
        ("length", Some(FailureKind::CutOff)),
        ("content_filter", Some(FailureKind::Refused)),
        ("tool_calls", Some(FailureKind::Malformed)),
        ("whatever", Some(FailureKind::Malformed)),
    ] {
        let events = [text("Hi"), finish(reason), done()];
        assert_eq!(kind(&events), expected, "{reason}");
        assert_eq!(kind(&events[..2]), expected, "{reason} and no [DONE]");
    }
    let truncated = Some(FailureKind::Truncated);
    assert_eq!(
        kind(&[text("Hi"), done()]),
        truncated,
        "[DONE] alone proves nothing"
    );
    assert_eq!(kind(&[text("Hi")]), truncated);
    assert_eq!(kind(&[]), truncated);
    assert_eq!(kind(&[finish("stop"), done()]), Some(FailureKind::Empty));
    let declined = [
        chunk(&json!({"refusal": "No."}), None),
        finish("stop"),
        done(),
    ];
    assert_eq!(kind(&declined), Some(FailureKind::Refused));
}

#[test]
fn another_choice_than_the_first_is_not_mixed_in() {
    let other = json!({"choices": [
        {"index": 1, "delta": {"content": "No"}, "finish_reason": "length"},
        {"index": 0, "delta": {"content": ""}}]});
    let events = [text("Yes"), other.to_string(), finish("stop"), done()];
    let texts = decode(&events).0;
    assert!(
        texts.contains(&StreamEvent::Text("Yes".to_owned())) && texts.len() == 5,
        "{texts:?}"
    );
}

#[test]
fn an_error_within_the_answer_comes_before_its_choices() {
    for (error, expected) in [
        (json!({"type": "server_error"}), FailureKind::ServerFault),
        (
            json!({"code": "rate_limit_exceeded"}),
            FailureKind::RateLimited,
        ),
        (
            json!({"code": 503, "message": "a secret"}),
            FailureKind::Overloaded,
        ),
        (json!("a secret"), FailureKind::ServerFault),
    ] {
        let event = json!({"error": error, "choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}]});
        let (writings, error) = decode(&[text("Hi"), event.to_string(), done()]);
        let error = error.unwrap();
        assert_eq!(error.kind, expected, "{error}");
        assert!(
            !error.detail.contains("secret") && writings.len() == 2,
            "{error}"
        );
    }
}

#[test]
fn what_is_no_event_is_malformed_and_not_repeated() {
    for data in [
        "",
        "{",
        "DONE",
        "[]",
        r#"{"choices":[{"delta":{"content":{"secret":1}}}]}"#,
    ] {
        let error = decoder().decode(data, &mut VecDeque::new()).unwrap_err();
        assert_eq!(error.kind, FailureKind::Malformed, "{data}");
        assert!(!error.detail.contains("secret"), "{error}");
    }
}
