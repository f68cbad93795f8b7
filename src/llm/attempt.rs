use std::collections::VecDeque;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryFutureExt, stream, stream::BoxStream};

use super::{TimeLimits, decoder::Decoder, endpoint::Endpoint, flaw::Flaw, sse, timing::Deadlines};
use crate::domain::{Usage, WriteFailure, Writing};

/// Sends `order` and decodes the answer. Nothing happens before the stream is read; dropping it
/// closes the connection.
pub(super) fn write(
    endpoint: Endpoint,
    order: Vec<u8>,
    decoder: impl Decoder,
) -> BoxStream<'static, Result<Writing, WriteFailure>> {
    open(endpoint, order, decoder).try_flatten_stream().boxed()
}

async fn open<D: Decoder>(
    endpoint: Endpoint,
    order: Vec<u8>,
    decoder: D,
) -> Result<impl Stream<Item = Result<Writing, WriteFailure>>, WriteFailure> {
    let limits = endpoint.limits();
    let deadlines = Deadlines::from_now(limits);
    let sent = deadlines.hold(endpoint.send(order)).await;
    // Whether a provider that is too slow to answer counts the order is not known.
    let sent = sent.map_err(|flaw| flaw.into_failure(None, decoder.usage()))?;
    let (head, body) = sent.map_err(|flaw| flaw.into_failure(None, Usage::default()))?;
    if head.is_event_stream() {
        return Ok(read(body, limits, deadlines, decoder, head.attempt_id()));
    }
    Err(head.refusal(body, endpoint.now()).await)
}

/// Decodes a body, within the limits, up to the protocol's own end or the one failure.
pub(super) fn read<D: Decoder>(
    body: impl Stream<Item = Result<Bytes, Flaw>> + Send + 'static,
    limits: TimeLimits,
    deadlines: Deadlines,
    decoder: D,
    attempt_id: Option<String>,
) -> impl Stream<Item = Result<Writing, WriteFailure>> + Send {
    let reading = Reading {
        events: sse::events(body, limits.idle).boxed(),
        deadlines,
        decoder,
        decoded: VecDeque::new(),
        attempt_id,
        has_ended: false,
    };
    stream::try_unfold(reading, |mut reading| async move {
        let writing = reading.next().await?;
        Ok(writing.map(|writing| (writing, reading)))
    })
}

struct Reading<D> {
    events: BoxStream<'static, Result<String, Flaw>>,
    deadlines: Deadlines,
    decoder: D,
    decoded: VecDeque<Writing>,
    attempt_id: Option<String>,
    has_ended: bool,
}

impl<D: Decoder> Reading<D> {
    async fn next(&mut self) -> Result<Option<Writing>, WriteFailure> {
        while self.decoded.is_empty() && !self.has_ended {
            let read = self.read_event().await;
            read.map_err(|flaw| flaw.into_failure(self.attempt_id.clone(), self.decoder.usage()))?;
        }
        let mut writing = self.decoded.pop_front();
        match &mut writing {
            Some(Writing::Accepted { attempt_id, .. }) => {
                // The header's name is the one that a provider's support asks for.
                self.attempt_id = self.attempt_id.take().or(attempt_id.take());
                attempt_id.clone_from(&self.attempt_id);
            }
            Some(Writing::Text(_)) => self.deadlines.note_text(),
            Some(Writing::Ended(_)) => self.has_ended = true,
            Some(Writing::Alive) | None => {}
        }
        Ok(writing)
    }

    async fn read_event(&mut self) -> Result<(), Flaw> {
        let Some(data) = self.deadlines.hold(self.events.next()).await? else {
            let ending = self.decoder.close()?;
            self.decoded.push_back(Writing::Ended(ending));
            return Ok(());
        };
        self.decoder.decode(&data?, &mut self.decoded)
    }
}
