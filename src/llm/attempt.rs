//! One request to a provider, as a stream of events with time limits.
use std::collections::VecDeque;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryFutureExt, stream, stream::BoxStream};
use http::StatusCode;

use super::{
    TimeLimits, decoder::Decoder, endpoint::Endpoint, protocol_error::ProtocolError,
    refusal::first_of, request_fields::HttpRequest, sse, timing::Deadlines,
};
use crate::domain::{FailureKind, StreamEvent, Usage, WriteFailure};

/// Sends `request` and decodes the answer. Nothing happens before the stream is read; dropping it
/// closes the connection.
pub(super) fn write(
    endpoint: Endpoint,
    request: HttpRequest,
    decoder: impl Decoder,
) -> BoxStream<'static, Result<StreamEvent, WriteFailure>> {
    open(endpoint, request, decoder)
        .try_flatten_stream()
        .boxed()
}

async fn open<D: Decoder>(
    endpoint: Endpoint,
    request: HttpRequest,
    decoder: D,
) -> Result<impl Stream<Item = Result<StreamEvent, WriteFailure>>, WriteFailure> {
    let limits = endpoint.limits();
    let deadlines = Deadlines::from_now(limits);
    let sent = deadlines.run_within(endpoint.send(request.body)).await;
    // Whether a provider that is too slow to answer charges for the request is not known.
    let sent = sent.map_err(|error| error.into_failure(None, decoder.usage()))?;
    let (head, body) = sent.map_err(|error| error.into_failure(None, Usage::default()))?;
    if head.status == StatusCode::OK {
        return Ok(read(body, limits, deadlines, decoder, head.attempt_id()));
    }
    if !matches!(head.status.as_u16(), 400 | 422) {
        return Err(head.refusal(body, endpoint.now()).await);
    }
    let answer = first_of(body).await;
    let is_learnt = request.fields.learn(&request.sent, &answer);
    let mut failure = head
        .refusal(stream::iter([Ok(answer)]), endpoint.now())
        .await;
    if failure.kind == FailureKind::Denied {
        endpoint.note_denial();
    }
    if is_learnt {
        // Without the field it is another request.
        failure.should_retry = Some(true);
    }
    Err(failure)
}

/// Decodes a body, within the limits, up to the protocol's own end or the one failure.
pub(super) fn read<D: Decoder>(
    body: impl Stream<Item = Result<Bytes, ProtocolError>> + Send + 'static,
    limits: TimeLimits,
    deadlines: Deadlines,
    decoder: D,
    attempt_id: Option<String>,
) -> impl Stream<Item = Result<StreamEvent, WriteFailure>> + Send {
    let reader = AnswerReader {
        events: sse::events(body, limits.idle).boxed(),
        deadlines,
        decoder,
        decoded: VecDeque::new(),
        attempt_id,
        has_ended: false,
    };
    stream::try_unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Ok(event.map(|event| (event, reader)))
    })
}

struct AnswerReader<D> {
    events: BoxStream<'static, Result<String, ProtocolError>>,
    deadlines: Deadlines,
    decoder: D,
    decoded: VecDeque<StreamEvent>,
    attempt_id: Option<String>,
    has_ended: bool,
}

impl<D: Decoder> AnswerReader<D> {
    async fn next(&mut self) -> Result<Option<StreamEvent>, WriteFailure> {
        while self.decoded.is_empty() && !self.has_ended {
            if let Err(error) = self.read_event().await {
                self.forgive(error)?;
            }
        }
        let mut event = self.decoded.pop_front();
        match &mut event {
            Some(StreamEvent::Accepted { attempt_id, .. }) => {
                // The header's name is the one that a provider's support asks for.
                self.attempt_id = self.attempt_id.take().or(attempt_id.take());
                attempt_id.clone_from(&self.attempt_id);
            }
            Some(StreamEvent::Text(_)) => self.deadlines.note_text(),
            Some(StreamEvent::Ended(_)) => self.has_ended = true,
            Some(StreamEvent::Alive | StreamEvent::TakenBack) | None => {}
        }
        Ok(event)
    }

    /// An answer that breaks when all its text was there is whole.
    fn forgive(&mut self, error: ProtocolError) -> Result<(), WriteFailure> {
        let is_complete = is_break(error.kind) && self.decoder.is_complete();
        if is_complete && self.decoder.close(&mut self.decoded).is_ok() {
            return Ok(());
        }
        Err(error.into_failure(self.attempt_id.clone(), self.decoder.usage()))
    }

    async fn read_event(&mut self) -> Result<(), ProtocolError> {
        let Some(data) = self.deadlines.run_within(self.events.next()).await? else {
            return self.decoder.close(&mut self.decoded);
        };
        self.decoder.decode(&data?, &mut self.decoded)
    }
}

/// Whether the answer broke, and the provider did not report an error.
fn is_break(kind: FailureKind) -> bool {
    match kind {
        FailureKind::TooSlow
        | FailureKind::Truncated
        | FailureKind::Malformed
        | FailureKind::CutOff => true,
        FailureKind::Connect
        | FailureKind::RateLimited
        | FailureKind::SpendLimit
        | FailureKind::Overloaded
        | FailureKind::ServerFault
        | FailureKind::Rejected
        | FailureKind::Denied
        | FailureKind::NotFound
        | FailureKind::Refused
        | FailureKind::Empty => false,
    }
}
