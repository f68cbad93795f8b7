use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes, buf::Chain};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::{metered_body::MeteredBody, stream::Streamed};

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
    Streamed(Box<Streamed>),
    /// A body of tonic's.
    Generated(tonic::body::Body),
    /// One whose end is counted.
    MeteredBody(Box<MeteredBody>),
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
    type Error = tonic::Status;

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
            Self::MeteredBody(body) => body.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Ready { message, trailers } => message.is_none() && trailers.is_none(),
            Self::Streamed(messages) => messages.is_over(),
            Self::Generated(body) => body.is_end_stream(),
            Self::MeteredBody(body) => body.is_over(),
        }
    }

    /// Trailers follow, so a `content-length` would say nothing: only tonic's own is passed on.
    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Ready { .. } | Self::Streamed(_) => SizeHint::default(),
            Self::Generated(body) => body.size_hint(),
            Self::MeteredBody(body) => body.size_hint(),
        }
    }
}
