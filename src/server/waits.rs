//! On whom a call waits: on its caller, who may be frozen or gone, or on this replica.
//!
//! What the bodies of a call met while it was polled tells: a request of which more is to come, a
//! response that the caller has not taken yet, or neither. The bodies leave a mark for whoever
//! polls the call on the same thread, because nothing else leads from them to the call.
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

/// On whom a call waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitsOn {
    /// On what this replica does for it.
    Us,
    /// On more of the request.
    Request,
    /// On the caller, to take what it was given.
    Taking,
}

thread_local! {
    static MET: Cell<Option<WaitsOn>> = const { Cell::new(None) };
}

/// Polls a call. Tells, should it be pending, on whom it waits; `None` where that is as before.
pub(super) fn observed<T>(poll: impl FnOnce() -> T) -> (T, Option<WaitsOn>) {
    MET.set(None);
    (poll(), MET.take())
}

/// A service whose calls tell on whom they wait.
#[derive(Clone)]
pub(super) struct Telling<S>(pub(super) S);

/// The body of a request. Marks that it waits for the caller.
pub struct RequestBody(Incoming);

/// The body of a response, in pieces. Marks that the caller has something to take.
pub(super) struct Taken<B: Body> {
    body: B,
    /// Of what the body gave, what is still to be sent.
    rest: Option<B::Data>,
}

/// The next piece is asked for when the one before has left: a caller that takes a large answer slowly
/// takes one such piece after another, and so is told from a caller that takes nothing.
const PIECE_BYTES: usize = 16 << 10;

/// What is sent at once.
pub(super) enum Piece<D> {
    Whole(D),
    Part(Bytes),
}

impl<S, B> Service<Request<Incoming>> for Telling<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>>,
    B: Body,
{
    type Response = Response<Taken<B>>;
    type Error = S::Error;
    type Future = MapOk<S::Future, fn(Response<B>) -> Response<Taken<B>>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let answer = self.0.call(request.map(RequestBody));
        answer.map_ok(|response| response.map(|body| Taken { body, rest: None }))
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
        MET.set(Some(if polled.is_pending() {
            WaitsOn::Request
        } else {
            WaitsOn::Us
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

impl<B: Body<Data: Unpin> + Unpin> Taken<B> {
    fn piece(&mut self, mut data: B::Data) -> Piece<B::Data> {
        if data.remaining() <= PIECE_BYTES {
            return Piece::Whole(data);
        }
        let part = data.copy_to_bytes(PIECE_BYTES);
        self.rest = Some(data);
        Piece::Part(part)
    }
}

impl<B: Body<Data: Unpin> + Unpin> Body for Taken<B> {
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
            MET.set(Some(WaitsOn::Taking));
        } else if MET.get() != Some(WaitsOn::Request) {
            MET.set(Some(WaitsOn::Us));
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
