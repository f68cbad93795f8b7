//! Reads the messages of a client stream one at a time. Guarantee: at most one message is in memory; flow control stops the
//! sender.
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body;
use http_body_util::BodyExt;
use prost::Message;
use tonic::Status;

use super::{
    context::RequestContext,
    request_body::{Deadline, PREFIX_LEN, RequestBodies, Share, data_of, decoded},
    status,
};

/// The messages of a client stream, at most one of which is in memory.
pub(super) struct Upload<B> {
    body: B,
    headers: HeaderMap,
    /// Bytes read and not yet decoded.
    received: BytesMut,
    bodies: RequestBodies,
    /// What this body holds of the shared body limits.
    share: Share,
    call: RequestContext,
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
            received: BytesMut::new(),
            bodies: bodies.clone(),
            share: Share::default(),
            call: call.clone(),
        }
    }

    /// Waits, without a time limit of its own, for the first byte of the next message, and holds nothing of the body limits
    /// meanwhile. Returns false at the end of the stream.
    ///
    /// # Errors
    ///
    /// The client closed the connection or cancelled the call.
    pub(super) async fn begins(&mut self) -> Result<bool, Status> {
        if self.received.is_empty() {
            self.share = Share::default();
        }
        while self.received.is_empty() {
            let Some(data) = data_of(self.body.frame().await).transpose()? else {
                return Ok(false);
            };
            self.received.extend_from_slice(&data);
        }
        Ok(true)
    }

    /// The next message; `None` at the end of the stream. Each message has a time limit of its own, so that a client that
    /// stops sending does not keep its share of the body limits.
    ///
    /// # Errors
    ///
    /// The status for the client: a message is too large, comes too slowly, or cannot be read.
    pub(super) async fn next<M: Message + Default>(&mut self) -> Result<Option<M>, Status> {
        self.next_framed().await?.map(decoded).transpose()
    }

    /// As [`Self::next`], still encoded and with its prefix.
    ///
    /// # Errors
    ///
    /// As [`Self::next`].
    pub(super) async fn next_framed(&mut self) -> Result<Option<Bytes>, Status> {
        let mut deadline = Deadline::of(&self.call);
        loop {
            if let Some(message) = self.whole_message().await? {
                return Ok(Some(message));
            }
            let (body, share) = (&mut self.body, &mut self.share);
            let Some(data) = self.bodies.next(body, share, &mut deadline).await? else {
                let is_whole = self.received.is_empty();
                let cut = || status::malformed("it ends within a message");
                return is_whole.then_some(None).ok_or_else(cut);
            };
            self.received.extend_from_slice(&data);
            self.bodies.hold(&mut self.share, self.received.len())?;
        }
    }

    async fn whole_message(&mut self) -> Result<Option<Bytes>, Status> {
        let Some(prefix) = self.received.first_chunk::<PREFIX_LEN>() else {
            return Ok(None);
        };
        let (is_compressed, length) = self.bodies.length_of(*prefix, &self.headers)?;
        if self.received.len() < PREFIX_LEN + length {
            return Ok(None);
        }
        let mut message = self.received.split_to(PREFIX_LEN + length).freeze();
        if is_compressed {
            message = Box::pin(self.bodies.inflated(&message, &mut self.share)).await?;
        }
        Ok(Some(message))
    }
}
