use std::{future::ready, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use sse_stream::{Error, Sse, SseByteStream};

use super::flaw::Flaw;
use crate::domain::FailureKind;

/// The largest event, in bytes with its line ends. An event of a tip has some hundred bytes.
const EVENT_BYTES: usize = 256 * 1024;
/// The longest answer, in bytes. A tip of 4 096 tokens, one an event, has about one megabyte.
const STREAM_BYTES: usize = 4 * 1024 * 1024;

/// The data of every event in `body`, by the rules of the HTML standard (section 9.2.6). The
/// parser sets no limit to an event, so the bytes are counted before it sees them.
///
/// Fails, and ends, when no byte comes for `idle`, an event or the whole is too large, text is
/// not UTF-8, or `body` fails. Data that its end cuts off is dropped.
pub(super) fn events(
    body: impl Stream<Item = Result<Bytes, Flaw>> + Send + 'static,
    idle: Duration,
) -> impl Stream<Item = Result<String, Flaw>> + Send + 'static {
    let parsed = SseByteStream::new(Box::pin(measured(body, idle)));
    parsed.filter_map(|event| ready(event.map_err(flaw).map(data).transpose()))
}

fn measured(
    body: impl Stream<Item = Result<Bytes, Flaw>> + Send + 'static,
    idle: Duration,
) -> impl Stream<Item = Result<Bytes, Flaw>> + Send + 'static {
    let start = (Box::pin(body), Measure::default());
    stream::try_unfold(start, move |(mut body, mut measure)| async move {
        let chunk = tokio::time::timeout(idle, body.next()).await;
        let silence = |_| Flaw::new(FailureKind::TooSlow, "the answer fell silent");
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

fn flaw(error: Error) -> Flaw {
    let malformed = |detail| Flaw::new(FailureKind::Malformed, detail);
    match error {
        Error::Body(error) => match error.downcast::<Flaw>() {
            Ok(flaw) => *flaw,
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
    fn add(&mut self, chunk: &[u8]) -> Result<(), Flaw> {
        self.stream_bytes += chunk.len();
        if self.stream_bytes > STREAM_BYTES {
            return Err(Flaw::new(FailureKind::CutOff, "the answer has no end"));
        }
        for byte in chunk {
            self.event_bytes += 1;
            if self.event_bytes > EVENT_BYTES {
                return Err(Flaw::new(FailureKind::Malformed, "an event has no end"));
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
