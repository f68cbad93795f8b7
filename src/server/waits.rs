//! Tracks what a pending call waits for: this server, more of the request body, or a client that does not read.
//!
//! The bodies of a call record this while they are polled: the request body that it waits for more, the response
//! body that it gave data which the client has yet to read. They record it in a thread-local variable, because the
//! call is polled on the same thread and a body has no other way to reach its call.
use std::{
    cell::Cell,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use futures_util::{TryFutureExt, future::MapOk};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, service::Service};

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

/// A service whose calls record what they wait for.
#[derive(Clone)]
pub(super) struct WaitTracking<S>(pub(super) S);

/// The body of a request. Records that the call waits for more of it.
pub struct RequestBody(Incoming);

/// The body of a response, in pieces. Records that the client has something to read.
pub(super) struct TrackedBody<B: Body> {
    body: B,
    /// Data that the body gave and that was not sent yet.
    rest: Option<B::Data>,
}

/// Largest piece of a response that is handed to HTTP/2 at once. The next piece is requested when this one was sent, so a
/// client that reads slowly is told from a client that reads nothing.
const PIECE_BYTES: usize = 16 << 10;

/// What is sent at once.
pub(super) enum Piece<D> {
    Whole(D),
    Part(Bytes),
}

impl<S, B> Service<Request<Incoming>> for WaitTracking<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>>,
    B: Body,
{
    type Response = Response<TrackedBody<B>>;
    type Error = S::Error;
    type Future = MapOk<S::Future, fn(Response<B>) -> Response<TrackedBody<B>>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let answer = self.0.call(request.map(RequestBody));
        answer.map_ok(|response| response.map(|body| TrackedBody { body, rest: None }))
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
        if data.remaining() <= PIECE_BYTES {
            return Piece::Whole(data);
        }
        let part = data.copy_to_bytes(PIECE_BYTES);
        self.rest = Some(data);
        Piece::Part(part)
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
        match self {
            Self::Whole(data) => data.remaining(),
            Self::Part(data) => data.remaining(),
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Self::Whole(data) => data.chunk(),
            Self::Part(data) => data.chunk(),
        }
    }

    fn chunks_vectored<'a>(&'a self, into: &mut [io::IoSlice<'a>]) -> usize {
        match self {
            Self::Whole(data) => data.chunks_vectored(into),
            Self::Part(data) => data.chunks_vectored(into),
        }
    }

    fn advance(&mut self, bytes: usize) {
        match self {
            Self::Whole(data) => data.advance(bytes),
            Self::Part(data) => data.advance(bytes),
        }
    }
}
