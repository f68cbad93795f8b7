//! Tracks what a pending call waits for: this server, more of the request body, or a client that does not read.
//!
//! The bodies of a call record this while they are polled: the request body that it waits for more, the response
//! body that it gave data which the client has yet to read. They record it in a thread-local variable, because the
//! call is polled on the same thread and a body has no other way to reach its call.
use std::{
    cell::Cell,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http::{HeaderValue, Request, Response, Version, header::CONNECTION};
use http_body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, service::Service};

use super::unread::Unread;

/// What a pending call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitsFor {
    /// This server's work for the call.
    Server,
    /// More of the request body.
    RequestBody,
    /// The client, which has not read what the response body gave.
    ClientToRead,
}

thread_local! {
    static LAST_WAIT: Cell<Option<WaitsFor>> = const { Cell::new(None) };
}

/// Polls a call, and returns what its bodies recorded; `None` if no body was polled.
pub(super) fn poll_and_record<T>(poll: impl FnOnce() -> T) -> (T, Option<WaitsFor>) {
    LAST_WAIT.set(None);
    (poll(), LAST_WAIT.take())
}

/// A service whose calls record what they wait for, and whose answers count as unread until they were sent.
#[derive(Clone)]
pub(super) struct WaitTracking<S> {
    service: S,
    unread: Arc<AtomicUsize>,
    closing: Arc<AtomicBool>,
}

impl<S> WaitTracking<S> {
    /// Counts answers in `unread`. While `closing`, those over HTTP/1.1 ask the client to close: one that sends its next
    /// request on a connection that is being closed would lose it.
    pub(super) fn new(service: S, unread: Arc<AtomicUsize>, closing: Arc<AtomicBool>) -> Self {
        Self {
            service,
            unread,
            closing,
        }
    }
}

/// The body of a request. Records that the call waits for more of it.
pub struct RequestBody(Incoming);

/// The body of a response, in pieces. Records that the client has something to read.
pub(super) struct TrackedBody<B: Body> {
    body: B,
    /// Data that the body gave and that was not sent yet.
    rest: Option<B::Data>,
    /// What is to come of it, as far as that is known.
    unread: Unread,
}

/// Largest piece of a response that is handed to HTTP/2 at once. The next piece is requested when this one was sent, so a
/// client that reads slowly is told from a client that reads nothing.
const PIECE_BYTES: usize = 16 << 10;

/// What is sent at once.
pub(super) struct Piece<D> {
    data: Data<D>,
    _unread: Unread,
}

enum Data<D> {
    Whole(D),
    Part(Bytes),
}

impl<S, B> Service<Request<Incoming>> for WaitTracking<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Future: Unpin>,
    B: Body,
{
    type Response = Response<TrackedBody<B>>;
    type Error = S::Error;
    type Future = Tracked<S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let is_http1 = request.version() < Version::HTTP_2;
        Tracked {
            closing: is_http1.then(|| Arc::clone(&self.closing)),
            answer: self.service.call(request.map(RequestBody)),
            unread: Arc::clone(&self.unread),
        }
    }
}

/// The answer to a call, which counts as unread when it is there.
pub(super) struct Tracked<F> {
    answer: F,
    unread: Arc<AtomicUsize>,
    /// Where a client can be asked to close.
    closing: Option<Arc<AtomicBool>>,
}

impl<F, B, E> Future for Tracked<F>
where
    F: Future<Output = Result<Response<B>, E>> + Unpin,
    B: Body,
{
    type Output = Result<Response<TrackedBody<B>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = Pin::new(&mut self.answer).poll(cx);
        answer.map_ok(|mut response| {
            if self.closing.as_ref().is_some_and(|it| it.load(Relaxed)) {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
            response.map(|body| {
                // No body of ours is larger than its upper bound; one that has none is counted as it comes.
                let bytes = body.size_hint().upper().unwrap_or(0);
                TrackedBody {
                    unread: Unread::of(&self.unread, usize::try_from(bytes).unwrap_or(usize::MAX)),
                    body,
                    rest: None,
                }
            })
        })
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.0).poll_frame(cx);
        LAST_WAIT.set(Some(if polled.is_pending() {
            WaitsFor::RequestBody
        } else {
            WaitsFor::Server
        }));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl<B: Body<Data: Unpin> + Unpin> TrackedBody<B> {
    fn piece(&mut self, mut data: B::Data) -> Piece<B::Data> {
        let bytes = data.remaining().min(PIECE_BYTES);
        self.unread.cover(data.remaining());
        let unread = self.unread.split(bytes);
        let data = if data.remaining() <= PIECE_BYTES {
            Data::Whole(data)
        } else {
            let part = data.copy_to_bytes(PIECE_BYTES);
            self.rest = Some(data);
            Data::Part(part)
        };
        Piece {
            data,
            _unread: unread,
        }
    }
}

impl<B: Body<Data: Unpin> + Unpin> Body for TrackedBody<B> {
    type Data = Piece<B::Data>;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, B::Error>>> {
        let polled = match self.rest.take() {
            Some(rest) => Poll::Ready(Some(Ok(Frame::data(rest)))),
            None => Pin::new(&mut self.body).poll_frame(cx),
        };
        if polled.is_ready() {
            LAST_WAIT.set(Some(WaitsFor::ClientToRead));
        } else if LAST_WAIT.get() != Some(WaitsFor::RequestBody) {
            LAST_WAIT.set(Some(WaitsFor::Server));
        }
        polled.map_ok(|frame| frame.map_data(|data| self.piece(data)))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<D: Buf> Buf for Piece<D> {
    fn remaining(&self) -> usize {
        match &self.data {
            Data::Whole(data) => data.remaining(),
            Data::Part(data) => data.remaining(),
        }
    }

    fn chunk(&self) -> &[u8] {
        match &self.data {
            Data::Whole(data) => data.chunk(),
            Data::Part(data) => data.chunk(),
        }
    }

    fn chunks_vectored<'a>(&'a self, into: &mut [io::IoSlice<'a>]) -> usize {
        match &self.data {
            Data::Whole(data) => data.chunks_vectored(into),
            Data::Part(data) => data.chunks_vectored(into),
        }
    }

    fn advance(&mut self, bytes: usize) {
        match &mut self.data {
            Data::Whole(data) => data.advance(bytes),
            Data::Part(data) => data.advance(bytes),
        }
    }
}
