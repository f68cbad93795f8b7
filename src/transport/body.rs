//! The body of a response: ends streams at their limits, and counts calls when they end.
use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut, buf::Chain};
use futures_util::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body::{Body, Frame, SizeHint};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use tracing::Span;

use super::{
    context::{REQUEST_ID, RequestContext},
    failed_calls::log_panicked,
    gate::FeatureGate,
    rpc_stats::{MethodStats, OpenCall},
    status,
};

pub(super) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// Messages that are ready together leave in one piece, until it is this large.
const ENOUGH_BYTES: usize = 16 << 10;

/// Bytes to send: what was made for one caller, and behind it what all share, which nobody copies.
pub(super) type FramedChunks = Chain<Bytes, Bytes>;

/// Nothing is shared behind it.
fn alone(data: Bytes) -> FramedChunks {
    data.chain(Bytes::new())
}

/// A response's body: a message that is ready, messages as they are made, or what a generated
/// server makes.
pub enum ResponseBody {
    /// One framed message and the trailers that end it.
    Ready {
        /// The framed message in two parts; taken when it was sent.
        message: Option<FramedChunks>,
        /// The trailers; taken when they were sent.
        trailers: Option<HeaderMap>,
    },
    /// A stream of messages.
    Streamed(Box<StreamBody>),
    /// A body of tonic's.
    Generated(tonic::body::Body),
    /// One whose end is counted.
    Metered(Box<MeteredBody>),
}

impl Default for ResponseBody {
    /// No message and no trailers: the headers say it all.
    fn default() -> Self {
        Self::Ready {
            message: None,
            trailers: None,
        }
    }
}

impl Body for ResponseBody {
    type Data = FramedChunks;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.get_mut() {
            Self::Ready { message, trailers } => Poll::Ready(
                message
                    .take()
                    .map(Frame::data)
                    .or_else(|| trailers.take().map(Frame::trailers))
                    .map(Ok),
            ),
            Self::Streamed(messages) => messages
                .poll(cx)
                .map(|frame| frame.map(|frame| Ok(frame.map_data(alone)))),
            Self::Generated(body) => Pin::new(body)
                .poll_frame(cx)
                .map_ok(|frame| frame.map_data(alone)),
            Self::Metered(body) => body.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Ready { message, trailers } => message.is_none() && trailers.is_none(),
            Self::Streamed(messages) => messages.is_over(),
            Self::Generated(body) => body.is_end_stream(),
            Self::Metered(metered) => metered.body.is_end_stream(),
        }
    }

    /// Trailers follow, so a `content-length` would say nothing: only tonic's own is passed on. A message that is ready
    /// has an upper bound, by which the server counts what lies here for its client.
    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Ready { message, .. } => {
                let mut hint = SizeHint::new();
                if let Some(message) = message {
                    hint.set_upper(message.remaining() as u64);
                }
                hint
            }
            Self::Streamed(_) => SizeHint::default(),
            Self::Generated(body) => body.size_hint(),
            Self::Metered(metered) => metered.body.size_hint(),
        }
    }
}

/// The limits of a stream, beside its time.
pub(super) struct StreamLimits {
    /// One of the streams that may be open at once.
    pub(super) permit: OwnedSemaphorePermit,
    /// This replica shuts down: its callers must continue elsewhere.
    pub(super) shutdown: CancellationToken,
    /// Operators may switch off what is streamed, if this is there.
    pub(super) gate: Option<FeatureGate>,
}

/// Framed messages.
pub(super) type Chunks = BoxStream<'static, Result<Bytes, Status>>;

/// The body of a stream. It is asked for more only when what it gave before was taken, so a
/// caller that does not read costs one piece and no queue: the messages are made when they are
/// wanted.
pub struct StreamBody {
    messages: Chunks,
    /// Ends the stream before its messages do.
    forced_end: BoxFuture<'static, Status>,
    call: RequestContext,
    /// The tracing span for code that produces the messages.
    span: Span,
    next: NextFrame,
    _permit: OwnedSemaphorePermit,
}

/// What is to be sent.
enum NextFrame {
    Messages,
    Trailers(HeaderMap),
    Nothing,
}

impl StreamBody {
    pub(super) fn new(messages: Chunks, call: &RequestContext, limits: StreamLimits) -> Self {
        Self {
            messages,
            forced_end: wait_for_stream_end(call, limits.shutdown, limits.gate).boxed(),
            call: call.clone(),
            span: call.span(),
            next: NextFrame::Messages,
            _permit: limits.permit,
        }
    }

    /// The next piece, or the trailers.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        match std::mem::replace(&mut self.next, NextFrame::Nothing) {
            NextFrame::Messages => {
                let piece = ready!(self.poll_piece(cx));
                Poll::Ready(Some(piece))
            }
            NextFrame::Trailers(trailers) => Poll::Ready(Some(Frame::trailers(trailers))),
            NextFrame::Nothing => Poll::Ready(None),
        }
    }

    /// Whether all was sent.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.next, NextFrame::Nothing)
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Frame<Bytes>> {
        self.next = NextFrame::Messages;
        let mut piece = BytesMut::new();
        let end = loop {
            match self.poll_message(cx) {
                Poll::Ready(Some(Ok(message))) => {
                    piece.extend_from_slice(&message);
                    if piece.len() >= ENOUGH_BYTES {
                        // One whose messages are always ready never gets to the arm that waits.
                        break match self.forced_end.poll_unpin(cx) {
                            Poll::Ready(status) => Some(status),
                            Poll::Pending => None,
                        };
                    }
                }
                Poll::Ready(Some(Err(status))) => break Some(status),
                Poll::Ready(None) => break Some(Status::ok("")),
                Poll::Pending => match self.forced_end.poll_unpin(cx) {
                    Poll::Ready(status) => break Some(status),
                    Poll::Pending if piece.is_empty() => return Poll::Pending,
                    Poll::Pending => break None,
                },
            }
        };
        let trailers = end.map(|status| self.end(&status));
        if piece.is_empty() {
            self.next = NextFrame::Nothing;
            return Poll::Ready(Frame::trailers(trailers.unwrap_or_default()));
        }
        self.next = trailers.map_or(NextFrame::Messages, NextFrame::Trailers);
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

    /// Drops all that the messages hold, and returns the trailers for `status`.
    fn end(&mut self, status: &Status) -> HeaderMap {
        self.messages = stream::empty().boxed();
        let mut trailers = HeaderMap::new();
        if status.code() == Code::Ok {
            trailers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
        } else {
            // It fails for a message that cannot be sent, and then has put the code in already.
            let _ = status.add_header(&mut trailers);
            trailers.insert(REQUEST_ID, self.call.returned_id());
        }
        trailers
    }
}

/// Waits until something other than its messages ends a stream: shutdown, a closed gate or the deadline.
fn wait_for_stream_end(
    call: &RequestContext,
    shutdown: CancellationToken,
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
            () = shutdown.cancelled() => status::shutting_down(),
            status = closed => status,
            () = sleep_until(deadline) => status::deadline_exceeded(),
        }
    }
}

/// Counts the call that `response` answers: at once when its end is known, and else when its
/// body ends.
pub(super) fn ended(
    response: Response<ResponseBody>,
    mut open: OpenCall<&MethodStats>,
    stats: &Arc<MethodStats>,
) -> Response<ResponseBody> {
    // An answer of one message went well: what fails has no message, and says so in its headers.
    if let ResponseBody::Ready {
        message: Some(_), ..
    } = response.body()
    {
        open.end(Code::Ok);
        return response;
    }
    if let Some(code) = code_in(response.headers()) {
        open.end(code);
        return response;
    }
    let open = open.hand_over(Arc::clone(stats));
    response.map(|body| ResponseBody::Metered(Box::new(MeteredBody { body, open })))
}

/// A body that tells in its trailers how the call ended.
pub struct MeteredBody {
    body: ResponseBody,
    open: OpenCall<Arc<MethodStats>>,
}

impl MeteredBody {
    /// The next piece, or the trailers.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<FramedChunks>, Status>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let code = match &polled {
            Poll::Ready(Some(Ok(frame))) => frame
                .trailers_ref()
                .map(|trailers| code_in(trailers).unwrap_or(Code::Unknown)),
            Poll::Ready(Some(Err(status))) => Some(status.code()),
            // A body that ends without trailers is a bug: gRPC needs them.
            Poll::Ready(None) => Some(Code::Unknown),
            Poll::Pending => None,
        };
        if let Some(code) = code {
            self.open.end(code);
        }
        polled
    }
}

fn code_in(headers: &HeaderMap) -> Option<Code> {
    let code = headers.get(GRPC_STATUS)?;
    Some(Code::from_bytes(code.as_bytes()))
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
