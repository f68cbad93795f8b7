//! What has not come yet of a request when it is answered, as one that is refused. HTTP/2 resets the stream of such a request
//! behind the answer, and some clients then show the reset instead (curl 7.88 does); so it is read first, within bounds.
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;

use crate::transport::discard;

/// Most bytes that are read of a request that nobody wants.
const DISCARDED_MAX_BYTES: usize = 4 << 20;

/// The body of a request, which comes back as [`UnreadBody`] if it is dropped before its end.
pub(super) struct RequestBody<B: Body> {
    body: Option<B>,
    unread: UnreadBody<B>,
}

/// Where the rest of a body is, once nobody reads it any more.
pub(super) struct UnreadBody<B>(Arc<Mutex<Option<B>>>);

impl<B: Body<Data = Bytes> + Unpin> RequestBody<B> {
    pub(super) fn new(body: B) -> (Self, UnreadBody<B>) {
        let rest = Arc::default();
        let unread = UnreadBody(Arc::clone(&rest));
        let body = Some(body);
        (
            Self {
                body,
                unread: UnreadBody(rest),
            },
            unread,
        )
    }
}

impl<B: Body<Data = Bytes> + Unpin> UnreadBody<B> {
    /// Reads what nobody read, if anything is left of it.
    pub(super) async fn discard(self) {
        let left = self.0.lock().take();
        if let Some(body) = left {
            discard(body, DISCARDED_MAX_BYTES).await;
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for RequestBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(cx);
        if let Poll::Ready(None | Some(Err(_))) = &polled {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.body.as_ref().map(Body::size_hint);
        left.unwrap_or_else(|| SizeHint::with_exact(0))
    }
}

impl<B: Body> Drop for RequestBody<B> {
    fn drop(&mut self) {
        let left = self.body.take().filter(|body| !body.is_end_stream());
        *self.unread.0.lock() = left;
    }
}
