use serde_json::Value;

use super::{
    batch_wire::{Line, LineResult},
    counts::Counts,
};
use crate::{
    domain::{BatchOutcome, BatchResult, Ending, FailureKind, Stop, Usage, WriteFailure},
    llm::{
        fault::Fault,
        flaw::Flaw,
        json::{self, reason, word},
        name::name,
        stop,
        thoughts::without_thoughts,
    },
};

/// Reads one line of the results; `model` is the one that was asked for.
pub(super) fn read(line: &[u8], model: &str) -> Result<BatchResult, Flaw> {
    let line: Line = serde_json::from_slice(line).map_err(|error| Flaw::bad_json(&error))?;
    let outcome = match line.result {
        LineResult::Succeeded { message } => written(&message, model),
        LineResult::Errored { error } => BatchOutcome::Failed(failed(&error)),
        LineResult::Canceled => BatchOutcome::Canceled,
        LineResult::Expired => BatchOutcome::Expired,
    };
    Ok(BatchResult {
        custom_id: line.custom_id,
        outcome,
    })
}

/// A message is a tip when it says why it stopped, and has text.
fn written(message: &Value, model: &str) -> BatchOutcome {
    let counts = Counts::of(message);
    let usage = Usage {
        input_tokens: counts.input.unwrap_or(0),
        output_tokens: counts.output.unwrap_or(0),
        is_estimated: counts.input.is_none() || counts.output.is_none(),
    };
    match text_of(message) {
        Ok((text, stop)) => BatchOutcome::Written(
            text,
            Ending {
                stop,
                usage,
                model: word(message, "model")
                    .and_then(name)
                    .unwrap_or_else(|| model.to_owned()),
            },
        ),
        Err(flaw) => BatchOutcome::Failed(flaw.into_failure(None, usage)),
    }
}

fn text_of(message: &Value) -> Result<(String, Stop), Flaw> {
    let text = without_thoughts(&json::text(message.get("content"))?);
    let without = || Flaw::new(FailureKind::Malformed, "a message without a reason to stop");
    let reason = reason(message, "stop_reason")?.ok_or_else(without)?;
    let stop = stop::meaning(&reason, !text.is_empty())?;
    Ok((text, stop))
}

/// An order that failed costs nothing. Its error stands in an envelope, as that of a call does.
fn failed(error: &Value) -> WriteFailure {
    let error = error.get("error").unwrap_or(error);
    let (kind, word) = Fault(error)
        .kind()
        .unwrap_or((FailureKind::ServerFault, "an error of an unknown type"));
    Flaw::new(kind, word).into_failure(None, Usage::default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::Stop;

    fn read_one(result: &Value) -> BatchOutcome {
        let line = json!({"custom_id": "a-1", "result": result}).to_string();
        let result = read(line.as_bytes(), "asked-for").unwrap();
        assert_eq!(result.custom_id, "a-1");
        result.outcome
    }

    fn message(stop_reason: &Value, content: &Value) -> BatchOutcome {
        read_one(&json!({"type": "succeeded", "message": {
            "id": "msg_1", "type": "message", "model": "model-1", "content": content,
            "stop_reason": stop_reason,
            "usage": {"input_tokens": 7, "cache_read_input_tokens": 2, "output_tokens": 5}}}))
    }

    #[test]
    fn a_message_that_is_whole_is_a_text_with_its_cost() {
        let content = json!([{"type": "thinking", "thinking": "x"},
            {"type": "text", "text": "\n Be"}, {"type": "text", "text": " kind."}]);
        let BatchOutcome::Written(text, ending) = message(&json!("end_turn"), &content) else {
            panic!("it is no text");
        };
        assert_eq!(text, "Be kind.");
        assert_eq!(
            (ending.stop, ending.model.as_str()),
            (Stop::EndTurn, "model-1")
        );
        assert_eq!(
            (ending.usage.input_tokens, ending.usage.output_tokens),
            (9, 5)
        );
        assert!(!ending.usage.is_estimated);
    }

    #[test]
    fn thoughts_are_left_out_of_a_message() {
        let content = json!([{"type": "text", "text": "<think>Why?</think>\n\nBe kind."}]);
        let BatchOutcome::Written(text, _) = message(&json!("end_turn"), &content) else {
            panic!("it is no text");
        };
        assert_eq!(text, "Be kind.");
    }

    #[test]
    fn a_message_that_is_not_whole_is_a_failure_that_costs() {
        let text = json!([{"type": "text", "text": "Be kind."}]);
        for (reason, content, kind) in [
            (json!("max_tokens"), &text, FailureKind::CutOff),
            (json!("refusal"), &text, FailureKind::Refused),
            (json!("tool_use"), &text, FailureKind::Malformed),
            (json!(null), &text, FailureKind::Malformed),
            (json!("end_turn"), &json!([]), FailureKind::Empty),
            (
                json!("end_turn"),
                &json!([{"type": "text", "text": " "}]),
                FailureKind::Empty,
            ),
        ] {
            let BatchOutcome::Failed(failure) = message(&reason, content) else {
                panic!("{reason} is no failure");
            };
            assert_eq!(
                (failure.kind, failure.usage.output_tokens),
                (kind, 5),
                "{reason}"
            );
        }
    }

    #[test]
    fn what_was_not_written_says_why_and_costs_nothing() {
        let invalid = json!({"type": "errored", "error": {"type": "error",
            "error": {"type": "invalid_request_error", "message": "a secret"}}});
        let flat = json!({"type": "errored", "error": {"type": "overloaded_error"}});
        for (result, kind) in [
            (invalid, FailureKind::Rejected),
            (flat, FailureKind::Overloaded),
        ] {
            let BatchOutcome::Failed(failure) = read_one(&result) else {
                panic!("{result} is no failure");
            };
            assert_eq!((failure.kind, failure.usage), (kind, Usage::default()));
            assert!(!failure.to_string().contains("secret"));
        }
        assert_eq!(read_one(&json!({"type": "expired"})), BatchOutcome::Expired);
        assert_eq!(
            read_one(&json!({"type": "canceled"})),
            BatchOutcome::Canceled
        );
    }

    #[test]
    fn a_line_that_is_none_is_a_flaw() {
        for line in ["{}", "no", r#"{"custom_id":"a","result":{"type":"new"}}"#] {
            assert!(read(line.as_bytes(), "m").is_err(), "{line}");
        }
    }
}
