use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures_util::{
    FutureExt, StreamExt, TryStreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use http::{HeaderMap, HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body::{Body, Frame};
use prost::Message;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::Span;

use super::{
    body::ResponseBody,
    context::{REQUEST_ID, RequestContext},
    failed_calls::log_panicked,
    gate::FeatureGate,
    reply::framed,
    request_body::RequestBodies,
    status,
    unary::{GRPC_STATUS, in_time, refuse},
};
use crate::domain::Error;

/// What a method streams.
pub(super) type Messages<M> = BoxStream<'static, Result<M, Error>>;

/// Messages that are ready together leave in one piece, until it is this large.
const ENOUGH_BYTES: usize = 16 << 10;

/// What bounds a stream, beside its time.
pub(super) struct Bounds {
    /// One of the streams that may be in hand.
    pub(super) permit: OwnedSemaphorePermit,
    /// This replica leaves: its callers are to go on elsewhere.
    pub(super) leaving: CancellationToken,
    /// Operators may switch off what is streamed, if this is there.
    pub(super) gate: Option<FeatureGate>,
}

/// Answers one call with a stream of messages: reads its message, hands it to `handle`, and sends
/// what comes of it until that ends, the call's time is over, or the replica leaves.
///
/// An error before the first message is all that the caller gets; a later one stands in the
/// trailers, with the same details.
pub(super) async fn streaming<M, R, B>(
    request: Request<B>,
    call: &RequestContext,
    bodies: &RequestBodies,
    bounds: impl FnOnce() -> Result<Bounds, Status>,
    handle: impl AsyncFnOnce(M, &HeaderMap) -> Result<Messages<R>, Status>,
) -> Response<ResponseBody>
where
    M: Message + Default,
    R: Message + 'static,
    B: Body<Data = Bytes> + Unpin,
{
    let (head, body) = request.into_parts();
    let begun = async {
        let (message, _share) = bodies.read(body, &head.headers, call).await?;
        let bounds = bounds()?;
        Ok((handle(message, &head.headers).await?, bounds))
    };
    let begun = in_time(call, begun).await;
    match begun.unwrap_or_else(|| Err(status::deadline_exceeded())) {
        Ok((messages, bounds)) => open(encoded(messages, call), call, bounds),
        Err(status) => refuse(&status, call),
    }
}

/// Framed messages.
pub(super) type Chunks = BoxStream<'static, Result<Bytes, Status>>;

fn encoded<R: Message + 'static>(messages: Messages<R>, call: &RequestContext) -> Chunks {
    let caller = call.clone();
    messages
        .map_ok(|message| framed(&message))
        .map_err(move |error| caller.refused(&error))
        .boxed()
}

/// Begins to send framed messages.
pub(super) fn open(
    messages: Chunks,
    call: &RequestContext,
    bounds: Bounds,
) -> Response<ResponseBody> {
    let body = Streamed::new(messages, call, bounds);
    let mut response = Response::new(ResponseBody::Streamed(Box::new(body)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(REQUEST_ID, call.returned_id());
    response
}

/// The body of a stream. It is asked for more only when what it gave before was taken, so a
/// caller that does not read costs one piece and no queue: the messages are made when they are
/// wanted.
pub struct Streamed {
    messages: Chunks,
    /// What ends it before the messages do.
    limit: BoxFuture<'static, Status>,
    call: RequestContext,
    /// What the log lines of the messages' makers stand in.
    span: Span,
    next: Next,
    _permit: OwnedSemaphorePermit,
}

/// What is to be sent.
enum Next {
    Messages,
    Trailers(HeaderMap),
    Nothing,
}

impl Streamed {
    pub(super) fn new(messages: Chunks, call: &RequestContext, bounds: Bounds) -> Self {
        Self {
            messages,
            limit: limit(call, bounds.leaving, bounds.gate).boxed(),
            call: call.clone(),
            span: call.span(),
            next: Next::Messages,
            _permit: bounds.permit,
        }
    }

    /// The next piece, or the trailers.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Messages => {
                let piece = ready!(self.poll_piece(cx));
                Poll::Ready(Some(piece))
            }
            Next::Trailers(trailers) => Poll::Ready(Some(Frame::trailers(trailers))),
            Next::Nothing => Poll::Ready(None),
        }
    }

    /// Whether all was sent.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.next, Next::Nothing)
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Frame<Bytes>> {
        self.next = Next::Messages;
        let mut piece = BytesMut::new();
        let end = loop {
            match self.poll_message(cx) {
                Poll::Ready(Some(Ok(message))) => {
                    piece.extend_from_slice(&message);
                    if piece.len() >= ENOUGH_BYTES {
                        break None;
                    }
                }
                Poll::Ready(Some(Err(status))) => break Some(status),
                Poll::Ready(None) => break Some(Status::ok("")),
                // A stream that is never at a loss ends by itself; one that waits must not wait for ever.
                Poll::Pending => match self.limit.poll_unpin(cx) {
                    Poll::Ready(status) => break Some(status),
                    Poll::Pending if piece.is_empty() => return Poll::Pending,
                    Poll::Pending => break None,
                },
            }
        };
        let trailers = end.map(|status| self.end(&status));
        if piece.is_empty() {
            self.next = Next::Nothing;
            return Poll::Ready(Frame::trailers(trailers.unwrap_or_default()));
        }
        self.next = trailers.map_or(Next::Messages, Next::Trailers);
        Poll::Ready(Frame::data(piece.freeze()))
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Status>>> {
        let (messages, span) = (&mut self.messages, &self.span);
        let poll = || span.in_scope(|| messages.poll_next_unpin(cx));
        catch_unwind(AssertUnwindSafe(poll)).unwrap_or_else(|_| {
            span.in_scope(log_panicked);
            Poll::Ready(Some(Err(status::internal(self.call.request_id()))))
        })
    }

    /// Lets go of all that the messages hold, and tells how it ended.
    fn end(&mut self, status: &Status) -> HeaderMap {
        self.messages = stream::empty().boxed();
        let mut trailers = HeaderMap::new();
        if status.code() == tonic::Code::Ok {
            trailers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
        } else {
            // It fails for a message that cannot be sent, and then has put the code in already.
            let _ = status.add_header(&mut trailers);
            trailers.insert(REQUEST_ID, self.call.returned_id());
        }
        trailers
    }
}

/// What ends a stream that its messages do not end.
fn limit(
    call: &RequestContext,
    leaving: CancellationToken,
    gate: Option<FeatureGate>,
) -> impl Future<Output = Status> + use<> {
    let deadline = Instant::from_std(call.deadline);
    async move {
        let closed = async {
            match gate {
                Some(gate) => gate.closed().await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = leaving.cancelled() => status::shutting_down(),
            status = closed => status,
            () = sleep_until(deadline) => status::deadline_exceeded(),
        }
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
