//! Polls a connection turn by turn: what is read in one, and when what was written is sent.
use std::{future::poll_fn, pin::Pin, task::Poll};

use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    coalescing_io::CoalescingIo, inline_executor::InlineExecutor, read_pauses::ReadPauses,
    unread::UnreadHere,
};

/// What may be read of a connection in one turn. A request is some 50 to 100 bytes, and all that have
/// come are begun at once: thousands of busy connections in a row must not keep the one of a probe
/// waiting.
const TURN_BYTES: usize = 2 << 10;
/// The same, after a turn that was all body.
const BULK_TURN_BYTES: usize = 16 << 10;

/// What the turns of one connection work with.
pub(super) struct Turns<S> {
    pub(super) socket: CoalescingIo<S>,
    pub(super) calls: InlineExecutor,
    pub(super) pauses: ReadPauses,
    pub(super) unread: UnreadHere,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Turns<S> {
    /// Runs `connection` to its end, and sends what it wrote each time that it has nothing more to do for now.
    ///
    /// While other calls wait, tasks that are ready go first: what Redis or the database has told
    /// several calls at once leaves in one write, and not in one for each.
    pub(super) async fn run<C: Future>(&mut self, mut connection: Pin<&mut C>) {
        let Self {
            socket,
            calls,
            pauses,
            unread,
        } = self;
        let mut went_last = false;
        poll_fn(|cx| {
            let is_bulk = calls.take_begun() <= 1 && socket.has_read_all();
            if pauses.is_pausing(cx) {
                socket.begin_pause();
            } else {
                socket.begin_turn(if is_bulk { BULK_TURN_BYTES } else { TURN_BYTES });
            }
            let served = connection.as_mut().poll(cx);
            if served.is_pending() && !went_last && calls.has_waiting() && socket.has_gathered() {
                went_last = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            went_last = false;
            pauses.end_turn(!socket.has_read_all());
            let sent = socket.send(cx);
            unread.tell(socket.gathered(), || socket.sent());
            match sent {
                // A socket that broke has nothing to tell anyone.
                Poll::Ready(Err(_)) => Poll::Ready(()),
                Poll::Ready(Ok(())) | Poll::Pending => served.map(drop),
            }
        })
        .await;
    }
}
