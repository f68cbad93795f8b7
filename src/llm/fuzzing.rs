//! What the targets in `fuzz/` try of this module: how it reads what providers send.
//!
//! It is always compiled, so that the targets are built from the same crate as all tests. The product calls none of it.
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, StatusCode};

use super::{
    ProviderProtocol, TimeLimits, anthropic::MessageDecoder, attempt, openai::ChatDecoder,
    protocol_error::ProtocolError, refusal::Head, sse, thoughts::ThinkingHabit, timing::Deadlines,
    untrusted, usage_counter::UsageCounter,
};
use crate::domain::{FailureKind, Prompt, StreamEvent, UnixMicros, WriteFailure};

const LONG: Duration = Duration::from_hours(1);
const LIMITS: TimeLimits = TimeLimits {
    connect: LONG,
    first_text: LONG,
    idle: LONG,
    text_idle: LONG,
    total: LONG,
};

fn body(
    pieces: Vec<Bytes>,
) -> impl futures_util::Stream<Item = Result<Bytes, ProtocolError>> + Send + 'static {
    stream::iter(pieces.into_iter().map(Ok))
}

/// The events of an answer whose body comes in these pieces.
pub async fn events(pieces: Vec<Bytes>) -> Vec<Result<String, FailureKind>> {
    let events = sse::events(body(pieces), LONG);
    events
        .map(|event| event.map_err(|error| error.kind))
        .collect()
        .await
}

/// What an answer with the status 200, whose body comes in these pieces, means for a tip.
pub async fn answer(
    protocol: ProviderProtocol,
    pieces: Vec<Bytes>,
) -> Vec<Result<StreamEvent, WriteFailure>> {
    let prompt = Prompt {
        system: String::new(),
        user: String::new(),
    };
    let counter = UsageCounter::of(&prompt, &ThinkingHabit::default());
    let (model, deadlines) = ("model".to_owned(), Deadlines::from_now(LIMITS));
    match protocol {
        ProviderProtocol::Anthropic => {
            let decoder = MessageDecoder::new(counter, model);
            let read = attempt::read(body(pieces), LIMITS, deadlines, decoder, None);
            read.collect().await
        }
        ProviderProtocol::OpenAi => {
            let decoder = ChatDecoder::new(counter, model);
            let read = attempt::read(body(pieces), LIMITS, deadlines, decoder, None);
            read.collect().await
        }
    }
}

/// What an answer that is no success means.
pub async fn refusal(
    status: StatusCode,
    headers: HeaderMap,
    text: Bytes,
    now: UnixMicros,
) -> WriteFailure {
    let head = Head { status, headers };
    head.refusal(body(vec![text]), now).await
}

/// Text of others, made fit for a prompt and put between tags.
#[must_use]
pub fn delimited(text: &str, max_chars: usize) -> String {
    untrusted::delimit(&untrusted::sanitize(text, max_chars))
}
