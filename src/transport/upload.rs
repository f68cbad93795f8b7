//! Requests of several messages.
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
            if let Some(message) = self.whole_message()? {
                return Ok(Some(message));
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
        let (is_compressed, length) = self.bodies.length_of(*prefix, &self.headers)?;
        if self.came.len() < PREFIX_LEN + length {
            return Ok(None);
        }
        let mut message = self.came.split_to(PREFIX_LEN + length).freeze();
        if is_compressed {
            message = self.bodies.inflated(&message, &mut self.share)?;
        }
        Ok(Some(message))
    }
}
