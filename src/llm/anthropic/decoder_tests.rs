use std::collections::VecDeque;

use serde_json::{Value, json};

use super::decoder::MessageDecoder;
use crate::{
    domain::{Completion, FailureKind, Prompt, Stop, StreamEvent, Usage},
    llm::{
        decoder::Decoder, protocol_error::ProtocolError, thoughts::ThinkingHabit,
        usage_counter::UsageCounter,
    },
};

fn decoder() -> MessageDecoder {
    let prompt = Prompt {
        system: "1234".to_owned(),
        user: "1234".to_owned(),
    };
    let counter = UsageCounter::of(&prompt, &ThinkingHabit::default());
    MessageDecoder::new(counter, "asked-for".to_owned())
}

fn start() -> Value {
    let usage = json!({"input_tokens": 20, "cache_read_input_tokens": 5,
        "cache_creation_input_tokens": null, "output_tokens": 1});
    json!({"type": "message_start", "message": {"id": "msg_1", "model": "claude-x",
        "content": [], "stop_reason": null, "usage": usage}})
}

fn text(index: u64, text: &str) -> Value {
    json!({"type": "content_block_delta", "index": index,
        "delta": {"type": "text_delta", "text": text}})
}

fn stop(reason: &str) -> Value {
    json!({"type": "message_delta", "delta": {"stop_reason": reason},
        "usage": {"output_tokens": 9, "input_tokens": null}})
}

fn message_stop() -> Value {
    json!({"type": "message_stop"})
}

/// What the events mean, up to the first flaw, which may be that they end.
fn decode(events: &[Value]) -> (Vec<StreamEvent>, Option<ProtocolError>, Usage) {
    let (mut decoder, mut writings) = (decoder(), VecDeque::new());
    let mut results = events
        .iter()
        .map(|event| decoder.decode(&event.to_string(), &mut writings));
    let mut error = results.find_map(Result::err);
    let has_ended = matches!(writings.back(), Some(StreamEvent::Ended(_)));
    if error.is_none() && !has_ended {
        error = decoder.close(&mut writings).err();
    }
    (writings.into(), error, decoder.usage())
}

fn text_of(writings: &[StreamEvent]) -> String {
    let texts = writings.iter().filter_map(|writing| match writing {
        StreamEvent::Text(text) => Some(text.as_str()),
        StreamEvent::Accepted { .. }
        | StreamEvent::TakenBack
        | StreamEvent::Alive
        | StreamEvent::Ended(_) => None,
    });
    texts.collect()
}

fn kind(events: &[Value]) -> Option<FailureKind> {
    decode(events).1.map(|error| error.kind)
}

#[test]
fn a_whole_message_becomes_its_text_and_what_it_cost() {
    let (writings, error, _) = decode(&[
        start(),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "ping"}),
        text(0, "Be "),
        text(0, "kind."),
        json!({"type": "content_block_stop", "index": 0}),
        stop("end_turn"),
        message_stop(),
    ]);
    assert_eq!(error, None);
    let usage = |output_tokens, is_estimated| Usage {
        input_tokens: 25,
        output_tokens,
        is_estimated,
    };
    let accepted = StreamEvent::Accepted {
        attempt_id: Some("msg_1".to_owned()),
        usage: usage(1, true),
    };
    let ended = StreamEvent::Ended(Completion {
        stop: Stop::EndTurn,
        usage: usage(9, false),
        model: "claude-x".to_owned(),
    });
    let written: Vec<_> = writings
        .into_iter()
        .filter(|writing| *writing != StreamEvent::Alive)
        .collect();
    let [be, kind] = ["Be ", "kind."].map(|text| StreamEvent::Text(text.to_owned()));
    assert_eq!(written, [accepted, be, kind, ended]);
}

#[test]
fn only_text_of_text_blocks_is_published_and_unknown_events_are_ignored() {
    let (writings, error, _) = decode(&[
        start(),
        json!({"type": "from_the_future", "message": 7}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "no"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "no"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "no"}}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": "Go"}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "citations_delta", "citation": {}}}),
        text(1, " on"),
        text(2, ", gently."),
        json!({"type": "message_delta", "delta": {"stop_reason": null}, "usage": null}),
        stop("stop_sequence"),
        message_stop(),
    ]);
    assert_eq!(error, None);
    assert_eq!(text_of(&writings), "Go on, gently.");
}

#[test]
fn text_of_a_block_that_was_over_is_malformed() {
    let events = [start(), text(1, "a"), text(0, "b")];
    assert_eq!(kind(&events), Some(FailureKind::Malformed));
}

#[test]
fn the_start_of_another_message_is_malformed_and_the_same_one_again_is_not() {
    let other = json!({"type": "message_start", "message": {"id": "msg_2"}});
    let nameless = json!({"type": "message_start", "message": {}});
    for events in [
        [start(), other],
        [start(), nameless.clone()],
        [nameless.clone(), nameless],
        [text(0, "Hi"), start()],
    ] {
        assert_eq!(kind(&events), Some(FailureKind::Malformed));
    }
    let events = [
        start(),
        start(),
        text(0, "Hi"),
        start(),
        stop("end_turn"),
        message_stop(),
    ];
    let (writings, error, usage) = decode(&events);
    assert_eq!((error, usage.input_tokens), (None, 25));
    assert_eq!(text_of(&writings), "Hi");
}

#[test]
fn only_a_good_reason_with_text_is_a_tip() {
    for (reason, expected) in [
        ("end_turn", None),
        ("stop_sequence", None),
        ("max_tokens", Some(FailureKind::CutOff)),
        ("model_context_window_exceeded", Some(FailureKind::CutOff)),
        ("refusal", Some(FailureKind::Refused)),
        ("tool_use", Some(FailureKind::Malformed)),
        ("pause_turn", Some(FailureKind::Malformed)),
        ("whatever", Some(FailureKind::Malformed)),
    ] {
        let events = [start(), text(0, "Hi"), stop(reason), message_stop()];
        assert_eq!(kind(&events), expected, "{reason}");
        assert_eq!(kind(&events[..3]), expected, "{reason} and no message_stop");
    }
    let empty = [start(), text(0, " \n"), stop("end_turn"), message_stop()];
    assert_eq!(kind(&empty), Some(FailureKind::Empty));
    assert_eq!(
        kind(&[start(), text(0, "Hi")]),
        Some(FailureKind::Truncated)
    );
    assert_eq!(kind(&[]), Some(FailureKind::Truncated));
    let no_reason = [start(), text(0, "Hi"), message_stop()];
    assert_eq!(kind(&no_reason), Some(FailureKind::Malformed));
}

#[test]
fn an_error_within_the_answer_is_told_by_its_type() {
    for (word, expected) in [
        ("overloaded_error", FailureKind::Overloaded),
        ("rate_limit_error", FailureKind::RateLimited),
        ("api_error", FailureKind::ServerFault),
        ("invalid_request_error", FailureKind::Rejected),
        ("authentication_error", FailureKind::Denied),
        ("billing_error", FailureKind::SpendLimit),
        ("from_the_future", FailureKind::ServerFault),
    ] {
        let error = json!({"type": "error", "error": {"type": word, "message": "a secret"}});
        for events in [
            vec![start(), error.clone()],
            vec![start(), text(0, "Hi"), error],
        ] {
            let (_, error, usage) = decode(&events);
            let error = error.unwrap();
            assert_eq!(error.kind, expected, "{word}");
            assert!(!error.detail.contains("secret"), "{error}");
            assert!(usage.is_estimated && usage.input_tokens == 25);
        }
    }
}

#[test]
fn what_is_no_event_is_malformed_and_not_repeated() {
    for data in [
        "",
        "{",
        "[]",
        "null",
        r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":["secret",1]}}"#,
        r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":{"secret":1}}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":["secret"]}}"#,
    ] {
        let error = decoder().decode(data, &mut VecDeque::new()).unwrap_err();
        assert_eq!(error.kind, FailureKind::Malformed, "{data}");
        assert!(!error.detail.contains("secret"), "{error}");
    }
}
