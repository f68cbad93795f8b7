use std::collections::VecDeque;

use serde_json::Value;

use crate::{
    domain::{Ending, FailureKind, Stop, Usage, Writing},
    llm::{
        decoder::Decoder,
        fault,
        flaw::Flaw,
        json::{self, count, reason, word},
        name::name,
        stop,
        tally::Tally,
    },
};

/// What ends an answer; no JSON.
const DONE: &str = "[DONE]";

/// Understands one completion.
///
/// It is whole when a reason to finish was told. Reading goes on up to `[DONE]`, or to the end of
/// the body, which is all that some servers send: what it cost comes later.
pub(in crate::llm) struct ChatDecoder {
    tally: Tally,
    model: String,
    was_accepted: bool,
    finish_reason: Option<String>,
    has_declined: bool,
}

impl ChatDecoder {
    /// `model` is the one that was asked for, in case that the answer does not name one.
    pub(in crate::llm) fn new(tally: Tally, model: String) -> Self {
        Self {
            tally,
            model,
            was_accepted: false,
            finish_reason: None,
            has_declined: false,
        }
    }

    fn accept(&mut self, event: &Value, writings: &mut VecDeque<Writing>) {
        if let Some(model) = word(event, "model").and_then(name) {
            self.model = model;
        }
        if !self.was_accepted {
            self.was_accepted = true;
            writings.push_back(Writing::Accepted {
                attempt_id: word(event, "id").and_then(name),
                usage: self.tally.usage(),
            });
        }
    }

    /// Notes why it finished, if `choice` says so, and tells its text. A whole answer has a message
    /// where a stream has a delta.
    fn choose(&mut self, choice: &Value) -> Result<String, Flaw> {
        let message = choice.get("delta").or_else(|| choice.get("message"));
        let said = |name| json::text(message.and_then(|message| message.get(name)));
        let (text, refusal) = (said("content")?, said("refusal")?);
        let reason = reason(choice, "finish_reason")?;
        self.has_declined |= !refusal.is_empty();
        self.finish_reason = reason.or(self.finish_reason.take());
        Ok(text)
    }

    fn count(&mut self, usage: &Value) {
        let output = count(usage, "completion_tokens");
        self.tally.tell_input(count(usage, "prompt_tokens"));
        self.tally.tell_output(output);
        // Some servers count along; the last count is that of the whole answer.
        if self.finish_reason.is_some() && output.is_some() {
            self.tally.close();
        }
    }

    fn verdict(&self) -> Result<Stop, Flaw> {
        let Some(reason) = self.finish_reason.as_deref() else {
            let detail = "the answer ended without a reason to finish";
            return Err(Flaw::new(FailureKind::Truncated, detail));
        };
        match stop::meaning(reason, self.tally.has_text()) {
            Ok(_) if self.has_declined => Err(declined()),
            Err(flaw) if self.has_declined && flaw.kind == FailureKind::Empty => Err(declined()),
            verdict => verdict,
        }
    }
}

fn declined() -> Flaw {
    Flaw::new(FailureKind::Refused, "the model declined")
}

/// The one answer that was asked for; some events have none. Some servers count something else
/// than answers, so a choice that is alone is ours whatever its number.
fn choice_of(event: &Value) -> Option<&Value> {
    let choices = event.get("choices")?.as_array()?;
    match choices.as_slice() {
        [choice] => Some(choice),
        choices => {
            let is_first = |choice: &&Value| count(choice, "index").unwrap_or(0) == 0;
            choices.iter().find(is_first)
        }
    }
}

impl Decoder for ChatDecoder {
    fn decode(&mut self, data: &str, writings: &mut VecDeque<Writing>) -> Result<(), Flaw> {
        if data.trim() == DONE {
            return self.close(writings);
        }
        let event = json::parse(data)?;
        let choice = choice_of(&event);
        // Before the choice, which an error may bring as well, or stand in.
        if let Some(flaw) = fault::within(&event).or_else(|| fault::within(choice?)) {
            return Err(flaw);
        }
        let text = choice.map_or(Ok(String::new()), |choice| self.choose(choice))?;
        self.accept(&event, writings);
        self.tally.text(&text, writings);
        if let Some(usage) = event.get("usage") {
            self.count(usage);
        }
        Ok(())
    }

    fn close(&mut self, writings: &mut VecDeque<Writing>) -> Result<(), Flaw> {
        let mut rest = VecDeque::new();
        if self.finish_reason.is_some() {
            self.tally.finish_text(&mut rest);
        }
        let ending = Ending {
            stop: self.verdict()?,
            usage: self.tally.usage(),
            model: self.model.clone(),
        };
        writings.append(&mut rest);
        writings.push_back(Writing::Ended(ending));
        Ok(())
    }

    /// A reason alone is too little: some servers send one with every piece of text.
    fn is_complete(&self) -> bool {
        self.tally.is_closed()
    }

    fn usage(&self) -> Usage {
        self.tally.usage()
    }
}
