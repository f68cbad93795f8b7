//! Reasons to stop, in the words of all protocols.
use super::protocol_error::ProtocolError;
use crate::domain::{FailureKind, Stop};

/// What a reason to stop says of a text. Gateways pass on the words of whoever is behind them, so
/// those of all protocols mean the same in each, in capitals or not
/// (platform.claude.com/docs/en/build-with-claude/handling-stop-reasons,
/// platform.openai.com/docs/api-reference/chat-streaming).
pub(super) fn meaning(reason: &str, has_text: bool) -> Result<Stop, ProtocolError> {
    let whole = |stop| {
        let empty = || ProtocolError::new(FailureKind::Empty, "ended without text");
        has_text.then_some(stop).ok_or_else(empty)
    };
    let error = |kind, detail| Err(ProtocolError::new(kind, detail));
    match reason.to_ascii_lowercase().as_str() {
        "end_turn" | "stop" | "eos" | "eos_token" => whole(Stop::EndTurn),
        "stop_sequence" => whole(Stop::StopSequence),
        "length" | "max_tokens" => error(FailureKind::CutOff, "the limit of tokens"),
        "model_context_window_exceeded" => error(FailureKind::CutOff, "the model's own limit"),
        "refusal" | "content_filter" | "content_filtered" | "guardrail_intervened" => {
            error(FailureKind::Refused, "the model or a filter declined")
        }
        // No tool was offered, so there is none to use and no turn to pause.
        _ => error(FailureKind::Malformed, "an unexpected reason to stop"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_word_has_one_meaning() {
        for word in ["end_turn", "stop", "STOP", "eos", "eos_token"] {
            assert_eq!(meaning(word, true), Ok(Stop::EndTurn), "{word}");
            assert_eq!(meaning(word, false).unwrap_err().kind, FailureKind::Empty);
        }
        assert_eq!(meaning("stop_sequence", true), Ok(Stop::StopSequence));
        for (word, kind) in [
            ("length", FailureKind::CutOff),
            ("MAX_TOKENS", FailureKind::CutOff),
            ("model_context_window_exceeded", FailureKind::CutOff),
            ("refusal", FailureKind::Refused),
            ("content_filter", FailureKind::Refused),
            ("content_filtered", FailureKind::Refused),
            ("guardrail_intervened", FailureKind::Refused),
            ("tool_calls", FailureKind::Malformed),
            ("whatever", FailureKind::Malformed),
        ] {
            assert_eq!(meaning(word, true).unwrap_err().kind, kind, "{word}");
        }
    }
}
