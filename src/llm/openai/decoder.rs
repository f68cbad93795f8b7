use std::collections::VecDeque;

use super::chunk::{Choice, Chunk, Counts};
use crate::{
    domain::{Ending, FailureKind, Stop, Usage, Writing},
    llm::{decoder::Decoder, fault::Fault, flaw::Flaw, name::name, tally::Tally},
};

/// What ends an answer; no JSON.
const DONE: &str = "[DONE]";

/// Understands one completion.
///
/// It is whole when a reason to finish was told, and then `[DONE]`, or the end of the body, which
/// is all that some servers send. Reading goes on after the reason: what it cost comes later.
pub(super) struct ChatDecoder {
    tally: Tally,
    model: String,
    was_accepted: bool,
    finish_reason: Option<String>,
    has_declined: bool,
}

impl ChatDecoder {
    /// `model` is the one that was asked for, in case that the answer does not name one.
    pub(super) fn new(tally: Tally, model: String) -> Self {
        Self {
            tally,
            model,
            was_accepted: false,
            finish_reason: None,
            has_declined: false,
        }
    }

    fn count(&mut self, counts: Counts) {
        self.tally.tell_input(counts.prompt_tokens);
        self.tally.tell_output(counts.completion_tokens);
        // Some servers count along; the last count is that of the whole answer.
        if self.finish_reason.is_some() {
            self.tally.close();
        }
    }

    fn choose(&mut self, choice: Choice) -> Writing {
        let delta = choice.delta.unwrap_or_default();
        self.has_declined |= delta.refusal.is_some_and(|refusal| !refusal.is_empty());
        self.finish_reason = choice.finish_reason.or(self.finish_reason.take());
        self.tally.text(&delta.content.unwrap_or_default())
    }

    fn verdict(&self) -> Result<Stop, Flaw> {
        let flaw = |kind, detail| Err(Flaw::new(kind, detail));
        let declined = || flaw(FailureKind::Refused, "the model declined");
        match self.finish_reason.as_deref() {
            None => flaw(
                FailureKind::Truncated,
                "the answer ended without a reason to finish",
            ),
            Some("length") => flaw(FailureKind::CutOff, "length"),
            Some("content_filter") => declined(),
            Some("stop") if self.has_declined => declined(),
            Some("stop") if self.tally.has_text() => Ok(Stop::EndTurn),
            Some("stop") => flaw(FailureKind::Empty, "ended without text"),
            // No tool was offered, so there is none to call.
            Some(_) => flaw(FailureKind::Malformed, "an unexpected reason to finish"),
        }
    }
}

impl Decoder for ChatDecoder {
    fn decode(&mut self, data: &str, writings: &mut VecDeque<Writing>) -> Result<(), Flaw> {
        if data.trim() == DONE {
            let ending = self.close()?;
            writings.push_back(Writing::Ended(ending));
            return Ok(());
        }
        let chunk: Chunk = serde_json::from_str(data).map_err(|error| Flaw::bad_json(&error))?;
        // Before the choices, which an error may bring as well.
        if let Some(error) = &chunk.error {
            return Err(Fault(error).into_flaw());
        }
        if let Some(model) = chunk.model.as_deref().and_then(name) {
            self.model = model;
        }
        if !self.was_accepted {
            self.was_accepted = true;
            writings.push_back(Writing::Accepted {
                attempt_id: chunk.id.as_deref().and_then(name),
                usage: self.tally.usage(),
            });
        }
        let counts = chunk.usage;
        let choice = chunk.into_choice();
        writings.push_back(choice.map_or(Writing::Alive, |choice| self.choose(choice)));
        if let Some(counts) = counts {
            self.count(counts);
        }
        Ok(())
    }

    fn close(&mut self) -> Result<Ending, Flaw> {
        let stop = self.verdict()?;
        Ok(Ending {
            stop,
            usage: self.tally.usage(),
            model: self.model.clone(),
        })
    }

    fn usage(&self) -> Usage {
        self.tally.usage()
    }
}
