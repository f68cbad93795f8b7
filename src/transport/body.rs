use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

/// A response's body: a message that is ready, or what a routed service makes.
pub enum ResponseBody {
    /// One framed message and the trailers that end it.
    Ready {
        /// The frame; taken when it was sent.
        message: Option<Bytes>,
        /// The trailers; taken when they were sent.
        trailers: Option<HeaderMap>,
    },
    /// A body of tonic's.
    Routed(tonic::body::Body),
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
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Ready { message, trailers } => Poll::Ready(
                message
                    .take()
                    .map(Frame::data)
                    .or_else(|| trailers.take().map(Frame::trailers))
                    .map(Ok),
            ),
            Self::Routed(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Ready { message, trailers } => message.is_none() && trailers.is_none(),
            Self::Routed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Ready { message, .. } => {
                SizeHint::with_exact(message.as_ref().map_or(0, |message| message.len() as u64))
            }
            Self::Routed(body) => body.size_hint(),
        }
    }
}
