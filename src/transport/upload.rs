use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use prost::Message;
use tonic::Status;

use super::{
    body::ResponseBody,
    context::RequestContext,
    reply::Reply,
    request_body::{Deadline, PREFIX_LEN, RequestBodies, Share, data_of},
    status,
    unary::{in_time, ok, refuse},
};

/// The messages that a caller sends one after another. No more than one of them is in memory:
/// HTTP/2 holds the caller up meanwhile.
pub(super) struct Upload<B> {
    body: B,
    headers: HeaderMap,
    came: BytesMut,
    bodies: RequestBodies,
    share: Share,
    call: RequestContext,
}

/// Answers one call with a stream of requests: hands it to `handle`, and sends the framed answer
/// back; in time, or says that time is over. An error ends the call, whatever is still to come.
pub(super) async fn uploaded<B>(
    request: Request<B>,
    call: &RequestContext,
    bodies: &RequestBodies,
    handle: impl AsyncFnOnce(&mut Upload<B>, &HeaderMap) -> Result<Reply, Status>,
) -> Response<ResponseBody>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (head, body) = request.into_parts();
    let mut messages = Upload::new(body, head.headers.clone(), bodies, call);
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
    /// The messages in `body`, read within the bounds of `bodies`.
    pub(super) fn new(
        body: B,
        headers: HeaderMap,
        bodies: &RequestBodies,
        call: &RequestContext,
    ) -> Self {
        Self {
            body,
            headers,
            came: BytesMut::new(),
            bodies: bodies.clone(),
            share: Share::default(),
            call: call.clone(),
        }
    }

    /// Waits until a message begins, however long; it holds nothing meanwhile. Tells whether one does.
    ///
    /// # Errors
    ///
    /// The caller went away.
    pub(super) async fn begins(&mut self) -> Result<bool, Status> {
        if self.came.is_empty() {
            self.share = Share::default();
        }
        while self.came.is_empty() {
            let Some(data) = data_of(self.body.frame().await).transpose()? else {
                return Ok(false);
            };
            self.came.extend_from_slice(&data);
        }
        Ok(true)
    }

    /// The next message; `None` when the caller has sent all. Each has its own time to come: what
    /// an import holds is others' when its caller falls silent.
    ///
    /// # Errors
    ///
    /// What the caller is to be told: that a message is too large, comes too slowly, or cannot be
    /// read.
    pub(super) async fn next<M: Message + Default>(&mut self) -> Result<Option<M>, Status> {
        let mut deadline = Deadline::of(&self.call);
        loop {
            if let Some(message) = self.whole_message()? {
                let message = M::decode(message);
                return message
                    .map(Some)
                    .map_err(|error| status::malformed(&error.to_string()));
            }
            let (body, share) = (&mut self.body, &mut self.share);
            let Some(data) = self.bodies.next(body, share, &mut deadline).await? else {
                let is_whole = self.came.is_empty();
                let cut = || status::malformed("it ends within a message");
                return is_whole.then_some(None).ok_or_else(cut);
            };
            self.came.extend_from_slice(&data);
            self.bodies.hold(&mut self.share, self.came.len())?;
        }
    }

    fn whole_message(&mut self) -> Result<Option<Bytes>, Status> {
        let Some(prefix) = self.came.first_chunk::<PREFIX_LEN>() else {
            return Ok(None);
        };
        let length = self.bodies.length_of(*prefix, &self.headers)?;
        if self.came.len() < PREFIX_LEN + length {
            return Ok(None);
        }
        self.came.advance(PREFIX_LEN);
        Ok(Some(self.came.split_to(length).freeze()))
    }
}
