//! What the decoders of all protocols have in common: their interface, and the reasons to stop.
use std::collections::VecDeque;

use super::protocol_error::ProtocolError;
use crate::domain::{FailureKind, Stop, StreamEvent, Usage};

/// Understands the events of one answer in one protocol: a state machine without any I/O.
pub(super) trait Decoder: Send + 'static {
    /// Takes the data of the next event, or a whole answer that is no stream, and adds what it means to `events`. When that is
    /// [`StreamEvent::Ended`], the tip is whole, and nothing more need be read.
    ///
    /// # Errors
    ///
    /// Why there will be no tip; nothing was added then.
    fn decode(
        &mut self,
        data: &str,
        events: &mut VecDeque<StreamEvent>,
    ) -> Result<(), ProtocolError>;

    /// Takes the end of the answer's body before that. Once a reason to stop came, the tip is
    /// whole all the same, and its end is added to `events`.
    ///
    /// # Errors
    ///
    /// Why there will be no tip.
    fn close(&mut self, events: &mut VecDeque<StreamEvent>) -> Result<(), ProtocolError>;

    /// Whether no text can be missing, even if the body does not end but breaks.
    fn is_complete(&self) -> bool;

    /// What the attempt cost so far.
    fn usage(&self) -> Usage;
}

/// What a reason to stop says of a text. Gateways pass on the words of the provider behind them, so
/// those of all protocols mean the same in each, in capitals or not
/// (platform.claude.com/docs/en/build-with-claude/handling-stop-reasons,
/// platform.openai.com/docs/api-reference/chat-streaming).
pub(super) fn meaning_of_stop(reason: &str, has_text: bool) -> Result<Stop, ProtocolError> {
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
    fn every_known_word_has_one_meaning_of_stop() {
        for word in ["end_turn", "stop", "STOP", "eos", "eos_token"] {
            assert_eq!(meaning_of_stop(word, true), Ok(Stop::EndTurn), "{word}");
            assert_eq!(
                meaning_of_stop(word, false).unwrap_err().kind,
                FailureKind::Empty
            );
        }
        assert_eq!(
            meaning_of_stop("stop_sequence", true),
            Ok(Stop::StopSequence)
        );
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
            assert_eq!(
                meaning_of_stop(word, true).unwrap_err().kind,
                kind,
                "{word}"
            );
        }
    }
}
