use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::time::Instant;

use super::key::ReadKey;
use crate::domain::{Answer, Etag, Freshness, Source, Stamp, UnixMicros, Version};

/// A cached answer and what is known of it.
#[derive(Debug)]
pub(super) struct Entry {
    /// The encoded body; `None` when the database said that there is nothing.
    pub(super) body: Option<Bytes>,
    /// Names the body.
    pub(super) etag: Etag,
    /// The last commit that the read saw.
    pub(super) stamp: Stamp,
    /// The era of [`super::Knowledge`] that the read began in.
    pub(super) era: u64,
    /// It was current at this moment, or later.
    pub(super) current_at: Instant,
    /// From here on it counts as a miss.
    pub(super) expires: Instant,
    /// The same moment for people and callers.
    pub(super) expires_at: UnixMicros,
    /// When it is to be loaded again before its time is over.
    pub(super) refresh: Refresh,
    /// The generation of [`super::Knowledge`] that it was last found valid in; 0 for none.
    pub(super) valid_in: AtomicU64,
}

/// The moment from which one caller is asked to load the entry again, in the
/// background, while all are still served from it; so nobody waits for a hot key.
///
/// It is drawn once, in the last tenth of the entry's time. `XFetch` (Vattani et
/// al., VLDB 2015) draws at every read, around the time that a load takes; our
/// loads take milliseconds, in which a key may well go unread.
#[derive(Debug)]
pub(super) struct Refresh {
    from: Instant,
    taken: AtomicBool,
}

impl Refresh {
    /// For an entry that lives for `ttl` from now.
    pub(super) fn within(ttl: Duration) -> Self {
        let from = Instant::now() + ttl.mul_f64(rand::random_range(0.9..1.0));
        Self {
            from,
            taken: AtomicBool::new(false),
        }
    }

    /// True for one caller, once it is time.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.from && !self.taken.swap(true, Relaxed)
    }
}

/// What an entry takes beside its bytes: three allocations, the map's slot, and what these are
/// rounded up to. Measured as the resident memory of a full cache of small entries (row N of
/// `make bench`), so that the bound in the settings holds for the process.
const ENTRY_OVERHEAD_BYTES: usize = 288;

impl Entry {
    /// The answer that this entry makes, `bound` old at most.
    pub(super) fn answer(
        &self,
        source: Source,
        version: Version,
        bound: Duration,
        stale: bool,
    ) -> Answer {
        Answer {
            body: self.body.clone(),
            etag: self.etag,
            expires_at: Some(self.expires_at),
            freshness: Freshness {
                version,
                source,
                stale,
                staleness_bound: bound,
            },
        }
    }

    /// How many bytes the entry takes under `key`.
    pub(super) fn weight(&self, key: &ReadKey) -> u64 {
        let body = self.body.as_ref().map_or(0, Bytes::len);
        (key.weight() + size_of::<Self>() + ENTRY_OVERHEAD_BYTES + body) as u64
    }
}

/// The first byte of what Redis holds: the body follows its name, or the catalog has nothing there.
const PRESENT: u8 = b'P';
const ABSENT: u8 = b'A';

/// What Redis holds for `body`, which `etag` names.
pub(super) fn pack(etag: Etag, body: Option<&Bytes>) -> Bytes {
    let mut packed = BytesMut::with_capacity(1 + etag.0.len() + body.map_or(0, Bytes::len));
    packed.put_u8(if body.is_some() { PRESENT } else { ABSENT });
    packed.put_slice(&etag.0);
    packed.put_slice(body.map_or(&[], |body| body));
    packed.freeze()
}

/// Reads what [`pack`] wrote; `None` when it did not.
pub(super) fn unpack(packed: &Bytes) -> Option<(Etag, Option<Bytes>)> {
    let (kind, rest) = packed.split_first()?;
    let etag = Etag(*rest.first_chunk()?);
    let body = packed.slice(1 + etag.0.len()..);
    match *kind {
        PRESENT => Some((etag, Some(body))),
        ABSENT if body.is_empty() => Some((etag, None)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_body_is_not_an_absent_one() {
        for body in [None, Some(Bytes::new()), Some(Bytes::from_static(b"abc"))] {
            let name = Etag::of(body.as_ref());
            assert_eq!(unpack(&pack(name, body.as_ref())), Some((name, body)));
        }
    }

    #[test]
    fn bytes_that_nobody_packed_are_not_read() {
        for bytes in [&b""[..], b"x", b"P1234567", b"x12345678", b"A12345678abc"] {
            assert_eq!(unpack(&Bytes::from_static(bytes)), None);
        }
    }
}
