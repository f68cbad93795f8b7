//! Decodes the events of Anthropic's Messages API.
use std::collections::VecDeque;

use serde_json::Value;

use super::counts::Counts;
use crate::{
    domain::{Completion, FailureKind, StreamEvent, Usage},
    llm::{
        decoder::Decoder,
        json::{self, count, reason, word},
        name::name,
        protocol_error::ProtocolError,
        provider_error, stop,
        usage_counter::UsageCounter,
    },
};

/// Understands one message.
///
/// It is whole once a reason to stop was told: that comes after all text. That the body ended
/// proves nothing: connections are cut cleanly, too.
pub(in crate::llm) struct MessageDecoder {
    counter: UsageCounter,
    model: String,
    has_begun: bool,
    id: Option<String>,
    block: u64,
    stop_reason: Option<String>,
}

impl MessageDecoder {
    /// `model` is the one that was asked for, in case that the answer does not name one.
    pub(in crate::llm) fn new(counter: UsageCounter, model: String) -> Self {
        Self {
            counter,
            model,
            has_begun: false,
            id: None,
            block: 0,
            stop_reason: None,
        }
    }

    fn count(&mut self, counts: Counts) {
        self.counter.tell_input(counts.input);
        self.counter.tell_output(counts.output);
    }

    /// The start of the message, which comes first and once: texts of two are not one tip. Some
    /// gateways tell of the same one twice.
    fn begin(&mut self, message: &Value) -> Result<StreamEvent, ProtocolError> {
        let id = word(message, "id").and_then(name);
        if self.has_begun && self.id.is_some() && self.id == id {
            return Ok(StreamEvent::Alive);
        }
        if self.has_begun {
            let detail = "a message started within a message";
            return Err(ProtocolError::new(FailureKind::Malformed, detail));
        }
        self.has_begun = true;
        self.id.clone_from(&id);
        self.count(Counts::of(message));
        if let Some(model) = word(message, "model").and_then(name) {
            self.model = model;
        }
        Ok(StreamEvent::Accepted {
            attempt_id: id,
            usage: self.counter.usage(),
        })
    }

    /// What an event says of a block, under `part`; only text of the type `kind` is for the reader,
    /// not thoughts, signatures and calls of tools. Blocks come one after the other: text of an
    /// earlier one would stand in the wrong place.
    fn block(
        &mut self,
        event: &Value,
        (part, kind): (&str, &str),
        writings: &mut VecDeque<StreamEvent>,
    ) -> Result<(), ProtocolError> {
        let part = event
            .get(part)
            .filter(|part| word(part, "type") == Some(kind));
        let piece = json::text(part.and_then(|part| part.get("text")))?;
        if !piece.is_empty() {
            let block = count(event, "index").unwrap_or(self.block);
            if block < self.block {
                let detail = "text for a block that was over";
                return Err(ProtocolError::new(FailureKind::Malformed, detail));
            }
            (self.block, self.has_begun) = (block, true);
        }
        self.counter.text(&piece, writings);
        Ok(())
    }

    /// Notes why the message stopped, if `told` says so, and what `counted` says that it cost.
    fn note_stop(&mut self, told: Option<&Value>, counted: &Value) -> Result<(), ProtocolError> {
        let reason = told.map_or(Ok(None), |told| reason(told, "stop_reason"))?;
        let counts = Counts::of(counted);
        self.count(counts);
        if reason.is_some() && counts.output.is_some() {
            self.counter.close();
        }
        self.stop_reason = reason.or(self.stop_reason.take());
        Ok(())
    }

    /// A message that comes whole instead of as a stream.
    fn whole(
        &mut self,
        message: &Value,
        writings: &mut VecDeque<StreamEvent>,
    ) -> Result<(), ProtocolError> {
        let text = json::text(message.get("content"))?;
        let accepted = self.begin(message)?;
        self.note_stop(Some(message), message)?;
        writings.push_back(accepted);
        self.counter.text(&text, writings);
        Ok(())
    }

    fn end(
        &mut self,
        writings: &mut VecDeque<StreamEvent>,
        without_reason: FailureKind,
    ) -> Result<(), ProtocolError> {
        let Some(reason) = self.stop_reason.as_deref() else {
            let detail = "the answer ended without a reason to stop";
            return Err(ProtocolError::new(without_reason, detail));
        };
        let mut rest = VecDeque::new();
        self.counter.finish_text(&mut rest);
        let ending = Completion {
            stop: stop::meaning(reason, self.counter.has_text())?,
            usage: self.counter.usage(),
            model: self.model.clone(),
        };
        writings.append(&mut rest);
        writings.push_back(StreamEvent::Ended(ending));
        Ok(())
    }
}

impl Decoder for MessageDecoder {
    fn decode(
        &mut self,
        data: &str,
        writings: &mut VecDeque<StreamEvent>,
    ) -> Result<(), ProtocolError> {
        let event = json::parse(data)?;
        if let Some(error) = provider_error::within(&event) {
            return Err(error);
        }
        match word(&event, "type") {
            Some("message_start") => {
                writings.push_back(self.begin(event.get("message").unwrap_or(&Value::Null))?);
            }
            Some("content_block_start") => {
                self.block(&event, ("content_block", "text"), writings)?;
            }
            Some("content_block_delta") => self.block(&event, ("delta", "text_delta"), writings)?,
            Some("message_delta") => {
                self.note_stop(event.get("delta"), &event)?;
                writings.push_back(StreamEvent::Alive);
            }
            Some("message_stop") => self.end(writings, FailureKind::Malformed)?,
            Some("message") => self.whole(&event, writings)?,
            // New types are added without a new version of the protocol, and are to be ignored.
            Some(_) | None => writings.push_back(StreamEvent::Alive),
        }
        Ok(())
    }

    fn close(&mut self, writings: &mut VecDeque<StreamEvent>) -> Result<(), ProtocolError> {
        self.end(writings, FailureKind::Truncated)
    }

    fn is_complete(&self) -> bool {
        self.stop_reason.is_some()
    }

    fn usage(&self) -> Usage {
        self.counter.usage()
    }
}
