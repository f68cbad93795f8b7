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

const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const USAGE: &str = r#"{"choices":[],"usage":{"prompt_tokens":25,"completion_tokens":9}}"#;

fn text(text: &str) -> String {
    content(&json!(text))
}

fn content(content: &Value) -> String {
    json!({"choices": [{"index": 0, "delta": {"content": content}}]}).to_string()
}

/// The text and the end of an answer, or why there is none.
fn read<S: AsRef<str>>(events: &[S]) -> Result<(String, Completion), ProtocolError> {
    let prompt = Prompt {
        system: "1234".to_owned(),
        user: "1234".to_owned(),
    };
    let counter = UsageCounter::of(&prompt, &ThinkingHabit::default());
    let mut decoder = ChatDecoder::new(counter, "asked-for".to_owned());
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

#[test]
fn a_side_field_that_cannot_be_read_costs_nothing() {
    for event in [
        "{}",
        r#"{"id":7,"model":null,"created":"now","choices":null,"usage":null}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":-1,"completion_tokens":1.5}}"#,
        r#"{"choices":[],"usage":"none"}"#,
        r#"{"choices":[],"usage":[1,2]}"#,
        r#"{"choices":{},"error":null}"#,
        r#"{"choices":[{"delta":null}],"error":{}}"#,
        r#"{"choices":[{"index":"0","delta":{"content":null}}],"error":""}"#,
        r#"{"choices":[{"index":-1,"delta":{"role":7},"finish_reason":""}]}"#,
        r#"{"id":"a","id":"b","choices":[],"choices":[]}"#,
        r#"{"object":7,"choices":[],"prompt_filter_results":[{}]}"#,
    ] {
        let events = [
            event,
            &text("Be kind."),
            event,
            STOP,
            event,
            USAGE,
            "[DONE]",
        ];
        let (text, ending) = read(&events).unwrap_or_else(|error| panic!("{event}: {error}"));
        assert_eq!(text, "Be kind.", "{event}");
        let usage = Usage {
            input_tokens: 25,
            output_tokens: 9,
            is_estimated: false,
        };
        assert_eq!(ending.usage, usage, "{event}");
    }
}

#[test]
fn counts_of_zero_or_none_beside_text_are_guessed_and_marked() {
    for usage in [
        json!({"prompt_tokens": 0, "completion_tokens": 0}),
        json!({"prompt_tokens": "25", "completion_tokens": -9}),
        json!({}),
    ] {
        let usage = json!({"choices": [], "usage": usage}).to_string();
        let (_, ending) = read(&[&text("Be kind."), STOP, &usage]).unwrap();
        assert_eq!(ending.usage, Usage::estimated(8, 8), "{usage}");
    }
}

#[test]
fn words_of_other_protocols_end_it_as_they_mean() {
    let end = |word: &str| {
        let finish = json!({"choices": [{"delta": {}, "finish_reason": word}]}).to_string();
        read(&[text("Hi."), finish]).map(|(_, ending)| ending.stop)
    };
    for word in ["stop", "STOP", "eos", "eos_token", "end_turn"] {
        assert_eq!(end(word), Ok(Stop::EndTurn), "{word}");
    }
    assert_eq!(end("stop_sequence"), Ok(Stop::StopSequence));
    for (word, kind) in [
        ("guardrail_intervened", FailureKind::Refused),
        ("content_filtered", FailureKind::Refused),
        ("max_tokens", FailureKind::CutOff),
        ("", FailureKind::Truncated),
    ] {
        assert_eq!(end(word).unwrap_err().kind, kind, "{word}");
    }
}

#[test]
fn a_choice_after_the_stop_takes_nothing_back() {
    for reason in [json!(null), json!("")] {
        let after =
            json!({"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": reason}]});
        let (text, ending) =
            read(&[&text("Hi."), STOP, &after.to_string(), USAGE, "[DONE]"]).unwrap();
        assert_eq!((text.as_str(), ending.stop), ("Hi.", Stop::EndTurn));
        assert!(!ending.usage.is_estimated);
    }
}

#[test]
fn content_may_be_a_list_of_parts() {
    let parts = json!([{"type": "thinking", "thinking": [{"type": "text", "text": "no"}]},
        {"type": "text", "text": "Be "}]);
    let (read, _) = read(&[&content(&parts), &content(&json!(["kind."])), STOP]).unwrap();
    assert_eq!(read, "Be kind.");
}

#[test]
fn a_choice_that_is_alone_is_ours_whatever_its_number() {
    let numbered = |index: u64, text: &str| {
        json!({"choices": [{"index": index, "delta": {"content": text}}]}).to_string()
    };
    let (read, _) = read(&[&numbered(1, "Be "), &numbered(2, "kind."), STOP]).unwrap();
    assert_eq!(read, "Be kind.");
}

#[test]
fn thoughts_at_the_beginning_are_left_out_wherever_they_are_cut() {
    for whole in [
        "<think>Why?</think>\n\nBe kind.",
        "Why?\n</think>\n\nBe kind.",
    ] {
        for (at, _) in whole.char_indices() {
            let (one, two) = whole.split_at(at);
            let (read, _) = read(&[&text(one), &text(two), STOP]).unwrap();
            assert_eq!(read, "Be kind.", "{one}|{two}");
        }
    }
    let unclosed = read(&[&text("<think>Be kind."), STOP]).unwrap_err();
    assert_eq!(unclosed.kind, FailureKind::Empty);
}

#[test]
fn a_character_that_is_cut_in_two_is_joined() {
    let piece = |escaped: &str| {
        format!(r#"{{"choices":[{{"delta":{{"content":"{escaped}","reasoning":"\ude42"}}}}]}}"#)
    };
    let (read, _) = read(&[&piece(r"Hi \uD83D"), &piece(""), &piece(r"\uDE42."), STOP]).unwrap();
    assert_eq!(read, "Hi 🙂.");
}

#[test]
fn a_completion_that_is_no_stream_is_read_as_one() {
    let completion = |reason: &Value, content: &Value| {
        json!({"id": "cmpl_1", "object": "chat.completion", "model": "m-1", "choices": [{"index": 0,
            "message": {"role": "assistant", "content": content, "refusal": null},
            "finish_reason": reason}],
            "usage": {"prompt_tokens": 25, "completion_tokens": 9}})
        .to_string()
    };
    let (text, ending) = read(&[completion(&json!("stop"), &json!("Be kind."))]).unwrap();
    assert_eq!((text.as_str(), ending.model.as_str()), ("Be kind.", "m-1"));
    assert!(!ending.usage.is_estimated && ending.usage.output_tokens == 9);
    for (reason, content, kind) in [
        (json!("length"), json!("Hi."), FailureKind::CutOff),
        (json!("stop"), json!(null), FailureKind::Empty),
        (json!(null), json!("Hi."), FailureKind::Truncated),
    ] {
        let error = read(&[completion(&reason, &content)]).unwrap_err();
        assert_eq!(error.kind, kind, "{reason}");
    }
}

#[test]
fn an_error_is_seen_in_every_shape() {
    for event in [
        json!({"error": {"message": "x", "type": "None", "param": "None", "code": "400"}}),
        json!({"object": "error", "message": "x", "type": "BadRequestError", "code": 400}),
        json!({"code": 400, "details": ["x"]}),
        json!({"type": "error", "error": {"type": "invalid_request_error"}}),
        json!([{"error": {"code": 400, "status": "INVALID_ARGUMENT"}}]),
        json!({"choices": [{"delta": {}, "error": {"code": 400}, "finish_reason": "error"}]}),
    ] {
        for events in [
            vec![event.to_string()],
            vec![text("Hi."), event.to_string()],
        ] {
            let error = read(&events).unwrap_err();
            assert_eq!(error.kind, FailureKind::Rejected, "{event}");
            assert!(!error.kind.is_worth_retrying());
        }
    }
}
