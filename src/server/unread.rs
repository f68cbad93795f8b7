//! Bounds the memory of answers that clients do not take.
//!
//! HTTP/2 lets a client open hundreds of streams and take none of their answers, or a byte of each now and then: they lie here
//! meanwhile. Each connection counts its own, and when those of all are too many, the connection with the most is cut.
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::telemetry::{Counter, LineLimit, Page};

/// What may lie here for all clients together: 200 streams of a list of 50 for each of 30 clients.
const ALL_MAX_BYTES: usize = 64 << 20;

/// What clients have not taken of their answers.
#[derive(Debug, Default)]
pub(super) struct UnreadAnswers {
    held: Mutex<Held>,
    next_id: AtomicU64,
    cut: Counter,
    lines: LineLimit,
}

#[derive(Debug, Default)]
struct Held {
    all_bytes: usize,
    /// Connections that hold anything.
    by_connection: HashMap<u64, Holder>,
}

#[derive(Debug)]
struct Holder {
    bytes: usize,
    peer: IpAddr,
    cut: CancellationToken,
}

impl UnreadAnswers {
    /// A new connection, of `peer`.
    pub(super) fn connection(self: &Arc<Self>, peer: IpAddr) -> UnreadHere {
        UnreadHere {
            all: Arc::clone(self),
            id: self.next_id.fetch_add(1, Relaxed),
            peer,
            told_bytes: 0,
            bytes: Arc::default(),
            cut: CancellationToken::new(),
        }
    }

    /// Writes their metrics.
    pub(super) fn collect(&self, page: &mut Page) {
        page.gauge(
            "catalog_unread_answers_bytes",
            "Bytes of answers that clients have not taken yet.",
        )
        .sample(&[], self.held.lock().all_bytes);
        page.counter(
            "catalog_connections_cut_unread_total",
            "Connections that were cut because clients took too little of their answers, and this one's the least.",
        )
        .sample(&[], self.cut.get());
    }

    /// The connection `id` holds so much now.
    fn tell(&self, id: u64, holder: Holder) {
        let mut held = self.held.lock();
        let bytes = holder.bytes;
        let before = match bytes {
            0 => held.by_connection.remove(&id),
            _ => held.by_connection.insert(id, holder),
        };
        held.all_bytes += bytes;
        held.all_bytes -= before.map_or(0, |before| before.bytes);
        while held.all_bytes > ALL_MAX_BYTES {
            let most = held.by_connection.iter().max_by_key(|(_, it)| it.bytes);
            let Some((&id, _)) = most else { return };
            self.cut(&mut held, id);
        }
    }

    fn cut(&self, held: &mut Held, id: u64) {
        let Some(Holder { bytes, peer, cut }) = held.by_connection.remove(&id) else {
            return;
        };
        held.all_bytes -= bytes;
        cut.cancel();
        self.cut.add(1);
        if let Some(left_out) = self.lines.admit() {
            tracing::warn!(
                %peer, bytes, most_bytes = ALL_MAX_BYTES, left_out,
                "clients take too little of their answers; the connection of the one that left the most was cut"
            );
        }
    }
}

/// What the client of one connection has not taken.
#[derive(Debug)]
pub(super) struct UnreadHere {
    all: Arc<UnreadAnswers>,
    id: u64,
    peer: IpAddr,
    /// What `all` knows.
    told_bytes: usize,
    bytes: Arc<AtomicUsize>,
    cut: CancellationToken,
}

impl UnreadHere {
    /// Where answers of this connection are counted.
    pub(super) fn bytes(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.bytes)
    }

    /// Cancelled when the connection must be cut.
    pub(super) fn cut(&self) -> CancellationToken {
        self.cut.clone()
    }

    /// Tells all what is left after the connection has sent what it could; `gathered` bytes are on their way.
    pub(super) fn tell(&mut self, gathered: usize) {
        let bytes = self.bytes.load(Relaxed) + gathered;
        // Nearly always: nothing before, and nothing now.
        if bytes == self.told_bytes || self.cut.is_cancelled() {
            return;
        }
        self.told_bytes = bytes;
        let holder = Holder {
            bytes,
            peer: self.peer,
            cut: self.cut.clone(),
        };
        self.all.tell(self.id, holder);
    }
}

impl Drop for UnreadHere {
    fn drop(&mut self) {
        let nothing = Holder {
            bytes: 0,
            peer: self.peer,
            cut: self.cut.clone(),
        };
        if self.told_bytes > 0 {
            self.all.tell(self.id, nothing);
        }
    }
}

/// A part of an answer. It counts as not taken until this is dropped.
#[derive(Debug)]
pub(super) struct Unread {
    here: Arc<AtomicUsize>,
    bytes: usize,
}

impl Unread {
    /// Counts `bytes`.
    pub(super) fn of(here: &Arc<AtomicUsize>, bytes: usize) -> Self {
        here.fetch_add(bytes, Relaxed);
        Self {
            here: Arc::clone(here),
            bytes,
        }
    }

    /// Takes `bytes` out of this, or counts what it does not have of them.
    pub(super) fn split(&mut self, bytes: usize) -> Self {
        let missing = bytes.saturating_sub(self.bytes);
        if missing > 0 {
            self.here.fetch_add(missing, Relaxed);
            self.bytes += missing;
        }
        self.bytes -= bytes;
        Self {
            here: Arc::clone(&self.here),
            bytes,
        }
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        self.here.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn what_was_taken_or_dropped_counts_no_more() {
        let all = Arc::new(UnreadAnswers::default());
        let mut here = all.connection(PEER);
        let mut answer = Unread::of(&here.bytes(), 100);
        let piece = answer.split(30);
        here.tell(5);
        assert_eq!(all.held.lock().all_bytes, 105);
        drop(piece);
        here.tell(0);
        assert_eq!(all.held.lock().all_bytes, 70);
        let longer = answer.split(80);
        drop(answer);
        here.tell(0);
        assert_eq!(
            all.held.lock().all_bytes,
            80,
            "a stream gave more than it had said"
        );
        drop(longer);
        here.tell(0);
        assert_eq!(all.held.lock().all_bytes, 0);
        assert!(all.held.lock().by_connection.is_empty());
    }

    #[test]
    fn where_too_much_lies_the_connection_with_the_most_is_cut_and_others_are_not() {
        let all = Arc::new(UnreadAnswers::default());
        let [mut most, mut some, mut last] = [(); 3].map(|()| all.connection(PEER));
        let lying = [(&mut most, 40), (&mut some, 20), (&mut last, 10)].map(|(here, mebibytes)| {
            let answer = Unread::of(&here.bytes(), mebibytes << 20);
            here.tell(0);
            answer
        });
        let cut = [&most, &some, &last].map(|here| here.cut().is_cancelled());
        assert_eq!(cut, [true, false, false]);
        assert_eq!((all.held.lock().all_bytes, all.cut.get()), (30 << 20, 1));
        drop((most, lying));
        drop((some, last));
        assert_eq!(all.held.lock().all_bytes, 0);
    }
}
