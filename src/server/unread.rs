//! Bounds the memory of answers that clients do not take.
//!
//! HTTP/2 lets a client open hundreds of streams and take none of their answers, or a byte of each now and then: they lie here
//! meanwhile. Each connection counts its own. When those of all are too many, the connections of clients that take next to
//! nothing are cut, the one with the most first; a client that reads is cut only where all that lies here becomes far too much.
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::telemetry::{Counter, LineLimit, Page};

/// More may not lie here for clients that take next to nothing: 200 streams of a list of 50 for each of 30 of them.
const NEGLECTED_MAX_BYTES: usize = 64 << 20;
/// Nor more for clients that read.
const ALL_MAX_BYTES: usize = 256 << 20;
/// A client reads as long as it takes a 64th of what lies here for it, and this much at least, ...
const SHARE: usize = 64;
const TAKEN_MIN_BYTES: u64 = 16 << 10;
/// ... within so long.
const NEGLECT: Duration = Duration::from_secs(1);

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

/// A connection for which something lies here.
#[derive(Debug)]
struct Holder {
    bytes: usize,
    /// What was sent when its client was last found to read, and when that was.
    sent: u64,
    read_at: Instant,
    peer: IpAddr,
    cut: CancellationToken,
}

impl Holder {
    fn is_neglected(&self, now: Instant) -> bool {
        now.duration_since(self.read_at) >= NEGLECT
    }

    /// It holds `bytes` now, and has sent so much in all.
    fn update(&mut self, bytes: usize, sent: u64, now: Instant) {
        let least = TAKEN_MIN_BYTES.max((bytes / SHARE) as u64);
        if sent.saturating_sub(self.sent) >= least {
            (self.sent, self.read_at) = (sent, now);
        }
        self.bytes = bytes;
    }
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
            "Connections that were cut because too much of their answers was left unread.",
        )
        .sample(&[], self.cut.get());
    }

    /// The connection of `here` holds so much now, and has sent so much.
    fn tell(&self, here: &UnreadHere, bytes: usize, sent: u64) {
        let (mut held, now) = (self.held.lock(), Instant::now());
        let before = held.by_connection.get(&here.id).map_or(0, |it| it.bytes);
        if bytes == 0 {
            held.by_connection.remove(&here.id);
        } else {
            let holder = held.by_connection.entry(here.id);
            let holder = holder.or_insert_with(|| here.holder(sent, now));
            holder.update(bytes, sent, now);
        }
        held.all_bytes = held.all_bytes + bytes - before;
        self.cut_down(&mut held, now);
    }

    /// Looks now and then whether any connection must be cut; forever. Who hoards does nothing that would be noticed.
    pub(super) async fn keep_looking(&self) {
        loop {
            sleep(NEGLECT).await;
            self.cut_down(&mut self.held.lock(), Instant::now());
        }
    }

    /// Cuts as many connections as must be.
    fn cut_down(&self, held: &mut Held, now: Instant) {
        while held.all_bytes > NEGLECTED_MAX_BYTES {
            let is_far_too_much = held.all_bytes > ALL_MAX_BYTES;
            let holders = held.by_connection.iter();
            let candidates = holders.filter(|(_, it)| is_far_too_much || it.is_neglected(now));
            // Who reads comes last.
            let worst = candidates.max_by_key(|(_, it)| (it.is_neglected(now), it.bytes));
            let Some((&id, _)) = worst else { return };
            self.cut(held, id);
        }
    }

    fn cut(&self, held: &mut Held, id: u64) {
        let Some(holder) = held.by_connection.remove(&id) else {
            return;
        };
        let Holder { bytes, peer, .. } = holder;
        held.all_bytes -= bytes;
        holder.cut.cancel();
        self.cut.add(1);
        if let Some(left_out) = self.lines.admit() {
            tracing::warn!(
                %peer, bytes, left_out,
                "clients leave too much of their answers unread; the connection of one of them was cut"
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

    /// Tells all what is left after the connection has sent what it could, `sent` in all; `gathered` bytes are on
    /// their way.
    pub(super) fn tell(&mut self, gathered: usize, sent: impl FnOnce() -> u64) {
        let bytes = self.bytes.load(Relaxed) + gathered;
        // Nearly always: nothing before, and nothing now.
        if bytes == self.told_bytes || self.cut.is_cancelled() {
            return;
        }
        self.all.tell(self, bytes, sent());
        self.told_bytes = bytes;
    }

    fn holder(&self, sent: u64, now: Instant) -> Holder {
        Holder {
            bytes: 0,
            sent,
            read_at: now,
            peer: self.peer,
            cut: self.cut.clone(),
        }
    }
}

impl Drop for UnreadHere {
    fn drop(&mut self) {
        if self.told_bytes > 0 {
            self.all.tell(self, 0, 0);
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

    /// Counts `bytes` at least.
    pub(super) fn cover(&mut self, bytes: usize) {
        let missing = bytes.saturating_sub(self.bytes);
        if missing > 0 {
            self.here.fetch_add(missing, Relaxed);
            self.bytes += missing;
        }
    }

    /// Takes `bytes` out of this, which it covers.
    pub(super) fn split(&mut self, bytes: usize) -> Self {
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

    use tokio::time::advance;

    use super::*;

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// What lies here for a connection now, of which nothing more was sent.
    fn lies(here: &mut UnreadHere, mebibytes: usize) -> Unread {
        let answer = Unread::of(&here.bytes(), mebibytes << 20);
        here.tell(0, || 0);
        answer
    }

    fn are_cut<const N: usize>(connections: [&UnreadHere; N]) -> [bool; N] {
        connections.map(|here| here.cut().is_cancelled())
    }

    #[test]
    fn what_was_taken_or_dropped_counts_no_more() {
        let all = Arc::new(UnreadAnswers::default());
        let bytes = || all.held.lock().all_bytes;
        let mut here = all.connection(PEER);
        let mut answer = Unread::of(&here.bytes(), 100);
        let piece = answer.split(30);
        here.tell(5, || 0);
        assert_eq!(bytes(), 105);
        drop(piece);
        here.tell(0, || 30);
        assert_eq!(bytes(), 70);
        answer.cover(80);
        let longer = answer.split(80);
        drop(answer);
        here.tell(0, || 30);
        assert_eq!(bytes(), 80, "a stream gave more than it had said");
        drop(longer);
        here.tell(0, || 110);
        assert_eq!(bytes(), 0);
        assert!(all.held.lock().by_connection.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_cut_the_largest_first_and_who_reads_is_not() {
        let all = Arc::new(UnreadAnswers::default());
        let [mut reader, mut hoarder, mut smaller] = [(); 3].map(|()| all.connection(PEER));
        let mut lying = vec![lies(&mut hoarder, 30), lies(&mut smaller, 10)];
        advance(NEGLECT).await;
        lying.push(lies(&mut reader, 50));
        assert_eq!(are_cut([&reader, &hoarder, &smaller]), [false, true, false]);
        assert_eq!((all.held.lock().all_bytes, all.cut.get()), (60 << 20, 1));
        // It takes a megabyte a second, and more comes for it.
        for taken in 1..=5 {
            advance(NEGLECT).await;
            lying.push(Unread::of(&reader.bytes(), 1 << 20));
            reader.tell(0, || taken << 20);
        }
        assert_eq!(are_cut([&reader, &hoarder, &smaller]), [false, true, true]);
        drop((lying, reader, hoarder, smaller));
        assert_eq!(all.held.lock().all_bytes, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_cut_also_when_nothing_more_comes() {
        let all = Arc::new(UnreadAnswers::default());
        let [mut one, mut two] = [(); 2].map(|()| all.connection(PEER));
        let _lying = [lies(&mut one, 60), lies(&mut two, 20)];
        let looked = tokio::time::timeout(NEGLECT * 2, all.keep_looking()).await;
        assert!(looked.is_err(), "it looks forever");
        assert_eq!(are_cut([&one, &two]), [true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_now_and_then_is_not_reading() {
        let all = Arc::new(UnreadAnswers::default());
        let [mut dripping, mut other] = [(); 2].map(|()| all.connection(PEER));
        let mut lying = vec![lies(&mut dripping, 60)];
        for taken in 1..=10 {
            advance(NEGLECT / 4).await;
            lying.push(Unread::of(&dripping.bytes(), 1));
            dripping.tell(0, || taken);
        }
        lying.push(lies(&mut other, 5));
        assert_eq!(are_cut([&dripping, &other]), [true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_cut_for_what_came_a_moment_ago_unless_it_is_far_too_much() {
        let all = Arc::new(UnreadAnswers::default());
        let [mut one, mut two] = [(); 2].map(|()| all.connection(PEER));
        let _lying = [lies(&mut one, 200), lies(&mut two, 50)];
        assert_eq!(are_cut([&one, &two]), [false, false]);
        let _more = lies(&mut two, 10);
        assert_eq!(are_cut([&one, &two]), [true, false]);
    }
}
