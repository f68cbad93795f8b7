//! Server streams: reads one request, and sends messages as they are made.
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use http::{HeaderMap, HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body::Body;
use prost::Message;
use tonic::Status;

use super::{
    body::{Chunks, ResponseBody, StreamBody, StreamLimits},
    context::{REQUEST_ID, RequestContext},
    reply::framed,
    request_body::RequestBodies,
    unary::{in_time, refuse},
};
use crate::domain::Error;

/// What a method streams.
pub(super) type Messages<M> = BoxStream<'static, Result<M, Error>>;

/// Answers one call with a stream of messages: reads its message, hands it to `handle`, and sends
/// what comes of it until that ends, the call's time is over, or the replica shuts down.
///
/// An error before the first message is all that the caller gets; a later one stands in the
/// trailers, with the same details.
pub(super) async fn streaming<M, R, B>(
    request: Request<B>,
    call: &RequestContext,
    bodies: &RequestBodies,
    limits: impl FnOnce() -> Result<StreamLimits, Status>,
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
        let limits = limits()?;
        Ok((handle(message, &head.headers).await?, limits))
    };
    match in_time(call, begun).await {
        Ok((messages, limits)) => open(encoded(messages, call), call, limits),
        Err(status) => refuse(&status, call),
    }
}

pub(super) fn encoded<R: Message + 'static>(
    messages: Messages<R>,
    call: &RequestContext,
) -> Chunks {
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
    limits: StreamLimits,
) -> Response<ResponseBody> {
    let body = StreamBody::new(messages, call, limits);
    let mut response = Response::new(ResponseBody::Streamed(Box::new(body)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(REQUEST_ID, call.returned_id());
    response
}
