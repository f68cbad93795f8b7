//! Reads request bodies, within limits that all requests share.
//!
//! A small body that arrived with its headers costs nothing. One that must be awaited holds a slot until it is
//! complete; a large one holds bytes of a shared budget until the call ends. So callers that begin bodies and do
//! not end them cost a bounded memory, and small requests are served when the budget is used up.
use std::{
    future::poll_fn,
    io::{self, Write},
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use flate2::write::MultiGzDecoder;
use http::{HeaderMap, HeaderValue, header::HeaderName};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use prost::Message;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::yield_now,
    time::{Instant, timeout_at},
};
use tonic::Status;

use super::{context::RequestContext, status};

/// The length of what stands before every gRPC message: a flag and the message's length.
pub(super) const PREFIX_LEN: usize = 5;
pub(super) const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
pub(super) const GZIP: HeaderValue = HeaderValue::from_static("gzip");

/// What all large bodies may take together; at least eight of the largest.
const ALL_BYTES: usize = 64 << 20;
const LARGEST: usize = 8;
/// A body is small up to here.
const SMALL_BYTES: usize = 8 << 10;
/// How many bodies are waited for at once.
const WAITED_FOR_MAX: usize = 8192;
/// How many compressed bytes are unpacked before other calls have their turn.
const UNPACKED_AT_ONCE: usize = 64 << 10;
/// How long a message may take to arrive.
const MESSAGE_WITHIN: Duration = Duration::from_secs(5);

/// The bounds of requests.
#[derive(Clone)]
pub(super) struct RequestBodies {
    limit_bytes: usize,
    budget: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

/// What one body holds.
#[derive(Default)]
pub(super) struct Share {
    /// The slot of a body that must be awaited.
    place: Option<OwnedSemaphorePermit>,
    /// The bytes of the shared budget that a large body holds.
    bytes: Option<OwnedSemaphorePermit>,
}

/// Until when a message is waited for: some time from the first wait, and no longer than its call lasts.
pub(super) struct Deadline {
    call: std::time::Instant,
    message: Option<Instant>,
}

impl Deadline {
    pub(super) fn of(call: &RequestContext) -> Self {
        Self {
            call: call.deadline,
            message: None,
        }
    }

    fn instant(&mut self) -> Instant {
        let ours = || Instant::now() + MESSAGE_WITHIN;
        let call = Instant::from_std(self.call);
        *self.message.get_or_insert_with(|| ours().min(call))
    }
}

impl RequestBodies {
    /// Messages of up to `limit_bytes`.
    pub(super) fn new(limit_bytes: usize) -> Self {
        let all = ALL_BYTES.max(limit_bytes.saturating_mul(LARGEST));
        Self {
            limit_bytes,
            budget: Arc::new(Semaphore::new(all)),
            places: Arc::new(Semaphore::new(WAITED_FOR_MAX)),
        }
    }

    /// The same bounds, but for messages of up to `limit_bytes` where that is less.
    pub(super) fn up_to(&self, limit_bytes: usize) -> Self {
        Self {
            limit_bytes: self.limit_bytes.min(limit_bytes),
            ..self.clone()
        }
    }

    /// The one message of a request, and its share, to be held as long as the call.
    pub(super) async fn read<M, B>(
        &self,
        body: B,
        headers: &HeaderMap,
        call: &RequestContext,
    ) -> Result<(M, Share), Status>
    where
        M: Message + Default,
        B: Body<Data = Bytes> + Unpin,
    {
        let (message, share) = self.read_framed(body, headers, call).await?;
        Ok((decoded(message)?, share))
    }

    /// The bytes of the one message of a request, with its prefix.
    pub(super) async fn read_framed<B>(
        &self,
        mut body: B,
        headers: &HeaderMap,
        call: &RequestContext,
    ) -> Result<(Bytes, Share), Status>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (mut all, mut share) = (Bytes::new(), Share::default());
        let mut deadline = Deadline::of(call);
        while let Some(data) = self.next(&mut body, &mut share, &mut deadline).await? {
            all = joined(all, data);
            // The prefix tells the length early: an oversized message is refused before it is complete.
            if announced(&all).max(all.len().saturating_sub(PREFIX_LEN)) > self.limit_bytes {
                return Err(status::message_too_large(self.limit_bytes));
            }
            self.hold(&mut share, all.len())?;
        }
        // It is not waited for any more, however long its call takes.
        share.place = None;
        let Some(prefix) = all.first_chunk::<PREFIX_LEN>() else {
            return Err(status::malformed("it ends before the message's length"));
        };
        let (is_compressed, length) = self.length_of(*prefix, headers)?;
        if length != all.len() - PREFIX_LEN {
            return Err(status::malformed("it is shorter or longer than it says"));
        }
        if is_compressed {
            // Boxed, because it is seldom needed.
            all = Box::pin(self.inflated(&all, &mut share)).await?;
        }
        Ok((all, share))
    }

    /// The next data of a body; `None` at its end. What is not there yet is waited for with a place,
    /// and up to `deadline`, which begins with the first wait.
    pub(super) async fn next<B>(
        &self,
        body: &mut B,
        share: &mut Share,
        deadline: &mut Deadline,
    ) -> Result<Option<Bytes>, Status>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        loop {
            let frame = poll_fn(|cx| {
                let polled = Pin::new(&mut *body).poll_frame(cx);
                Poll::Ready(polled.map(data_of))
            });
            let data = match frame.await {
                Poll::Ready(data) => data,
                Poll::Pending => {
                    self.take_place(share)?;
                    let frame = timeout_at(deadline.instant(), body.frame()).await;
                    data_of(frame.map_err(|_| status::message_too_slow())?)
                }
            };
            match data.transpose()? {
                Some(data) if data.is_empty() => {}
                data => return Ok(data),
            }
        }
    }

    fn take_place(&self, share: &mut Share) -> Result<(), Status> {
        if share.place.is_none() {
            let place = Arc::clone(&self.places).try_acquire_owned();
            let none = |_| status::overloaded("too many requests were begun and not ended");
            share.place = Some(place.map_err(none)?);
        }
        Ok(())
    }

    /// Takes from the shared limit what a body of `bytes` needs beyond its share so far.
    pub(super) fn hold(&self, share: &mut Share, bytes: usize) -> Result<(), Status> {
        let held = share.bytes.as_ref();
        let held = held.map_or(0, OwnedSemaphorePermit::num_permits);
        if bytes <= held.max(SMALL_BYTES) {
            return Ok(());
        }
        let more = u32::try_from(bytes - held).unwrap_or(u32::MAX);
        let more = Arc::clone(&self.budget).try_acquire_many_owned(more);
        let more = more.map_err(|_| status::overloaded("memory for requests is used up"))?;
        match &mut share.bytes {
            Some(permit) => permit.merge(more),
            permit @ None => *permit = Some(more),
        }
        Ok(())
    }

    /// Whether the message behind a prefix is compressed, and its length, which is within the limit.
    pub(super) fn length_of(
        &self,
        [flag, length @ ..]: [u8; PREFIX_LEN],
        headers: &HeaderMap,
    ) -> Result<(bool, usize), Status> {
        match (flag, headers.get(ENCODING)) {
            (0, _) => {}
            (1, Some(encoding)) if *encoding == GZIP => {}
            (1, Some(_)) => return Err(status::compressed()),
            _ => return Err(status::malformed("its first byte is no gRPC flag")),
        }
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > self.limit_bytes {
            return Err(status::message_too_large(self.limit_bytes));
        }
        Ok((flag == 1, length))
    }

    /// The message, with its prefix, that the compressed message in `framed` is without compression. It is within
    /// the limit as well, whatever it unpacks to. Other calls of the thread have their turn between its pieces.
    pub(super) async fn inflated(
        &self,
        framed: &Bytes,
        share: &mut Share,
    ) -> Result<Bytes, Status> {
        let mut inflating = MultiGzDecoder::new(Unpacked {
            message: vec![0; PREFIX_LEN],
            limit_bytes: PREFIX_LEN.saturating_add(self.limit_bytes),
            is_too_large: false,
        });
        let compressed = framed.get(PREFIX_LEN..).unwrap_or_default();
        for piece in compressed.chunks(UNPACKED_AT_ONCE) {
            let written = inflating.write_all(piece);
            self.check(inflating.get_ref(), written)?;
            self.hold(share, inflating.get_ref().message.len())?;
            if piece.len() == UNPACKED_AT_ONCE {
                yield_now().await;
            }
        }
        let finished = inflating.try_finish();
        self.check(inflating.get_ref(), finished)?;
        let mut message = std::mem::take(&mut inflating.get_mut().message);
        self.hold(share, message.len())?;
        let length = message.len() - PREFIX_LEN;
        if let Some([_, prefix @ ..]) = message.first_chunk_mut::<PREFIX_LEN>() {
            *prefix = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
        }
        Ok(message.into())
    }

    fn check(&self, unpacked: &Unpacked, went: io::Result<()>) -> Result<(), Status> {
        if unpacked.is_too_large {
            return Err(status::message_too_large(self.limit_bytes));
        }
        went.map_err(|_| status::malformed("its gzip stream is damaged"))
    }
}

/// What a compressed message unpacks to, up to a limit.
struct Unpacked {
    message: Vec<u8>,
    limit_bytes: usize,
    is_too_large: bool,
}

impl Write for Unpacked {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if data.len() > self.limit_bytes.saturating_sub(self.message.len()) {
            self.is_too_large = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.message.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A message that has its prefix.
pub(super) fn decoded<M: Message + Default>(mut message: Bytes) -> Result<M, Status> {
    message.advance(PREFIX_LEN);
    M::decode(message).map_err(|error| status::malformed(&error.to_string()))
}

/// The data of a frame, which may be empty; `None` at the end.
pub(super) fn data_of<E>(frame: Option<Result<Frame<Bytes>, E>>) -> Option<Result<Bytes, Status>> {
    Some(match frame? {
        Ok(frame) => Ok(frame.into_data().unwrap_or_default()),
        Err(_) => Err(Status::cancelled("the caller went away")),
    })
}

/// What came so far, and what came now. Nearly every request is one piece, which is then not copied.
fn joined(all: Bytes, data: Bytes) -> Bytes {
    if all.is_empty() {
        return data;
    }
    let mut all = BytesMut::from(all);
    all.extend_from_slice(&data);
    all.freeze()
}

/// The length that the prefix announces; 0 while it is incomplete.
fn announced(all: &[u8]) -> usize {
    let length = all.get(1..PREFIX_LEN);
    let length = length
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u32::from_be_bytes);
    usize::try_from(length).unwrap_or(usize::MAX)
}

#[cfg(test)]
#[path = "request_body_tests.rs"]
mod tests;
