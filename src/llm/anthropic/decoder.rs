use std::collections::VecDeque;

use super::{
    event::{Block, Counts, Delta, Event, Message},
    stop,
};
use crate::{
    domain::{Ending, FailureKind, Stop, Usage, Writing},
    llm::{decoder::Decoder, fault::Fault, flaw::Flaw, name::name, tally::Tally},
};

/// Understands one message.
///
/// It is whole when `message_stop` came and a reason to stop was told before. That the body ended
/// proves nothing: connections are cut cleanly, too.
pub(in crate::llm) struct MessageDecoder {
    tally: Tally,
    model: String,
    has_begun: bool,
    block: u64,
    stop_reason: Option<String>,
}

impl MessageDecoder {
    /// `model` is the one that was asked for, in case that the answer does not name one.
    pub(in crate::llm) fn new(tally: Tally, model: String) -> Self {
        Self {
            tally,
            model,
            has_begun: false,
            block: 0,
            stop_reason: None,
        }
    }

    fn count(&mut self, counts: Option<Counts>) {
        let counts = counts.unwrap_or_default();
        self.tally.tell_input(counts.input());
        self.tally.tell_output(counts.output);
    }

    /// The start of the message, which comes first and once: texts of two are not one tip.
    fn begin(&mut self, message: &Message) -> Result<Writing, Flaw> {
        if self.has_begun {
            let detail = "a message started within a message";
            return Err(Flaw::new(FailureKind::Malformed, detail));
        }
        self.has_begun = true;
        self.count(message.usage);
        if let Some(model) = message.model.as_deref().and_then(name) {
            self.model = model;
        }
        Ok(Writing::Accepted {
            attempt_id: message.id.as_deref().and_then(name),
            usage: self.tally.usage(),
        })
    }

    /// Text of the block with this number. Blocks come one after the other; text of an earlier
    /// one would stand in the wrong place.
    fn text(&mut self, block: u64, piece: &str) -> Result<Writing, Flaw> {
        if block < self.block {
            let detail = "text for a block that was over";
            return Err(Flaw::new(FailureKind::Malformed, detail));
        }
        (self.block, self.has_begun) = (block, true);
        Ok(self.tally.text(piece))
    }

    /// What the reason to stop says; nothing before there is one.
    fn verdict(&self) -> Option<Result<Stop, Flaw>> {
        let reason = self.stop_reason.as_deref()?;
        Some(stop::meaning(reason, self.tally.has_text()))
    }

    fn end(&mut self) -> Result<Writing, Flaw> {
        let without = || {
            let detail = "message_stop without a reason to stop";
            Err(Flaw::new(FailureKind::Malformed, detail))
        };
        let stop = self.verdict().unwrap_or_else(without)?;
        Ok(Writing::Ended(Ending {
            stop,
            usage: self.tally.usage(),
            model: self.model.clone(),
        }))
    }
}

impl Decoder for MessageDecoder {
    fn decode(&mut self, data: &str, writings: &mut VecDeque<Writing>) -> Result<(), Flaw> {
        let event = serde_json::from_str(data).map_err(|error| Flaw::bad_json(&error))?;
        let writing = match event {
            Event::MessageStart { message } => self.begin(&message)?,
            Event::ContentBlockStart {
                index,
                content_block: Block::Text { text },
            }
            | Event::ContentBlockDelta {
                index,
                delta: Delta::TextDelta { text },
            } => self.text(index, &text)?,
            Event::MessageDelta { delta, usage } => {
                self.count(usage);
                if delta.stop_reason.is_some() {
                    self.stop_reason = delta.stop_reason;
                    self.tally.close();
                }
                Writing::Alive
            }
            Event::MessageStop => self.end()?,
            Event::Error { error } => return Err(Fault(&error).into_flaw()),
            Event::ContentBlockStart { .. } | Event::ContentBlockDelta { .. } | Event::Other => {
                Writing::Alive
            }
        };
        writings.push_back(writing);
        Ok(())
    }

    fn close(&mut self) -> Result<Ending, Flaw> {
        if let Some(Err(flaw)) = self.verdict() {
            return Err(flaw);
        }
        let detail = "the answer ended before message_stop";
        Err(Flaw::new(FailureKind::Truncated, detail))
    }

    fn usage(&self) -> Usage {
        self.tally.usage()
    }
}
