//! Decodes the chunks of OpenAI's chat completions.
use std::collections::VecDeque;

use serde_json::Value;

use crate::{
    domain::{Completion, FailureKind, Stop, StreamEvent, Usage},
    llm::{
        decoder::{Decoder, meaning_of_stop},
        json::{self, count, name, reason, word},
        protocol_error::ProtocolError,
        provider_error,
        usage_counter::UsageCounter,
    },
};

/// What ends an answer; no JSON.
const DONE: &str = "[DONE]";

/// Understands one completion.
///
/// It is whole when a reason to finish came. Reading goes on up to `[DONE]`, or to the end of
/// the body, which is all that some servers send: what it cost comes later.
pub(in crate::llm) struct ChatDecoder {
    counter: UsageCounter,
    model: String,
    was_accepted: bool,
    finish_reason: Option<String>,
    has_declined: bool,
}

impl ChatDecoder {
    /// `model` is the one that was asked for, in case that the answer does not name one.
    pub(in crate::llm) fn new(counter: UsageCounter, model: String) -> Self {
        Self {
            counter,
            model,
            was_accepted: false,
            finish_reason: None,
            has_declined: false,
        }
    }

    fn accept(&mut self, event: &Value, events: &mut VecDeque<StreamEvent>) {
        if let Some(model) = word(event, "model").and_then(name) {
            self.model = model;
        }
        if !self.was_accepted {
            self.was_accepted = true;
            events.push_back(StreamEvent::Accepted {
                attempt_id: word(event, "id").and_then(name),
                usage: self.counter.usage(),
            });
        }
    }

    /// Notes why it finished, if `choice` says so, and returns its text. A whole answer has a message
    /// where a stream has a delta.
    fn choose(&mut self, choice: &Value) -> Result<String, ProtocolError> {
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
        self.counter.report_input(count(usage, "prompt_tokens"));
        self.counter.report_output(output);
        // Some servers count along; the last count is that of the whole answer.
        if self.finish_reason.is_some() && output.is_some() {
            self.counter.close();
        }
    }

    fn verdict(&self) -> Result<Stop, ProtocolError> {
        let Some(reason) = self.finish_reason.as_deref() else {
            let detail = "the answer ended without a reason to finish";
            return Err(ProtocolError::new(FailureKind::Truncated, detail));
        };
        match meaning_of_stop(reason, self.counter.has_text()) {
            Ok(_) if self.has_declined => Err(declined()),
            Err(error) if self.has_declined && error.kind == FailureKind::Empty => Err(declined()),
            verdict => verdict,
        }
    }
}

fn declined() -> ProtocolError {
    ProtocolError::new(FailureKind::Refused, "the model declined")
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
    fn decode(
        &mut self,
        data: &str,
        events: &mut VecDeque<StreamEvent>,
    ) -> Result<(), ProtocolError> {
        if data.trim() == DONE {
            return self.close(events);
        }
        let event = json::parse(data)?;
        let choice = choice_of(&event);
        // Before the choice, which an error may bring as well, or stand in.
        if let Some(error) =
            provider_error::within(&event).or_else(|| provider_error::within(choice?))
        {
            return Err(error);
        }
        let text = choice.map_or(Ok(String::new()), |choice| self.choose(choice))?;
        self.accept(&event, events);
        self.counter.text(&text, events);
        if let Some(usage) = event.get("usage") {
            self.count(usage);
        }
        Ok(())
    }

    fn close(&mut self, events: &mut VecDeque<StreamEvent>) -> Result<(), ProtocolError> {
        let mut rest = VecDeque::new();
        if self.finish_reason.is_some() {
            self.counter.finish_text(&mut rest);
        }
        let ending = Completion {
            stop: self.verdict()?,
            usage: self.counter.usage(),
            model: self.model.clone(),
        };
        events.append(&mut rest);
        events.push_back(StreamEvent::Ended(ending));
        Ok(())
    }

    /// A reason alone is too little: some servers send one with every piece of text.
    fn is_complete(&self) -> bool {
        self.counter.is_closed()
    }

    fn usage(&self) -> Usage {
        self.counter.usage()
    }
}
