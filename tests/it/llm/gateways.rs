//! What gateways make of an answer on its way: byte by byte, as it comes.
use challenges_catalog::domain::{FailureKind, Usage};
use serde_json::{Value, json};

use super::fixture::{Attempt, BOTH, KEY, Protocol, answer, chunked, events, last_chunk};
use crate::support::scripted::Act;

const TEXT: &str = "Grüß dich selbst. 🙂";
const TOLD: Usage = Usage {
    input_tokens: 9,
    output_tokens: 5,
    is_estimated: false,
};

/// The head of an answer with these headers, and its body in segments of one byte.
fn dripped(headers: &str, body: &str) -> Vec<Act> {
    vec![
        answer("200 OK", headers, ""),
        Act::Drip(body.as_bytes().to_vec()),
    ]
}

fn assert_is_tip(attempt: Attempt, usage: Usage) {
    let ending = attempt.end.unwrap();
    assert_eq!((attempt.text.as_str(), ending.usage), (TEXT, usage));
}

/// An answer that is no stream, with this reason to stop.
fn whole(protocol: Protocol, reason: &str) -> Value {
    match protocol {
        Protocol::Anthropic => json!({"type": "message", "id": "msg_1", "model": "model-1-a",
            "content": [{"type": "text", "text": TEXT}], "stop_reason": reason,
            "usage": {"input_tokens": 9, "output_tokens": 5}}),
        Protocol::OpenAi => json!({"id": "cmpl_1", "model": "model-1-a",
            "choices": [{"index": 0, "message": {"content": TEXT}, "finish_reason": reason}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 5}}),
    }
}

/// Errors that mean a bad request, in the shapes that gateways give them.
fn bad_requests() -> [Value; 7] {
    [
        json!({"error": {"message": KEY, "type": "None", "param": "None", "code": "400"}}),
        json!({"error": {"message": KEY, "code": 400}}),
        json!({"object": "error", "message": KEY, "type": "BadRequestError", "code": 400}),
        json!({"type": "error", "error": {"type": "invalid_request_error", "message": KEY}}),
        json!({"code": 3, "details": [KEY]}),
        json!({"code": "invalid_argument", "message": KEY}),
        json!([{"error": {"code": 400, "message": KEY, "status": "INVALID_ARGUMENT"}}]),
    ]
}

#[tokio::test]
async fn a_stream_is_read_whatever_its_content_type_is() {
    for protocol in BOTH {
        let body = protocol.text(&[TEXT]) + &protocol.good_end();
        for headers in [
            "",
            "content-type: text/plain; charset=utf-8\r\n",
            "content-type: application/json\r\n",
            "content-type: text/event-stream, application/json\r\n",
            "content-type: application/json\r\ncontent-type: text/event-stream\r\n",
        ] {
            let script = dripped(headers, &body);
            assert_is_tip(protocol.attempt(script).await, TOLD);
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_no_stream_is_a_tip() {
    for protocol in BOTH {
        let good = match protocol {
            Protocol::Anthropic => "end_turn",
            Protocol::OpenAi => "stop",
        };
        let body = format!("\r\n \n{:#}", whole(protocol, good));
        for kind in [
            "",
            "content-type: application/json\r\n",
            "content-type: text/event-stream\r\n",
        ] {
            assert_is_tip(protocol.attempt(dripped(kind, &body)).await, TOLD);
        }
        assert_is_tip(
            protocol.attempt(vec![chunked(&body), last_chunk()]).await,
            TOLD,
        );
        let cut_off = dripped("", &whole(protocol, "length").to_string());
        assert_eq!(protocol.attempt(cut_off).await.kind(), FailureKind::CutOff);
        let broken = protocol.attempt(vec![chunked(&body[..40])]).await;
        assert_eq!(broken.kind(), FailureKind::Truncated);
    }
}

#[tokio::test]
async fn an_error_with_the_status_of_a_success_is_one() {
    for protocol in BOTH {
        for error in bad_requests() {
            for headers in [
                "",
                "content-type: application/json\r\n",
                "content-type: text/event-stream\r\n",
            ] {
                let failure = protocol
                    .attempt(dripped(headers, &error.to_string()))
                    .await
                    .failure();
                assert_eq!(failure.kind, FailureKind::Rejected, "{error}");
                assert!(!failure.is_worth_retrying());
            }
        }
    }
}

#[tokio::test]
async fn an_error_within_the_stream_is_told_in_every_shape() {
    for protocol in BOTH {
        for error in bad_requests() {
            for pieces in [&[][..], &["Hi"]] {
                let body =
                    protocol.text(pieces) + &format!("data: {error}\n\n") + &protocol.good_end();
                let attempt = protocol.attempt(dripped("", &body)).await;
                assert_eq!(attempt.kind(), FailureKind::Rejected, "{error}");
            }
        }
        for nothing in [json!(null), json!({}), json!("")] {
            let side = format!("data: {}\n\n", json!({"type": "ping", "error": nothing}));
            let body = protocol.text(&[TEXT]) + &side + &protocol.good_end();
            assert_is_tip(protocol.attempt(vec![events(body)]).await, TOLD);
        }
    }
}

#[tokio::test]
async fn after_the_reason_to_stop_and_the_cost_a_body_that_breaks_is_a_whole_tip() {
    for protocol in BOTH {
        let end = protocol.good_end();
        let last = end.rfind("data: ").unwrap();
        let body = protocol.text(&[TEXT]) + &end[..last];
        for (rest, ends) in [
            ("", vec![]),
            ("", vec![last_chunk()]),
            ("", vec![Act::Reset]),
            ("data: {\"type\":\"mess", vec![]),
            ("data: {\"type\": \n\n", vec![Act::Hold]),
        ] {
            let start = vec![chunked(&format!("{body}{rest}"))];
            let script = [start, ends].concat();
            assert_is_tip(protocol.attempt(script).await, TOLD);
        }
    }
}

#[tokio::test]
async fn a_finish_reason_without_the_cost_does_not_make_a_broken_body_whole() {
    let choice = json!({"index": 0, "delta": {"content": TEXT}, "finish_reason": "stop"});
    let told = format!("data: {}\n\n", json!({"choices": [choice]}));
    let broken = vec![chunked(&told), Act::Reset];
    let attempt = Protocol::OpenAi.attempt(broken).await;
    assert_eq!(attempt.kind(), FailureKind::Truncated);
    let ended = Protocol::OpenAi
        .attempt(vec![chunked(&told), last_chunk()])
        .await;
    assert_eq!(ended.text, TEXT);
    assert!(ended.end.unwrap().usage.is_estimated);
}

#[tokio::test]
async fn thoughts_are_left_out_wherever_the_answer_is_cut() {
    for protocol in BOTH {
        for thoughts in [
            "<think>Why <b>not</b>?</think>\n\n",
            "Why not?\n</think>\n\n",
        ] {
            let text = format!("{thoughts}{TEXT}");
            let chars: Vec<String> = text.chars().map(String::from).collect();
            let chars: Vec<&str> = chars.iter().map(String::as_str).collect();
            for pieces in [&[text.as_str()][..], &chars] {
                let body = protocol.text(pieces) + &protocol.good_end();
                assert_is_tip(protocol.attempt(dripped("", &body)).await, TOLD);
            }
        }
        let unclosed = protocol.text(&["<think>", TEXT]) + &protocol.good_end();
        let attempt = protocol.attempt(dripped("", &unclosed)).await;
        assert_eq!(attempt.text, "");
        assert_eq!(attempt.kind(), FailureKind::Empty);
    }
}

#[tokio::test]
async fn halves_of_a_character_in_two_events_are_joined() {
    for protocol in BOTH {
        let half = |escaped| protocol.piece("HALF").replace("HALF", escaped);
        let halves = half(r"\ud83d") + &half(r"\ude42");
        let body = protocol.text(&["Grüß dich selbst. "]) + &halves + &protocol.good_end();
        assert_is_tip(protocol.attempt(dripped("", &body)).await, TOLD);
    }
}

#[tokio::test]
async fn counts_that_tell_nothing_are_guessed_and_marked() {
    let sent = "You coach.Say hello.".len();
    let guessed = Usage::estimated(sent as u64, TEXT.len() as u64);
    for protocol in BOTH {
        let body = protocol.text(&[TEXT]) + &protocol.good_end();
        for nothing in ["0", "-1", "2.5", "\"7\"", "[7]", "null", "{}"] {
            let counts = [
                "input_tokens",
                "output_tokens",
                "prompt_tokens",
                "completion_tokens",
            ];
            let odd = counts.iter().fold(body.clone(), |body, count| {
                let told = |number| format!("\"{count}\":{number}");
                let body = body.replace(&told("9"), &told(nothing));
                body.replace(&told("5"), &told(nothing))
                    .replace(&told("1"), &told(nothing))
            });
            assert_is_tip(protocol.attempt(vec![events(odd)]).await, guessed);
        }
    }
}
