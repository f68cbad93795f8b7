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

const START: &str = r#"{"type":"message_start","message":{"id":"msg_1","usage":{"input_tokens":20,"output_tokens":1}}}"#;
const STOP: &str =
    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}"#;

fn text(text: &str) -> String {
    delta(&json!({"type": "text_delta", "text": text}))
}

fn delta(delta: &Value) -> String {
    json!({"type": "content_block_delta", "index": 0, "delta": delta}).to_string()
}

fn read_with<S: AsRef<str>>(
    events: &[S],
    habit: &ThinkingHabit,
) -> Result<(String, Completion), ProtocolError> {
    let prompt = Prompt {
        system: "1234".to_owned(),
        user: "1234".to_owned(),
    };
    let mut decoder = MessageDecoder::new(UsageCounter::of(&prompt, habit), "asked-for".to_owned());
    let mut writings = VecDeque::new();
    for event in events {
        decoder.decode(event.as_ref(), &mut writings)?;
    }
    if !matches!(writings.back(), Some(StreamEvent::Ended(_))) {
        decoder.close(&mut writings)?;
    }
    let mut text = String::new();
    for writing in writings {
        match writing {
            StreamEvent::Text(piece) => text.push_str(&piece),
            StreamEvent::TakenBack => text.clear(),
            StreamEvent::Ended(ending) => return Ok((text, ending)),
            StreamEvent::Accepted { .. } | StreamEvent::Alive => {}
        }
    }
    panic!("no end after {text}");
}

/// The text and the end of an answer, or why there is none.
fn read<S: AsRef<str>>(events: &[S]) -> Result<(String, Completion), ProtocolError> {
    read_with(events, &ThinkingHabit::default())
}

/// How a whole answer ends with this event before its text.
fn with(event: &str) -> Result<(String, Completion), ProtocolError> {
    read(&[
        START,
        event,
        &text("Be kind."),
        STOP,
        r#"{"type":"message_stop"}"#,
    ])
}

#[test]
fn a_side_field_that_cannot_be_read_costs_nothing() {
    for event in [
        "{}",
        r#"{"type":1}"#,
        r#"{"typo":"x"}"#,
        r#"{"type":"message_delta"}"#,
        r#"{"type":"message_delta","delta":null,"usage":{"output_tokens":-1}}"#,
        r#"{"type":"message_delta","usage":"none"}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":""},"usage":[]}"#,
        r#"{"type":"content_block_delta"}"#,
        r#"{"type":"content_block_delta","index":"one","delta":{"type":"text_delta","text":null}}"#,
        r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":""}}"#,
        r#"{"type":"content_block_start","index":-1,"content_block":{"type":"text","text":null}}"#,
        r#"{"type":"content_block_start","content_block":null}"#,
        r#"{"type":"ping","error":null,"type":"ping"}"#,
        r#"{"type":"ping","error":{}}"#,
        r#"{"type":"ping","error":""}"#,
    ] {
        let (text, ending) = with(event).unwrap_or_else(|error| panic!("{event}: {error}"));
        assert_eq!(text, "Be kind.", "{event}");
        assert_eq!(
            (ending.usage.input_tokens, ending.usage.output_tokens),
            (20, 9),
            "{event}"
        );
    }
    let odd =
        r#"{"type":"message_start","message":{"id":7,"model":[],"usage":{"input_tokens":1.5}}}"#;
    let (text, ending) = read(&[odd, &text("Hi."), STOP]).unwrap();
    assert_eq!((text.as_str(), ending.model.as_str()), ("Hi.", "asked-for"));
    assert!(ending.usage.is_estimated);
}

#[test]
fn counts_of_zero_or_none_beside_text_are_guessed_and_marked() {
    for (start, stop) in [
        (
            json!({"input_tokens": 0, "output_tokens": 0}),
            json!({"output_tokens": 0}),
        ),
        (json!({"input_tokens": -3}), json!({"output_tokens": "9"})),
        (json!(null), json!(null)),
        (json!([]), json!({"output_tokens": 2.5})),
    ] {
        let start = json!({"type": "message_start", "message": {"id": "a", "usage": start}});
        let stop =
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": stop});
        let events = [start.to_string(), text("Be kind."), stop.to_string()];
        let (_, ending) = read(&events).unwrap();
        assert_eq!(ending.usage, Usage::estimated(8, 8), "{events:?}");
    }
    let untold = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#;
    let (_, ending) = read(&[START, &text("Be kind."), untold]).unwrap();
    assert!(
        ending.usage.is_estimated && ending.usage.output_tokens == 2,
        "not the count of the start"
    );
}

#[test]
fn a_reason_that_came_is_not_overridden_by_none() {
    for none in [json!(null), json!("")] {
        let event = json!({"type": "message_delta", "delta": {"stop_reason": none}}).to_string();
        let (_, ending) = read(&[START, &text("Hi."), STOP, &event]).unwrap();
        assert_eq!(ending.stop, Stop::EndTurn, "{event}");
    }
}

#[test]
fn thoughts_at_the_beginning_are_left_out_wherever_they_are_cut() {
    let whole = "<think>Why?</think>\n\nBe kind.";
    for (at, _) in whole.char_indices() {
        let (one, two) = whole.split_at(at);
        let (read, ending) = read(&[START, &text(one), &text(two), STOP]).unwrap();
        assert_eq!(
            (read.as_str(), ending.usage.output_tokens),
            ("Be kind.", 9),
            "{one}|{two}"
        );
    }
    let unclosed = read(&[START, &text("<think>Be kind."), STOP]).unwrap_err();
    assert_eq!(unclosed.kind, FailureKind::Empty);
}

#[test]
fn thoughts_without_an_opening_tag_are_taken_back_once_and_held_from_then_on() {
    let events = [
        START,
        &text("Why?"),
        &text("</think>Be "),
        &text("kind."),
        STOP,
    ];
    let habit = ThinkingHabit::default();
    for _ in 0..2 {
        assert_eq!(read_with(&events, &habit).unwrap().0, "Be kind.");
    }
}

#[test]
fn a_character_that_is_cut_in_two_is_joined() {
    let piece = |escaped: &str| {
        format!(
            r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{escaped}"}}}}"#
        )
    };
    let (read, _) = read(&[
        START,
        &piece(r"Hi \ud83d"),
        r#"{"type":"ping"}"#,
        &piece(r"\ude42."),
        STOP,
    ])
    .unwrap();
    assert_eq!(read, "Hi 🙂.");
}

#[test]
fn a_message_that_is_no_stream_is_read_as_one() {
    for content in [
        json!("Be kind."),
        json!([{"type": "thinking", "thinking": "no"},
        {"type": "text", "text": "Be "}, {"type": "text", "text": "kind."}]),
    ] {
        let message = |reason: &Value| {
            json!({"type": "message", "id": "msg_1", "model": "m-1", "content": content,
                "stop_reason": reason, "usage": {"input_tokens": 7, "output_tokens": 5}})
            .to_string()
        };
        let (text, ending) = read(&[message(&json!("end_turn"))]).unwrap();
        assert_eq!((text.as_str(), ending.model.as_str()), ("Be kind.", "m-1"));
        let usage = Usage {
            input_tokens: 7,
            output_tokens: 5,
            is_estimated: false,
        };
        assert_eq!(ending.usage, usage);
        for (reason, kind) in [
            (json!("max_tokens"), FailureKind::CutOff),
            (json!("refusal"), FailureKind::Refused),
            (json!(null), FailureKind::Truncated),
        ] {
            assert_eq!(
                read(&[message(&reason)]).unwrap_err().kind,
                kind,
                "{reason}"
            );
        }
    }
}

#[test]
fn an_error_in_the_shape_of_another_protocol_is_one() {
    for event in [
        json!({"error": {"message": "x", "type": "invalid_request_error", "code": "400"}}),
        json!({"object": "error", "message": "x", "code": 400}),
        json!({"code": "400", "details": "x"}),
    ] {
        assert_eq!(
            with(&event.to_string()).unwrap_err().kind,
            FailureKind::Rejected,
            "{event}"
        );
    }
}
