use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderMap, Response};
use http_body::{Body, Frame, SizeHint};
use tonic::{Code, Status};

use super::{
    body::{FramedChunks, ResponseBody},
    rpc_stats::{MethodStats, OpenCall},
    unary::GRPC_STATUS,
};

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
    response.map(|body| ResponseBody::MeteredBody(Box::new(MeteredBody { body, open })))
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
            // A body that ends without trailers has broken its promise.
            Poll::Ready(None) => Some(Code::Unknown),
            Poll::Pending => None,
        };
        if let Some(code) = code {
            self.open.end(code);
        }
        polled
    }

    /// Whether all was sent.
    pub(super) fn is_over(&self) -> bool {
        self.body.is_end_stream()
    }

    /// What is known of the length.
    pub(super) fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn code_in(headers: &HeaderMap) -> Option<Code> {
    let code = headers.get(GRPC_STATUS)?;
    Some(Code::from_bytes(code.as_bytes()))
}
