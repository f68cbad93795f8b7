//! Gathers the writes of a connection, and sends them together.
use std::{
    io::{self, ErrorKind, IoSlice},
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection's socket that gathers what is written to it until [`CoalescingIo::send`].
///
/// HTTP/2 flushes after every frame, and each flush would be a system call: nearly two for
/// each answer, which cost more than all else about it. Coalesced, the answers that are ready
/// at one time leave in one call, and with TLS in as few records as they fit in. Clones are the
/// same socket.
pub(super) struct CoalescingIo<S>(Arc<Mutex<Socket<S>>>);

impl<S> Clone for CoalescingIo<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Socket<S> {
    stream: S,
    /// What is to be sent; the first `sent` bytes of it have been.
    gathered: Vec<u8>,
    sent: usize,
    /// Whether the stream may hold back what was written to it, as TLS does.
    is_unflushed: bool,
    /// Bytes that came.
    received: u64,
    /// Bytes that came and that were sent.
    moved: u64,
    /// How much may still be read in this turn.
    readable: usize,
    /// Whether nothing is read until the next turn, for which the caller cares.
    is_paused: bool,
    spare: BufferPool,
}

/// Most bytes that are gathered before they are sent.
const GATHERED_MAX_BYTES: usize = 64 << 10;

impl<S: AsyncRead + AsyncWrite + Unpin> CoalescingIo<S> {
    pub(super) fn new(stream: S, spare: BufferPool) -> Self {
        Self(Arc::new(Mutex::new(Socket {
            stream,
            gathered: Vec::new(),
            sent: 0,
            is_unflushed: false,
            received: 0,
            moved: 0,
            readable: usize::MAX,
            is_paused: false,
            spare,
        })))
    }

    /// Sends what was gathered. To be called whenever the connection was polled, and polled
    /// itself until it is ready.
    pub(super) fn send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket().send(cx)
    }

    /// Whether this turn's read limit is used up.
    pub(super) fn has_read_all(&self) -> bool {
        self.socket().readable == 0
    }

    /// Lets at most `bytes` be read until the next turn, which comes soon if they were not enough.
    pub(super) fn begin_turn(&self, bytes: usize) {
        let mut socket = self.socket();
        (socket.readable, socket.is_paused) = (bytes, false);
    }

    /// Lets nothing be read until the next turn. Nobody is woken when more has come.
    pub(super) fn begin_pause(&self) {
        self.socket().is_paused = true;
    }

    /// How many bytes there are to send.
    pub(super) fn gathered(&self) -> usize {
        self.socket().gathered.len()
    }

    /// Whether there is anything to send.
    pub(super) fn has_gathered(&self) -> bool {
        self.gathered() > 0
    }

    /// How many bytes came and were sent so far.
    pub(super) fn moved(&self) -> u64 {
        self.socket().moved
    }

    /// How many bytes were sent so far.
    pub(super) fn sent(&self) -> u64 {
        let socket = self.socket();
        socket.moved - socket.received
    }

    /// How many bytes came so far.
    pub(super) fn received(&self) -> u64 {
        self.socket().received
    }

    fn socket(&self) -> MutexGuard<'_, Socket<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: AsyncWrite + Unpin> Socket<S> {
    fn send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest @ [_, ..]) = self.gathered.get(self.sent..) {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                sent => {
                    self.sent += sent;
                    self.moved += sent as u64;
                }
            }
        }
        if self.sent > 0 {
            self.sent = 0;
            self.spare.put(mem::take(&mut self.gathered));
            self.is_unflushed = true;
        }
        if self.is_unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.is_unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// How many more bytes can be gathered; sends what there is when that is none.
    fn room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.gathered.len() >= GATHERED_MAX_BYTES {
            ready!(self.send(cx))?;
        }
        if self.gathered.capacity() == 0 {
            self.gathered = self.spare.take();
        }
        Poll::Ready(Ok(GATHERED_MAX_BYTES - self.gathered.len()))
    }

    fn gather(&mut self, bytes: &[u8], room: usize) -> usize {
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.gathered.extend_from_slice(taken);
        taken.len()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for CoalescingIo<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut socket = self.socket();
        if socket.is_paused {
            return Poll::Pending;
        }
        if socket.readable == 0 {
            // Others first.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let (before, most) = (into.filled().len(), socket.readable);
        let polled = if into.remaining() <= most {
            Pin::new(&mut socket.stream).poll_read(cx, into)
        } else {
            let mut part = ReadBuf::new(into.initialize_unfilled_to(most));
            let polled = Pin::new(&mut socket.stream).poll_read(cx, &mut part);
            let came = part.filled().len();
            into.advance(came);
            polled
        };
        let came = into.filled().len() - before;
        socket.received += came as u64;
        socket.moved += came as u64;
        socket.readable -= came;
        polled
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for CoalescingIo<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut socket = self.socket();
        let room = ready!(socket.room(cx))?;
        Poll::Ready(Ok(socket.gather(bytes, room)))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut socket = self.socket();
        let room = ready!(socket.room(cx))?;
        let mut taken = 0;
        for piece in pieces {
            taken += socket.gather(piece, room - taken);
        }
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing: this is the flush after every frame.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut socket = self.socket();
        ready!(socket.send(cx))?;
        Pin::new(&mut socket.stream).poll_shutdown(cx)
    }
}

/// Buffers between uses. One is needed for as long as a connection is being polled, or for as
/// long as its peer does not read; so idle connections hold none.
#[derive(Clone, Default)]
pub(super) struct BufferPool(Arc<Mutex<Vec<Vec<u8>>>>);

/// More are not kept: about as many as there are threads.
const SPARE_MAX: usize = 64;

impl BufferPool {
    fn take(&self) -> Vec<u8> {
        let spare = self.buffers().pop();
        spare.unwrap_or_else(|| Vec::with_capacity(GATHERED_MAX_BYTES))
    }

    fn put(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut buffers = self.buffers();
        if buffers.len() < SPARE_MAX {
            buffers.push(buffer);
        }
    }

    fn buffers(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    async fn pair() -> (CoalescingIo<TcpStream>, BufferPool, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await;
        let (stream, _) = listener.accept().await.unwrap();
        let spare = BufferPool::default();
        (
            CoalescingIo::new(stream, spare.clone()),
            spare,
            peer.unwrap(),
        )
    }

    fn pattern(length: usize) -> Vec<u8> {
        (0..length)
            .map(|at| u8::try_from(at % 251).unwrap())
            .collect()
    }

    #[tokio::test]
    async fn what_was_flushed_is_sent_only_when_asked_and_then_all_of_it() {
        let (mut socket, spare, mut peer) = pair().await;
        socket.write_all(b"one ").await.unwrap();
        socket.flush().await.unwrap();
        socket.write_all(b"two").await.unwrap();
        assert_eq!(
            peer.try_read(&mut [0; 8]).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        poll_fn(|cx| socket.send(cx)).await.unwrap();
        let mut read = [0; 7];
        peer.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"one two");
        assert_eq!(spare.buffers().len(), 1, "the buffer is free again");
    }

    #[tokio::test]
    async fn much_more_than_the_bound_arrives_in_order() {
        let (mut socket, _, mut peer) = pair().await;
        let all = pattern(5 << 20);
        let mut read = Vec::new();
        let writing = async {
            for piece in all.chunks(7_919) {
                socket.write_all(piece).await?;
                assert!(socket.socket().gathered.len() <= GATHERED_MAX_BYTES);
            }
            socket.shutdown().await
        };
        let (written, length) = tokio::join!(writing, peer.read_to_end(&mut read));
        written.unwrap();
        assert_eq!(length.unwrap(), all.len());
        assert!(read == all);
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_holds_its_writer_up() {
        let (mut socket, _, _peer) = pair().await;
        let piece = pattern(GATHERED_MAX_BYTES);
        let writing = async { while socket.write_all(&piece).await.is_ok() {} };
        let held_up = tokio::time::timeout(std::time::Duration::from_millis(200), writing).await;
        assert!(held_up.is_err());
        assert!(socket.socket().gathered.len() <= GATHERED_MAX_BYTES);
    }

    #[tokio::test]
    async fn no_more_is_read_in_a_turn_than_may_be() {
        let (mut socket, _, mut peer) = pair().await;
        peer.write_all(&pattern(5_000)).await.unwrap();
        let mut read = Vec::new();
        for turn in [2_000, 2_000, 2_000] {
            socket.begin_turn(turn);
            let mut into = vec![0; 8_192];
            let mut came = ReadBuf::new(&mut into);
            poll_fn(|cx| Pin::new(&mut socket).poll_read(cx, &mut came))
                .await
                .unwrap();
            read.extend_from_slice(came.filled());
            assert_eq!(socket.has_read_all(), came.filled().len() == turn);
        }
        assert!(read == pattern(5_000));
    }
}
