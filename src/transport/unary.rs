use std::{future::poll_fn, pin::pin, task::Poll};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body::Body;
use http_body_util::BodyExt;
use prost::Message;
use tokio::time::{Instant, timeout_at};
use tonic::Status;

use super::{
    body::ResponseBody,
    call::{Call, REQUEST_ID},
    reply::Reply,
    status,
};

pub(super) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
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
    call: &Call,
    limit_bytes: usize,
    handle: impl AsyncFnOnce(M, &HeaderMap) -> Result<Reply, Status>,
) -> Response<ResponseBody>
where
    M: Message + Default,
    B: Body<Data = Bytes> + Unpin,
{
    let (head, body) = request.into_parts();
    let answer = async {
        let message = read(body, &head.headers, limit_bytes).await?;
        handle(message, &head.headers).await
    };
    let answer = in_time(call, answer).await;
    match answer.unwrap_or_else(|| Err(status::deadline_exceeded())) {
        Ok(reply) => ok(reply, call),
        Err(status) => refuse(&status, call),
    }
}

/// What `work` gives before the call's time is over. What is ready at once needs no timer.
pub(super) async fn in_time<T>(call: &Call, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let first = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await;
    match first {
        Poll::Ready(done) => Some(done),
        Poll::Pending => {
            let deadline = Instant::from_std(call.deadline);
            timeout_at(deadline, work).await.ok()
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "an argument of map_err")]
fn not_protobuf(error: prost::DecodeError) -> Status {
    status::malformed(&error.to_string())
}

/// The one message of a request.
pub(super) async fn read<M, B>(
    body: B,
    headers: &HeaderMap,
    limit_bytes: usize,
) -> Result<M, Status>
where
    M: Message + Default,
    B: Body<Data = Bytes> + Unpin,
{
    let message = read_bytes(body, headers, limit_bytes).await?;
    M::decode(message).map_err(not_protobuf)
}

/// The message's bytes, without its prefix.
async fn read_bytes<B>(
    mut body: B,
    headers: &HeaderMap,
    limit_bytes: usize,
) -> Result<Bytes, Status>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut all = Received::Nothing;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Status::cancelled("the caller went away"))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        all = all.and(data);
        // The prefix tells the length early; a sender is not heard out to the end.
        if all.announced().max(all.len().saturating_sub(PREFIX_LEN)) > limit_bytes {
            return Err(status::message_too_large(limit_bytes));
        }
    }
    let mut message = all.into_bytes();
    let Some(prefix) = message.first_chunk::<PREFIX_LEN>() else {
        return Err(status::malformed("it ends before the message's length"));
    };
    let length = length_of(*prefix, headers.contains_key("grpc-encoding"))?;
    message.advance(PREFIX_LEN);
    if length != message.len() {
        return Err(status::malformed("it is shorter or longer than it says"));
    }
    Ok(message)
}

/// The length of the message behind a prefix.
pub(super) fn length_of(
    [flag, length @ ..]: [u8; PREFIX_LEN],
    may_be_compressed: bool,
) -> Result<usize, Status> {
    match flag {
        0 => Ok(usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX)),
        1 if may_be_compressed => Err(status::compressed()),
        _ => Err(status::malformed("its first byte is no gRPC flag")),
    }
}

/// The length of what stands before every gRPC message: a flag and the message's length.
pub(super) const PREFIX_LEN: usize = 5;

/// What came so far. Nearly every request is one piece, which is then not copied.
enum Received {
    Nothing,
    One(Bytes),
    Many(BytesMut),
}

impl Received {
    fn and(self, data: Bytes) -> Self {
        match self {
            Self::Nothing => Self::One(data),
            Self::One(first) => {
                let mut many = BytesMut::from(first);
                many.extend_from_slice(&data);
                Self::Many(many)
            }
            Self::Many(mut many) => {
                many.extend_from_slice(&data);
                Self::Many(many)
            }
        }
    }

    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Nothing => &[],
            Self::One(one) => one,
            Self::Many(many) => many,
        }
    }

    fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// The length that the prefix announces; 0 while it is incomplete.
    fn announced(&self) -> usize {
        let length = self.as_slice().get(1..PREFIX_LEN);
        let length = length
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, u32::from_be_bytes);
        usize::try_from(length).unwrap_or(usize::MAX)
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(one) => one,
            Self::Many(many) => many.freeze(),
        }
    }
}

/// Sends the answer.
pub(super) fn ok(reply: Reply, call: &Call) -> Response<ResponseBody> {
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
    for (name, value) in reply.metadata.into_iter().flatten() {
        headers.insert(name, value);
    }
    response
}

/// Says no: all in the headers.
pub(super) fn refuse(status: &Status, call: &Call) -> Response<ResponseBody> {
    let mut response = status.clone().into_http::<ResponseBody>();
    response
        .headers_mut()
        .insert(REQUEST_ID, call.request_id.clone());
    response
}
