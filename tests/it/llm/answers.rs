//! Answers that are event streams: good, cut, broken, malicious.
use challenges_catalog::domain::{FailureKind, Stop, Usage};
use serde_json::json;

use super::fixture::{Attempt, BOTH, KEY, Protocol, chunked, events, last_chunk, settings, write};
use crate::support::scripted::{Act, Scripted};

const PIECES: [&str; 3] = ["Grüß ", "dich ", "selbst. 🙂"];

fn assert_is_whole(attempt: Attempt) {
    assert_eq!(attempt.text, PIECES.concat());
    let ending = attempt.end.unwrap();
    let usage = Usage {
        input_tokens: 9,
        output_tokens: 5,
        is_estimated: false,
    };
    assert_eq!((ending.stop, ending.usage), (Stop::EndTurn, usage));
    assert_eq!(ending.model, "model-1-a");
}

#[tokio::test]
async fn a_whole_answer_is_a_tip() {
    for protocol in BOTH {
        let whole = protocol.text(&PIECES) + &protocol.good_end();
        assert_is_whole(protocol.attempt(vec![events(&whole)]).await);
        assert_is_whole(protocol.attempt(vec![chunked(&whole), last_chunk()]).await);
    }
}

#[tokio::test]
async fn segments_of_one_byte_line_ends_marks_comments_and_unknown_events_do_not_matter() {
    for protocol in BOTH {
        let noise = ": a comment\nid: 7\nretry: 10\n\nevent: ping\n\ndata\n\n";
        let unknown = match protocol {
            Protocol::Anthropic => {
                "data: {\"type\":\"ping\"}\n\ndata: {\"type\":\"news\",\"x\":1}\n\n"
            }
            Protocol::OpenAi => {
                "data: {\"object\":\"news\",\"x\":1}\n\n: OPENROUTER PROCESSING\n\n"
            }
        };
        let text = protocol.text(&PIECES) + unknown + &protocol.good_end();
        for line_end in ["\n", "\r\n", "\r"] {
            let text = format!("\u{FEFF}{noise}{text}").replace('\n', line_end);
            let script = vec![events(""), Act::Drip(text.into_bytes())];
            assert_is_whole(protocol.attempt(script).await);
        }
    }
}

#[tokio::test]
async fn an_answer_that_ends_before_its_end_is_truncated_however_it_ends() {
    for protocol in BOTH {
        for pieces in [&[][..], &["Hi"]] {
            let half = protocol.text(pieces);
            for script in [
                vec![events(&half)],
                vec![chunked(&half), last_chunk()],
                vec![chunked(&half)],
                vec![chunked(&half), Act::Reset],
                vec![chunked(&format!("{half}data: {{\"type\":\"mess"))],
            ] {
                let attempt = protocol.attempt(script.clone()).await;
                assert_eq!(attempt.text, pieces.concat());
                let failure = attempt.failure();
                assert_eq!(failure.kind, FailureKind::Truncated, "{script:?}");
                assert!(failure.usage.is_estimated);
            }
        }
    }
}

#[tokio::test]
async fn an_error_within_the_answer_is_told_before_and_after_text() {
    for protocol in BOTH {
        for (error, kind) in [
            (
                json!({"type": "overloaded_error", "message": KEY}),
                FailureKind::Overloaded,
            ),
            (
                json!({"type": "rate_limit_error"}),
                FailureKind::RateLimited,
            ),
            (json!({"type": KEY, "code": KEY}), FailureKind::ServerFault),
        ] {
            for pieces in [&[][..], &["Hi"]] {
                let body = protocol.text(pieces) + &protocol.error(&error) + &protocol.good_end();
                let attempt = protocol.attempt(vec![events(&body)]).await;
                assert_eq!(attempt.text, pieces.concat());
                assert_eq!(attempt.kind(), kind, "{error}");
            }
        }
    }
}

#[tokio::test]
async fn a_reason_to_stop_that_is_not_good_is_no_tip() {
    let (anthropic, openai) = (Protocol::Anthropic, Protocol::OpenAi);
    for (protocol, reason, kind) in [
        (anthropic, "max_tokens", FailureKind::CutOff),
        (
            anthropic,
            "model_context_window_exceeded",
            FailureKind::CutOff,
        ),
        (anthropic, "refusal", FailureKind::Refused),
        (anthropic, "tool_use", FailureKind::Malformed),
        (openai, "length", FailureKind::CutOff),
        (openai, "content_filter", FailureKind::Refused),
        (openai, "tool_calls", FailureKind::Malformed),
    ] {
        let body = protocol.text(&["Hi"]) + &protocol.end(reason);
        let failure = protocol.attempt(vec![events(&body)]).await.failure();
        assert_eq!(failure.kind, kind, "{reason}");
        assert_eq!(failure.usage.output_tokens, 5, "it was paid for");
    }
    for protocol in BOTH {
        let body = protocol.text(&["", " "]) + &protocol.good_end();
        let kind = protocol.attempt(vec![events(&body)]).await.kind();
        assert_eq!(kind, FailureKind::Empty);
    }
}

#[tokio::test]
async fn what_is_no_event_is_malformed() {
    for protocol in BOTH {
        let start = protocol.text(&["Hi"]).into_bytes();
        for garbage in [
            &b"data: {\"type\": \n\n"[..],
            b"data: hello\n\n",
            b"data: \xC3\x28\n\n",
        ] {
            let body = [&start, garbage].concat();
            let attempt = protocol.attempt(vec![events(body)]).await;
            assert_eq!(attempt.text, "Hi");
            assert_eq!(attempt.kind(), FailureKind::Malformed, "{garbage:?}");
        }
    }
}

#[tokio::test]
async fn ten_megabytes_on_one_line_are_not_read() {
    for protocol in BOTH {
        for start in ["data: ", ": ", "id: "] {
            let line = vec![b'x'; 10_000_000];
            let server = Scripted::playing(vec![events(start), Act::Send(line), Act::Hold]).await;
            let kind = write(&*protocol.writer(&settings(&server.url())))
                .await
                .kind();
            assert_eq!(kind, FailureKind::Malformed, "{start}");
        }
    }
}

#[tokio::test]
async fn names_that_could_forge_a_log_line_are_not_believed() {
    for protocol in BOTH {
        let body = protocol.text(&["Hi"]) + &protocol.good_end();
        let body = body.replace("model-1-a", "model\\nlevel=ERROR");
        let ending = protocol.attempt(vec![events(body)]).await.end.unwrap();
        assert_eq!(ending.model, "model-1", "the one that was asked for");
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    for protocol in BOTH {
        for endless in [protocol.piece("x"), ": ping\n\n".to_owned()] {
            let script = vec![events(""), Act::Flood(endless.into_bytes())];
            assert_eq!(protocol.attempt(script).await.kind(), FailureKind::CutOff);
        }
    }
}
