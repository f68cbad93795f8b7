//! Answers of providers, in both protocols, up to what they mean for a tip.
use challenges_catalog::{
    domain::{StreamEvent, WriteFailure},
    llm::{ProviderProtocol, fuzzing::answer},
};

use crate::{
    input::{Input, block_on, pieces},
    target::Target,
};

pub(super) const TARGET: Target = Target {
    name: "answers",
    words: &[
        "data: ",
        "\n\n",
        "\"type\":",
        "\"text\":",
        "\"content\":",
        "\"delta\":{",
        "\"choices\":[",
        "\"usage\":{",
        "\"index\":",
        "\"finish_reason\":\"stop\"",
        "\"stop_reason\":\"end_turn\"",
        "\"message_start\"",
        "\"content_block_delta\"",
        "\"text_delta\"",
        "\"message_stop\"",
        "\"message_delta\"",
        "[DONE]",
        "<think>",
        "</think>",
        "<th",
        "\\ud83d",
        "\\ude42",
        "null",
        "18446744073709551615",
        "\"error\":{",
        "\"output_tokens\":",
        "\"completion_tokens\":",
        "}",
        "]",
        ",",
    ],
    memory_bytes: 2 << 20,
    check,
};

fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let (mode, seed) = (input.byte(), input.byte());
    let protocol = match mode % 2 {
        0 => ProviderProtocol::OpenAi,
        _ => ProviderProtocol::Anthropic,
    };
    let body = input.rest();
    let whole = block_on(answer(protocol, pieces(body, 1)));
    let in_pieces = block_on(answer(protocol, pieces(body, seed)));
    assert_eq!(whole, in_pieces, "in pieces");
    is_sound(&whole);
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What the port promises of every stream.
fn is_sound(events: &[Result<StreamEvent, WriteFailure>]) {
    let (last, before) = events.split_last().expect("an end or an error");
    let (mut text, mut is_accepted) = (String::new(), false);
    for event in before {
        match event {
            Ok(StreamEvent::Accepted { attempt_id, .. }) => {
                assert!(!is_accepted, "accepted twice");
                assert!(text.is_empty(), "accepted after text");
                assert!(attempt_id.as_deref().is_none_or(is_plain));
                is_accepted = true;
            }
            Ok(StreamEvent::Text(more)) => {
                assert!(!more.is_empty(), "a text of nothing");
                text.push_str(more);
            }
            Ok(StreamEvent::TakenBack) => {
                assert!(!text.is_empty(), "nothing was taken back");
                text.clear();
            }
            Ok(StreamEvent::Alive) => {}
            Ok(StreamEvent::Ended(_)) | Err(_) => panic!("{event:?} is not the last"),
        }
    }
    match last {
        Ok(StreamEvent::Ended(end)) => {
            assert!(!text.trim().is_empty(), "a tip of nothing");
            assert!(is_plain(&end.model));
        }
        Ok(event) => panic!("{event:?} is the last"),
        Err(failure) => {
            assert!(failure.detail.len() <= 200);
            assert!(!failure.detail.chars().any(char::is_control));
            assert!(failure.attempt_id.as_deref().is_none_or(is_plain));
        }
    }
}
