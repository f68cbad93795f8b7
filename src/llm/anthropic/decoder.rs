//! Decodes the events of Anthropic's Messages API.
use std::collections::VecDeque;

use serde_json::Value;

use crate::{
    domain::{Completion, FailureKind, StreamEvent, Usage},
    llm::{
        decoder::{Decoder, meaning_of_stop},
        json::{self, count, name, reason, word},
        protocol_error::ProtocolError,
        provider_error,
        usage_counter::UsageCounter,
    },
};

/// Understands one message.
///
/// It is whole once a reason to stop came: that follows all text. That the body ended
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

    fn count(&mut self, counts: TokenCounts) {
        self.counter.report_input(counts.input);
        self.counter.report_output(counts.output);
    }

    /// The start of the message, which comes first and once: texts of two are not one tip. Some
    /// gateways send the same one twice.
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
        self.count(TokenCounts::of(message));
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
        events: &mut VecDeque<StreamEvent>,
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
        self.counter.text(&piece, events);
        Ok(())
    }

    /// Notes why the message stopped, if `delta` says so, and the token counts of `counted`.
    fn note_stop(&mut self, delta: Option<&Value>, counted: &Value) -> Result<(), ProtocolError> {
        let reason = delta.map_or(Ok(None), |delta| reason(delta, "stop_reason"))?;
        let counts = TokenCounts::of(counted);
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
        events: &mut VecDeque<StreamEvent>,
    ) -> Result<(), ProtocolError> {
        let text = json::text(message.get("content"))?;
        let accepted = self.begin(message)?;
        self.note_stop(Some(message), message)?;
        events.push_back(accepted);
        self.counter.text(&text, events);
        Ok(())
    }

    fn end(
        &mut self,
        events: &mut VecDeque<StreamEvent>,
        without_reason: FailureKind,
    ) -> Result<(), ProtocolError> {
        let Some(reason) = self.stop_reason.as_deref() else {
            let detail = "the answer ended without a reason to stop";
            return Err(ProtocolError::new(without_reason, detail));
        };
        let mut rest = VecDeque::new();
        self.counter.finish_text(&mut rest);
        let ending = Completion {
            stop: meaning_of_stop(reason, self.counter.has_text())?,
            usage: self.counter.usage(),
            model: self.model.clone(),
        };
        events.append(&mut rest);
        events.push_back(StreamEvent::Ended(ending));
        Ok(())
    }
}

impl Decoder for MessageDecoder {
    fn decode(
        &mut self,
        data: &str,
        events: &mut VecDeque<StreamEvent>,
    ) -> Result<(), ProtocolError> {
        let event = json::parse(data)?;
        if let Some(error) = provider_error::within(&event) {
            return Err(error);
        }
        match word(&event, "type") {
            Some("message_start") => {
                events.push_back(self.begin(event.get("message").unwrap_or(&Value::Null))?);
            }
            Some("content_block_start") => {
                self.block(&event, ("content_block", "text"), events)?;
            }
            Some("content_block_delta") => self.block(&event, ("delta", "text_delta"), events)?,
            Some("message_delta") => {
                self.note_stop(event.get("delta"), &event)?;
                events.push_back(StreamEvent::Alive);
            }
            Some("message_stop") => self.end(events, FailureKind::Malformed)?,
            Some("message") => self.whole(&event, events)?,
            // New types are added without a new version of the protocol, and are to be ignored.
            Some(_) | None => events.push_back(StreamEvent::Alive),
        }
        Ok(())
    }

    fn close(&mut self, events: &mut VecDeque<StreamEvent>) -> Result<(), ProtocolError> {
        self.end(events, FailureKind::Truncated)
    }

    fn is_complete(&self) -> bool {
        self.stop_reason.is_some()
    }

    fn usage(&self) -> Usage {
        self.counter.usage()
    }
}

/// Tokens, counted from the start of the message; any may be missing, or be no number.
#[derive(Clone, Copy, Debug, Default)]
struct TokenCounts {
    /// All that was read: what the provider's cache took and gave is counted apart.
    input: Option<u64>,
    output: Option<u64>,
}

impl TokenCounts {
    /// What a message, or an event, says under `usage`.
    fn of(message: &Value) -> Self {
        let Some(usage) = message.get("usage") else {
            return Self::default();
        };
        let cached = ["cache_creation_input_tokens", "cache_read_input_tokens"];
        let cached = cached.into_iter().filter_map(|name| count(usage, name));
        let cached = cached.fold(0, u64::saturating_add);
        let fresh = count(usage, "input_tokens");
        Self {
            input: fresh.map(|fresh| fresh.saturating_add(cached)),
            output: count(usage, "output_tokens"),
        }
    }
}
