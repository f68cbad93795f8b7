use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use prost::Message;
use tonic::Status;

use super::{
    body::ResponseBody,
    call::Call,
    reply::Reply,
    status,
    unary::{PREFIX_LEN, in_time, length_of, ok, refuse},
};

/// The messages that a caller sends one after another. No more than one of them is in memory:
/// HTTP/2 holds the caller up meanwhile.
pub(super) struct Upload<B> {
    body: B,
    came: BytesMut,
    limit_bytes: usize,
    may_be_compressed: bool,
}

/// Answers one call with a stream of requests: hands it to `handle`, and sends the framed answer
/// back; in time, or says that time is over. An error ends the call, whatever is still to come.
pub(super) async fn uploaded<B>(
    request: Request<B>,
    call: &Call,
    limit_bytes: usize,
    handle: impl AsyncFnOnce(&mut Upload<B>, &HeaderMap) -> Result<Reply, Status>,
) -> Response<ResponseBody>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (head, body) = request.into_parts();
    let mut messages = Upload {
        body,
        came: BytesMut::new(),
        limit_bytes,
        may_be_compressed: head.headers.contains_key("grpc-encoding"),
    };
    let answer = in_time(call, handle(&mut messages, &head.headers)).await;
    match answer.unwrap_or_else(|| Err(status::deadline_exceeded())) {
        Ok(reply) => ok(reply, call),
        Err(status) => refuse(&status, call),
    }
}

impl<B> Upload<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    /// The next message; `None` when the caller has sent all.
    ///
    /// # Errors
    ///
    /// What the caller is to be told: that a message is too large, or cannot be read.
    pub(super) async fn next<M: Message + Default>(&mut self) -> Result<Option<M>, Status> {
        loop {
            if let Some(message) = self.whole_message()? {
                let message = M::decode(message);
                return message
                    .map(Some)
                    .map_err(|error| status::malformed(&error.to_string()));
            }
            let Some(frame) = self.body.frame().await else {
                let is_whole = self.came.is_empty();
                let cut = || status::malformed("it ends within a message");
                return is_whole.then_some(None).ok_or_else(cut);
            };
            let frame = frame.map_err(|_| Status::cancelled("the caller went away"))?;
            if let Ok(data) = frame.into_data() {
                self.came.extend_from_slice(&data);
            }
        }
    }

    fn whole_message(&mut self) -> Result<Option<Bytes>, Status> {
        let Some(prefix) = self.came.first_chunk::<PREFIX_LEN>() else {
            return Ok(None);
        };
        let length = length_of(*prefix, self.may_be_compressed)?;
        // The prefix tells the length early; a sender is not heard out to the end.
        if length > self.limit_bytes {
            return Err(status::message_too_large(self.limit_bytes));
        }
        if self.came.len() < PREFIX_LEN + length {
            return Ok(None);
        }
        self.came.advance(PREFIX_LEN);
        Ok(Some(self.came.split_to(length).freeze()))
    }
}
