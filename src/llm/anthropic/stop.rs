use crate::{
    domain::{FailureKind, Stop},
    llm::flaw::Flaw,
};

/// What a reason to stop says of a message, streamed or from a batch
/// (platform.claude.com/docs/en/build-with-claude/handling-stop-reasons).
pub(super) fn meaning(reason: &str, has_text: bool) -> Result<Stop, Flaw> {
    let whole = |stop| {
        let empty = || Flaw::new(FailureKind::Empty, "ended without text");
        has_text.then_some(stop).ok_or_else(empty)
    };
    let flaw = |kind, detail: &str| Err(Flaw::new(kind, detail));
    match reason {
        "end_turn" => whole(Stop::EndTurn),
        "stop_sequence" => whole(Stop::StopSequence),
        "max_tokens" => flaw(FailureKind::CutOff, "max_tokens"),
        "model_context_window_exceeded" => {
            flaw(FailureKind::CutOff, "model_context_window_exceeded")
        }
        "refusal" => flaw(FailureKind::Refused, "refusal"),
        // No tool was offered, so there is none to use and no turn to pause.
        _ => flaw(FailureKind::Malformed, "an unexpected reason to stop"),
    }
}
