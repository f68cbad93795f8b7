//! Unary calls of the hot path: read one request, send one answer, without tonic's codec (ADR 2).
use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body::Body;
use http_body_util::BodyExt;
use prost::Message;
use tokio::time::{Instant, timeout, timeout_at};
use tonic::Status;

use super::{
    body::{GRPC_STATUS, ResponseBody},
    context::{REQUEST_ID, RequestContext},
    reply::Reply,
    request_body::{ENCODING, GZIP, RequestBodies},
    status,
};

/// How many headers an answer has: their map need not grow.
const HEADERS: usize = 5;

/// Answers one unary call: reads its message, hands it to `handle`, and sends
/// the framed answer back; in time, or says that time is over.
///
/// This is what tonic's codec does, without its copies and with the codes that
/// the gRPC documents ask for: too large is `RESOURCE_EXHAUSTED`, garbage is
/// `INVALID_ARGUMENT`, late is `DEADLINE_EXCEEDED`.
pub(super) async fn unary<M, B>(
    request: Request<B>,
    call: &RequestContext,
    bodies: &RequestBodies,
    handle: impl AsyncFnOnce(M, &HeaderMap) -> Result<Reply, Status>,
) -> Response<ResponseBody>
where
    M: Message + Default,
    B: Body<Data = Bytes> + Unpin,
{
    let (head, body) = request.into_parts();
    let answer = async {
        let (message, _share) = bodies.read(body, &head.headers, call).await?;
        handle(message, &head.headers).await
    };
    match in_time(call, answer).await {
        Ok(reply) => ok(reply, call),
        Err(status) => refuse(&status, call),
    }
}

/// What `work` gives before the call's time is over. What is ready at once needs no timer.
pub(super) async fn in_time<T>(
    call: &RequestContext,
    work: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let mut work = pin!(work);
    let first = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await;
    let Poll::Ready(done) = first else {
        let done = timeout_at(Instant::from_std(call.deadline), work).await;
        return done.unwrap_or_else(|_| Err(status::deadline_exceeded()));
    };
    done
}

/// Sends the answer.
pub(super) fn ok(reply: Reply, call: &RequestContext) -> Response<ResponseBody> {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
    let body = ResponseBody::Ready {
        message: Some(reply.frame),
        trailers: Some(trailers),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(REQUEST_ID, call.returned_id());
    if reply.is_compressed {
        headers.insert(ENCODING, GZIP);
    }
    for (name, value) in reply.metadata.into_iter().flatten() {
        headers.insert(name, value);
    }
    response
}

/// Says no: all in the headers.
pub(super) fn refuse(status: &Status, call: &RequestContext) -> Response<ResponseBody> {
    let mut response = status.clone().into_http::<ResponseBody>();
    response
        .headers_mut()
        .insert(REQUEST_ID, call.request_id.clone());
    response
}

/// Most bytes that are read of the request of a refused call, and how long they are waited for.
const DISCARDED_MAX_BYTES: usize = 64 << 10;
const DISCARDED_TIMEOUT: Duration = Duration::from_secs(1);

/// In the extensions of a request: its body is made as it is read, so there is nothing to discard of it.
#[derive(Clone, Copy, Debug)]
pub struct MadeWhenRead;

/// Says no to a call whose request was not read. Reads it first, within bounds: HTTP/2 resets a stream that is
/// answered before its request has come, and ends a connection after a thousand of those.
pub(super) async fn refuse_unread<B>(
    request: Request<B>,
    status: &Status,
    call: &RequestContext,
) -> Response<ResponseBody>
where
    B: Body<Data = Bytes> + Unpin,
{
    if request.extensions().get::<MadeWhenRead>().is_some() {
        return refuse(status, call);
    }
    discard(request.into_body(), DISCARDED_MAX_BYTES).await;
    refuse(status, call)
}

/// Reads what nobody wants of a request, up to about `max_bytes`, for a second at most.
pub async fn discard<B>(mut body: B, max_bytes: usize)
where
    B: Body<Data = Bytes> + Unpin,
{
    let discarded = async {
        let mut bytes = 0;
        while let Some(Ok(frame)) = body.frame().await {
            bytes += frame.data_ref().map_or(0, Bytes::len);
            if bytes > max_bytes {
                return;
            }
        }
    };
    // Whoever is slow with it has its stream reset.
    let _ = timeout(DISCARDED_TIMEOUT, discarded).await;
}
