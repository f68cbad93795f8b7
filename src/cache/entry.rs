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
/// It is drawn once, in the last tenth of the entry's time, but not in its last twentieth: a key
/// that is read at least once in that is always loaded early. `XFetch` (Vattani et al., VLDB 2015)
/// draws at every read, around the time that a load takes; our loads take milliseconds, in which
/// a key may well go unread.
#[derive(Debug)]
pub(super) struct Refresh {
    from: Instant,
    taken: AtomicBool,
}

impl Refresh {
    /// For an entry that lives for `ttl` from now.
    pub(super) fn within(ttl: Duration) -> Self {
        let from = Instant::now() + ttl.mul_f64(rand::random_range(0.9..0.95));
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

/// What stands before the body: the kind, the etag, and the life of the entry in milliseconds: the
/// lease under which it was read, and the time that it was to be kept for.
const HEAD_BYTES: usize = 1 + 8 + 4;

/// What Redis holds for `body`, which `etag` names.
pub(super) fn pack(etag: Etag, life: Duration, body: Option<&Bytes>) -> Bytes {
    let mut packed = BytesMut::with_capacity(HEAD_BYTES + body.map_or(0, Bytes::len));
    packed.put_u8(if body.is_some() { PRESENT } else { ABSENT });
    packed.put_slice(&etag.0);
    packed.put_u32(u32::try_from(life.as_millis()).unwrap_or(u32::MAX));
    packed.put_slice(body.map_or(&[], |body| body));
    packed.freeze()
}

/// Reads what [`pack`] wrote; `None` when it did not.
pub(super) fn unpack(packed: &Bytes) -> Option<(Etag, Duration, Option<Bytes>)> {
    let (kind, rest) = packed.split_first()?;
    let (etag, rest) = rest.split_first_chunk()?;
    let (ttl, _) = rest.split_first_chunk()?;
    let ttl = Duration::from_millis(u32::from_be_bytes(*ttl).into());
    let body = packed.slice(HEAD_BYTES..);
    match *kind {
        PRESENT => Some((Etag(*etag), ttl, Some(body))),
        ABSENT if body.is_empty() => Some((Etag(*etag), ttl, None)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_body_is_not_an_absent_one() {
        for body in [None, Some(Bytes::new()), Some(Bytes::from_static(b"abc"))] {
            let (name, ttl) = (Etag::of(body.as_ref()), Duration::from_hours(168));
            let packed = pack(name, ttl, body.as_ref());
            assert_eq!(unpack(&packed), Some((name, ttl, body)));
        }
    }

    #[test]
    fn bytes_that_nobody_packed_are_not_read() {
        for bytes in [
            &b""[..],
            b"x",
            b"P12345678123",
            b"x123456781234",
            b"A123456781234abc",
        ] {
            assert_eq!(unpack(&Bytes::from_static(bytes)), None);
        }
    }
}
