//! Every field of a good answer, in turn, holds every kind of value that it should not.
use std::collections::VecDeque;

use serde_json::{Value, json};

use super::{
    anthropic::MessageDecoder, decoder::Decoder, openai::ChatDecoder,
    protocol_error::ProtocolError, thoughts::ThinkingHabit, usage_counter::UsageCounter,
};
use crate::domain::{Prompt, StreamEvent};

/// What decides on text and end is read with rigour; all else must cost nothing.
const DECISIVE: [&str; 8] = [
    "choices",
    "content",
    "content_block",
    "delta",
    "finish_reason",
    "stop_reason",
    "text",
    "type",
];

fn counter() -> UsageCounter {
    let prompt = Prompt {
        system: "1234".to_owned(),
        user: "1234".to_owned(),
    };
    UsageCounter::of(&prompt, &ThinkingHabit::default())
}

fn read(mut decoder: impl Decoder, events: &[Value]) -> Result<String, ProtocolError> {
    let (mut writings, mut text) = (VecDeque::new(), String::new());
    for event in events {
        decoder.decode(&event.to_string(), &mut writings)?;
    }
    if !matches!(writings.back(), Some(StreamEvent::Ended(_))) {
        decoder.close(&mut writings)?;
    }
    for writing in writings {
        match writing {
            StreamEvent::Text(piece) => text.push_str(&piece),
            StreamEvent::TakenBack => text.clear(),
            StreamEvent::Accepted { .. } | StreamEvent::Alive | StreamEvent::Ended(_) => {}
        }
    }
    Ok(text)
}

/// Where each field is, at any depth.
fn fields(value: &Value, at: &str) -> Vec<String> {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (format!("{at}/{name}"), value))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(number, value)| (format!("{at}/{number}"), value))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => vec![],
    };
    let within = inner.iter().flat_map(|(at, value)| fields(value, at));
    let all = inner.iter().map(|(at, _)| at.clone()).chain(within);
    all.filter(|at| !at.ends_with("/0")).collect()
}

fn assert_only_what_decides_matters<D: Decoder>(decoder: impl Fn() -> D, events: &[Value]) {
    assert_eq!(read(decoder(), events).unwrap(), "Be kind.");
    let odd = json!([null, {}, [], "", "odd", -1, 1.5, true, [[]], {"odd": 1}]);
    for (number, event) in events.iter().enumerate() {
        for field in fields(event, "") {
            let (_, name) = field.rsplit_once('/').unwrap();
            for value in odd.as_array().unwrap() {
                let mut events = events.to_vec();
                *events[number].pointer_mut(&field).unwrap() = value.clone();
                let read = read(decoder(), &events);
                let is_decisive = DECISIVE.contains(&name);
                assert!(
                    is_decisive || read.as_deref() == Ok("Be kind."),
                    "{field} of event {number}: {value}: {read:?}"
                );
            }
        }
    }
}

#[test]
fn of_a_message_only_what_decides_on_text_and_end_matters() {
    let usage = json!({"input_tokens": 20, "cache_read_input_tokens": 5, "output_tokens": 1});
    let text = |text: &str| {
        json!({"type": "content_block_delta", "index": 0,
            "delta": {"type": "text_delta", "text": text}})
    };
    let events = [
        json!({"type": "message_start", "message": {"id": "a", "model": "m", "role": "assistant",
            "usage": usage}}),
        json!({"type": "content_block_start", "index": 0,
            "content_block": {"type": "text", "text": "", "citations": null}}),
        json!({"type": "ping", "more": {"a": [1]}}),
        text("Be "),
        text("kind."),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
            "usage": {"output_tokens": 9}}),
        json!({"type": "message_stop", "amazon-bedrock-invocationMetrics": {"a": 1}}),
    ];
    assert_only_what_decides_matters(|| MessageDecoder::new(counter(), "m".to_owned()), &events);
}

#[test]
fn of_a_completion_only_what_decides_on_text_and_end_matters() {
    let chunk = |delta: Value, reason: Value| {
        json!({"id": "a", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "system_fingerprint": "f", "usage": {"prompt_tokens": 9, "completion_tokens": 1},
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason}]})
    };
    let events = [
        chunk(
            json!({"role": "assistant", "content": "", "reasoning_content": "x"}),
            json!(null),
        ),
        chunk(json!({"content": "Be ", "tool_calls": []}), json!(null)),
        chunk(json!({"content": "kind."}), json!(null)),
        chunk(json!({}), json!("stop")),
        json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 5}}),
    ];
    assert_only_what_decides_matters(|| ChatDecoder::new(counter(), "m".to_owned()), &events);
}
