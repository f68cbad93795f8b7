//! The same with `LiteLLM` in between, a gateway that others wrote: the program, not its bytes.
use std::time::Duration;

use challenges_catalog::{
    domain::{FailureKind, Stop, StreamEvent, Usage},
    llm::ProviderSettings,
};
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::fixture::{
    Attempt, BOTH, KEY, Protocol, answer, chunked, events, last_chunk, prompt, settings, write,
};
use crate::support::{
    litellm::{self, Behind},
    scripted::Act,
    wait::eventually,
};

const TEXT: &str = "Grüß dich selbst. 🙂";
const SOON: Duration = Duration::from_secs(20);

/// What is said on the two sides of the gateway: by us, and by the provider.
#[derive(Clone, Copy, Debug)]
struct Sides {
    ours: Protocol,
    theirs: Protocol,
}

/// Every pair: the gateway translates where they differ.
fn all_sides() -> impl Iterator<Item = Sides> {
    let with = |ours| BOTH.map(|theirs| Sides { ours, theirs });
    BOTH.into_iter().flat_map(with)
}

impl Sides {
    /// What a writer needs to reach the provider.
    fn settings(self, behind: &Behind) -> ProviderSettings {
        let url = match self.ours {
            Protocol::Anthropic => litellm::shared().anthropic_url(),
            Protocol::OpenAi => litellm::shared().openai_url(),
        };
        let provider = match self.theirs {
            Protocol::Anthropic => "anthropic",
            Protocol::OpenAi => "openai",
        };
        ProviderSettings {
            model: behind.model(provider),
            ..settings(&url)
        }
    }

    async fn write(self, behind: &Behind) -> Attempt {
        write(&*self.ours.writer(&self.settings(behind))).await
    }

    /// One attempt, of which the gateway makes one request to a provider that plays the script.
    async fn attempt(self, script: Vec<Act>) -> Attempt {
        let behind = Behind::playing(script);
        let attempt = self.write(&behind).await;
        assert_eq!(
            behind.requests().len(),
            1,
            "{self:?}: never a second request"
        );
        attempt
    }

    /// As [`Sides::attempt`] with a whole answer.
    async fn answered(self, body: String) -> Attempt {
        self.attempt(vec![events(body)]).await
    }
}

/// An error as providers of both protocols would tell it, with this status.
fn refusal(status: &str, headers: &str) -> Vec<Act> {
    let error = json!({"type": "some_error", "message": "No, and no."});
    let body = json!({"type": "error", "error": error}).to_string();
    let length = body.len();
    let headers =
        format!("{headers}content-type: application/json\r\ncontent-length: {length}\r\n");
    vec![answer(status, &headers, body)]
}

/// A word for the reason to stop, in the words of the protocol.
fn reason(protocol: Protocol, anthropic: &'static str, openai: &'static str) -> &'static str {
    match protocol {
        Protocol::Anthropic => anthropic,
        Protocol::OpenAi => openai,
    }
}

#[tokio::test]
async fn a_good_answer_is_the_same_tip_whoever_speaks_what() {
    for sides in all_sides() {
        let behind = Behind::playing(vec![events(
            sides.theirs.text(&["Grüß ", "dich selbst.", " 🙂"]) + &sides.theirs.good_end(),
        )]);
        let attempt = sides.write(&behind).await;
        let ending = attempt.end.unwrap();
        let usage = Usage {
            input_tokens: 9,
            output_tokens: 5,
            is_estimated: false,
        };
        assert_eq!(
            (attempt.text.as_str(), ending.stop, ending.usage),
            (TEXT, Stop::EndTurn, usage),
            "{sides:?}"
        );
        let requests = behind.requests();
        assert_eq!(requests.len(), 1, "{sides:?}");
        assert!(requests[0].body.contains("You coach.") && requests[0].body.contains("Say hello."));
        let request: Value = serde_json::from_str(&requests[0].body).unwrap();
        assert_eq!(
            (&request["max_tokens"], &request["stream"]),
            (&json!(400), &json!(true)),
            "{request}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_was_cut_off_refused_or_is_empty_is_none() {
    for sides in all_sides() {
        let theirs = sides.theirs;
        for (pieces, anthropic, openai, kind) in [
            (&[TEXT][..], "max_tokens", "length", FailureKind::CutOff),
            (&[TEXT], "refusal", "content_filter", FailureKind::Refused),
            (&[], "end_turn", "stop", FailureKind::Empty),
        ] {
            let body = theirs.text(pieces) + &theirs.end(reason(theirs, anthropic, openai));
            assert_eq!(sides.answered(body).await.kind(), kind, "{sides:?}");
        }
    }
}

#[tokio::test]
async fn thoughts_are_left_out_as_text_and_as_what_the_protocol_has_for_them() {
    for sides in all_sides() {
        let theirs = sides.theirs;
        let tagged = theirs.text(&["<thi", "nk>Why not?</think>\n\n", TEXT]);
        for body in [tagged, thinking(theirs)] {
            let attempt = sides.answered(body + &theirs.good_end()).await;
            assert_eq!(attempt.text, TEXT, "{sides:?}");
            assert_eq!(attempt.end.unwrap().stop, Stop::EndTurn);
        }
    }
}

/// A thought, and the text.
fn thinking(protocol: Protocol) -> String {
    let event = |data: Value| format!("data: {data}\n\n");
    match protocol {
        Protocol::Anthropic => {
            let start = protocol.text(&[]);
            let block = json!({"type": "thinking", "thinking": "", "signature": ""});
            let thought = json!({"type": "thinking_delta", "thinking": "Why not?"});
            let text = json!({"type": "text_delta", "text": TEXT});
            let events = [
                json!({"type": "content_block_start", "index": 0, "content_block": block}),
                json!({"type": "content_block_delta", "index": 0, "delta": thought}),
                json!({"type": "content_block_stop", "index": 0}),
                json!({"type": "content_block_start", "index": 1,
                    "content_block": {"type": "text", "text": ""}}),
                json!({"type": "content_block_delta", "index": 1, "delta": text}),
                json!({"type": "content_block_stop", "index": 1}),
            ];
            start + &events.map(event).concat()
        }
        Protocol::OpenAi => {
            let delta = json!({"role": "assistant", "reasoning_content": "Why not?"});
            let thought =
                json!({"id": "c", "model": "model-1-a", "choices": [{"index": 0, "delta": delta}]});
            event(thought) + &protocol.piece(TEXT)
        }
    }
}

#[tokio::test]
async fn a_provider_that_breaks_off_is_no_tip() {
    for sides in all_sides() {
        for end in [vec![Act::Gate, Act::Reset], vec![Act::Gate]] {
            let script = [vec![chunked(&sides.theirs.text(&[TEXT]))], end].concat();
            let behind = Behind::playing(script);
            let writer = sides.ours.writer(&sides.settings(&behind));
            let mut writings = writer.write(&prompt());
            let (mut text, mut failure) = (String::new(), None);
            while let Some(writing) = writings.next().await {
                match writing {
                    Ok(StreamEvent::Text(piece)) => {
                        text.push_str(&piece);
                        behind.provider.open(1);
                    }
                    Ok(StreamEvent::Ended(ending)) => panic!("{sides:?}: {ending:?}"),
                    Ok(_) => {}
                    Err(told) => failure = Some(told),
                }
            }
            assert_eq!(text, TEXT, "{sides:?}");
            // It tells of the break as of an error of its own.
            let failure = failure.unwrap();
            assert_eq!(
                failure.kind,
                FailureKind::ServerFault,
                "{sides:?}: {failure}"
            );
            assert!(failure.usage.output_tokens > 0);
        }
    }
}

#[tokio::test]
async fn an_answer_without_a_reason_to_stop_is_called_whole_by_the_gateway() {
    for sides in all_sides() {
        let script = vec![chunked(&sides.theirs.text(&[TEXT])), last_chunk()];
        let attempt = sides.attempt(script).await;
        assert_eq!(attempt.text, TEXT);
        match (sides.ours, sides.theirs) {
            // Passed on as it is.
            (Protocol::Anthropic, Protocol::Anthropic) => {
                assert_eq!(attempt.kind(), FailureKind::Truncated);
            }
            _ => assert_eq!(attempt.end.unwrap().stop, Stop::EndTurn, "{sides:?}"),
        }
    }
}

#[tokio::test]
async fn a_refusal_keeps_its_kind_and_is_named_and_costs_one_request() {
    for sides in all_sides() {
        for (status, kind) in [
            ("400 Bad Request", FailureKind::Rejected),
            ("401 Unauthorized", FailureKind::Denied),
            ("403 Forbidden", FailureKind::Denied),
            ("404 Not Found", FailureKind::NotFound),
            ("429 Too Many", FailureKind::RateLimited),
            ("500 Oops", FailureKind::ServerFault),
            ("503 Unavailable", FailureKind::Overloaded),
        ] {
            let failure = sides.attempt(refusal(status, "")).await.failure();
            assert_eq!(failure.kind, kind, "{sides:?} {status}: {failure}");
            assert_eq!(failure.usage, Usage::default());
            assert!(failure.attempt_id.is_some(), "{sides:?} {status}");
        }
    }
}

#[tokio::test]
async fn the_wait_that_a_provider_asks_for_is_obeyed_where_it_is_passed_on() {
    for sides in all_sides() {
        let limited = refusal("429 Too Many", "retry-after: 7\r\n");
        let failure = sides.attempt(limited).await.failure();
        let passed_on = match sides.ours {
            Protocol::Anthropic => None,
            Protocol::OpenAi => Some(Duration::from_secs(7)),
        };
        assert_eq!(failure.retry_after, passed_on, "{sides:?}");
    }
}

#[tokio::test]
async fn while_the_gateway_holds_requests_back_it_is_limited_and_nobody_is_asked() {
    for sides in all_sides() {
        let behind = Behind::playing(refusal("401 Unauthorized", "retry-after: 60\r\n"));
        assert_eq!(sides.write(&behind).await.kind(), FailureKind::Denied);
        let failure = sides.write(&behind).await.failure();
        assert_eq!(failure.kind, FailureKind::RateLimited, "{sides:?}");
        assert_eq!(
            failure.retry_after.is_some(),
            sides.ours == Protocol::OpenAi
        );
        assert_eq!(behind.requests().len(), 1, "{sides:?}");
    }
}

#[tokio::test]
async fn a_key_that_the_gateway_does_not_know_is_a_dead_one() {
    for sides in all_sides() {
        let behind = Behind::playing(vec![Act::Hold]);
        let wrong = ProviderSettings {
            key: Some("sk-wrong".into()),
            ..sides.settings(&behind)
        };
        let denied = wrong.key_refused.clone();
        let kind = write(&*sides.ours.writer(&wrong)).await.kind();
        assert_eq!(kind, FailureKind::Denied, "{sides:?}");
        denied.notified().await;
        assert!(behind.requests().is_empty());
    }
}

#[tokio::test]
async fn a_model_that_the_gateway_does_not_have_is_told() {
    for sides in all_sides() {
        let behind = Behind::playing(vec![Act::Hold]);
        let unknown = ProviderSettings {
            model: "nobody".to_owned(),
            ..sides.settings(&behind)
        };
        let kind = write(&*sides.ours.writer(&unknown)).await.kind();
        assert_eq!(kind, FailureKind::NotFound, "{sides:?}");
    }
}

#[tokio::test]
async fn a_budget_of_the_gateways_that_is_spent_is_told() {
    for ours in BOTH {
        let sides = Sides {
            ours,
            theirs: Protocol::OpenAi,
        };
        let body = sides.theirs.text(&[TEXT]) + &sides.theirs.good_end();
        let behind = Behind::playing(vec![events(body)]);
        let poor = ProviderSettings {
            model: behind.model(litellm::POOR),
            ..sides.settings(&behind)
        };
        let writer = ours.writer(&poor);
        assert_eq!(write(&*writer).await.text, TEXT);
        // It records what a request cost a little later.
        eventually("it is spent", SOON, || async {
            let end = write(&*writer).await.end;
            end.is_err_and(|failure| failure.kind == FailureKind::SpendLimit)
        })
        .await;
    }
}

#[tokio::test]
async fn an_error_within_the_stream_is_one_and_keeps_its_kind_where_nothing_is_translated() {
    let busy = json!({"type": "overloaded_error", "message": KEY, "code": 529});
    let bad = json!({"type": "invalid_request_error", "message": KEY, "code": 400});
    for sides in all_sides() {
        for (error, own) in [
            (&busy, FailureKind::Overloaded),
            (&bad, FailureKind::Rejected),
        ] {
            for pieces in [&[][..], &[TEXT]] {
                let body = sides.theirs.text(pieces) + &sides.theirs.error(error);
                let kind = sides.answered(body).await.kind();
                let expected = match (sides.ours, sides.theirs) {
                    (Protocol::Anthropic, Protocol::Anthropic) => own,
                    _ => FailureKind::ServerFault,
                };
                assert_eq!(kind, expected, "{sides:?} {error} {pieces:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_provider_that_says_nothing_is_not_waited_for() {
    for sides in all_sides() {
        let behind = Behind::playing(vec![events(sides.theirs.text(&[])), Act::Hold]);
        let mut settings = sides.settings(&behind);
        settings.limits.first_text = Duration::from_secs(1);
        let kind = write(&*sides.ours.writer(&settings)).await.kind();
        assert_eq!(kind, FailureKind::TooSlow, "{sides:?}");
    }
}

#[tokio::test]
async fn a_caller_that_leaves_is_seen_to_leave_by_the_provider() {
    for sides in all_sides() {
        let script = vec![events(sides.theirs.text(&[TEXT])), Act::Hold];
        let behind = Behind::playing(script);
        let writer = sides.ours.writer(&sides.settings(&behind));
        let mut writings = writer.write(&prompt());
        while !matches!(writings.next().await, Some(Ok(StreamEvent::Text(_)))) {}
        assert!(!behind.requests()[0].client_left, "{sides:?}");
        drop(writings);
        eventually("the provider sees it", SOON, || async {
            behind.requests()[0].client_left
        })
        .await;
    }
}
