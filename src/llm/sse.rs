//! Reads the events of a provider's response: server-sent events, or one JSON document.
use std::{future::ready, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::{
    Stream, StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use sse_stream::{Error, Sse, SseByteStream};

use super::protocol_error::ProtocolError;
use crate::domain::FailureKind;

/// The largest event, in bytes with its line ends. An event of a tip has some hundred bytes.
const EVENT_BYTES: usize = 256 * 1024;
/// The longest answer, in bytes. A tip of 4 096 tokens, one an event, has about one megabyte.
const STREAM_BYTES: usize = 4 * 1024 * 1024;

/// Most bytes of white space that may keep a connection alive before a whole answer comes.
const BLANK_BYTES: usize = 16 * 1024;

/// The data of every event in `body`, by the content policy of the HTML standard (section 9.2.6), or all of
/// it where it is JSON without events: gateways answer so with any content type and the status 200,
/// errors above all. The parser sets no limit to an event, so the bytes are counted before it sees
/// them.
///
/// Fails, and ends, when no byte comes for `idle`, an event or the whole is too large, text is
/// not UTF-8, or `body` fails. Data that its end cuts off is dropped.
pub(super) fn events(
    body: impl Stream<Item = Result<Bytes, ProtocolError>> + Send + 'static,
    idle: Duration,
) -> impl Stream<Item = Result<String, ProtocolError>> + Send + 'static {
    let bytes = measured(body, idle).boxed();
    stream::once(opened(bytes)).try_flatten()
}

/// Finds out by the first byte what an answer is: no line of an event stream that has a meaning
/// begins with a bracket of any kind.
async fn opened(
    mut bytes: BoxStream<'static, Result<Bytes, ProtocolError>>,
) -> Result<BoxStream<'static, Result<String, ProtocolError>>, ProtocolError> {
    let mut start = BytesMut::new();
    while start.trim_ascii_start().is_empty() && start.len() < BLANK_BYTES {
        let Some(chunk) = bytes.next().await.transpose()? else {
            break;
        };
        start.extend_from_slice(&chunk);
    }
    let first = start.trim_ascii_start().first().copied();
    let bytes = stream::iter([Ok(start.freeze())]).chain(bytes);
    match first {
        Some(b'{' | b'[') => Ok(stream::once(whole(bytes)).boxed()),
        Some(b'<') => Err(ProtocolError::new(
            FailureKind::Malformed,
            "the answer is a page",
        )),
        Some(_) | None => {
            let parsed = SseByteStream::new(bytes.boxed());
            let data = parsed
                .filter_map(|event| ready(event.map_err(protocol_error).map(data).transpose()));
            Ok(data.boxed())
        }
    }
}

async fn whole(
    bytes: impl Stream<Item = Result<Bytes, ProtocolError>>,
) -> Result<String, ProtocolError> {
    let bytes: Vec<u8> = bytes.map_ok(Vec::from).try_concat().await?;
    let malformed = |_| ProtocolError::new(FailureKind::Malformed, "the answer is not UTF-8");
    String::from_utf8(bytes).map_err(malformed)
}

fn measured(
    body: impl Stream<Item = Result<Bytes, ProtocolError>> + Send + 'static,
    idle: Duration,
) -> impl Stream<Item = Result<Bytes, ProtocolError>> + Send + 'static {
    let start = (Box::pin(body), Measure::default());
    stream::try_unfold(start, move |(mut body, mut measure)| async move {
        let chunk = tokio::time::timeout(idle, body.next()).await;
        let silence = |_| ProtocolError::new(FailureKind::TooSlow, "the answer fell silent");
        let Some(chunk) = chunk.map_err(silence)?.transpose()? else {
            return Ok(None);
        };
        measure.add(&chunk)?;
        Ok(Some((chunk, (body, measure))))
    })
}

fn data(event: Sse) -> Option<String> {
    event.data.filter(|data| !data.is_empty())
}

fn protocol_error(error: Error) -> ProtocolError {
    let malformed = |detail| ProtocolError::new(FailureKind::Malformed, detail);
    match error {
        Error::Body(error) => match error.downcast::<ProtocolError>() {
            Ok(error) => *error,
            Err(_) => malformed("the answer cannot be read"),
        },
        Error::Utf8Parse(_) => malformed("the answer is not UTF-8"),
        Error::UnknownField | _ => malformed("the answer is no event stream"),
    }
}

/// Sizes so far. An event ends with an empty line; a line ends with LF, CR or both.
#[derive(Debug, Default)]
struct Measure {
    stream_bytes: usize,
    event_bytes: usize,
    is_line_empty: bool,
    is_after_cr: bool,
}

impl Measure {
    fn add(&mut self, chunk: &[u8]) -> Result<(), ProtocolError> {
        self.stream_bytes += chunk.len();
        if self.stream_bytes > STREAM_BYTES {
            return Err(ProtocolError::new(
                FailureKind::CutOff,
                "the answer has no end",
            ));
        }
        for byte in chunk {
            self.event_bytes += 1;
            if self.event_bytes > EVENT_BYTES {
                return Err(ProtocolError::new(
                    FailureKind::Malformed,
                    "an event has no end",
                ));
            }
            match byte {
                b'\n' if self.is_after_cr => self.is_after_cr = false,
                b'\n' | b'\r' => {
                    if self.is_line_empty {
                        self.event_bytes = 0;
                    }
                    self.is_line_empty = true;
                    self.is_after_cr = *byte == b'\r';
                }
                _ => (self.is_line_empty, self.is_after_cr) = (false, false),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "sse_tests.rs"]
mod tests;
