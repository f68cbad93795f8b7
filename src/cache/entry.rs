//! A cached answer with its stamp, the answer that a caller gets of it, and the key that it stands under: what was asked
//! for, and the tags that the answer depends on; and the form that Redis holds it in.
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;

use crate::{
    domain::{
        Answer, ChallengeId, Cursor, DatabaseId, DeflatedSlot, Difficulty, Etag, Freshness,
        JsonSlot, ListQuery, Source, Stamp, Tag, UnixMicros, Version,
    },
    redis::MacKey,
};

/// A cached answer and what is known of it.
#[derive(Debug)]
pub(super) struct CacheEntry {
    /// The encoded body; `None` when the database said that there is nothing.
    pub(super) body: Option<Bytes>,
    /// Its compressed form, where that may be worth it.
    pub(super) deflated: Option<Arc<DeflatedSlot>>,
    /// Its JSON form, where HTTP is served.
    pub(super) json: Option<Arc<JsonSlot>>,
    /// Names the body.
    pub(super) etag: Etag,
    /// The last commit that the read saw.
    pub(super) stamp: Stamp,
    /// The era of [`super::InvalidationState`] that the read began in.
    pub(super) era: u64,
    /// It was current at this moment, or later.
    pub(super) current_at: Instant,
    /// From here on it counts as a miss.
    pub(super) expires: Instant,
    /// The same moment for people and callers.
    pub(super) expires_at: UnixMicros,
    /// When it is to be loaded again before its time is over.
    pub(super) refresh: Refresh,
    /// The generation of [`super::InvalidationState`] that it was last found valid in; 0 for none.
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

impl CacheEntry {
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
            deflated: self.deflated.clone(),
            json: self.json.clone(),
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
        // Room for the other forms is taken from the beginning: an entry does not grow.
        let deflated = self.deflated.as_ref();
        let deflated = deflated.map_or(0, |_| DeflatedSlot::max_bytes(body));
        let json = self.json.as_ref();
        let json = json.map_or(0, |_| JsonSlot::max_bytes(body));
        let body = body + deflated + json;
        (key.weight() + size_of::<Self>() + ENTRY_OVERHEAD_BYTES + body) as u64
    }
}

/// What a cached answer answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum ReadKey {
    /// One page of a list.
    List(ListQuery),
    /// One challenge, or that there is none.
    Challenge(ChallengeId),
    /// What a tip about one challenge is written from, or that there is none.
    Subject(ChallengeId),
}

impl ReadKey {
    /// What the answer depends on, beside [`Tag::Everything`].
    ///
    /// A list of all difficulties depends on each of them, so that a change
    /// anywhere touches it and needs no tag of its own.
    pub(super) fn tags(&self) -> ([Tag; 3], usize) {
        let all = Difficulty::ALL.map(Tag::Difficulty);
        match self {
            Self::List(query) => {
                // Whether another filter needs tags of its own is decided here.
                let ListQuery {
                    difficulty,
                    page_size: _,
                    after: _,
                } = query;
                difficulty.map_or((all, 3), |only| ([Tag::Difficulty(only); 3], 1))
            }
            Self::Challenge(id) | Self::Subject(id) => ([Tag::Challenge(*id); 3], 1),
        }
    }

    /// Whether a change of `tag` makes the answer out of date.
    pub(super) fn depends_on(&self, tag: Tag) -> bool {
        let (tags, count) = self.tags();
        tag == Tag::Everything || tags.iter().take(count).any(|own| *own == tag)
    }

    /// The key in Redis. Two databases never share one, even by mistake; nor do releases that put
    /// different things into a body, which `shape` tells, or pack it in another way, which the number
    /// tells. The braces keep the entry and its lease in one shard of a cluster.
    pub(super) fn in_redis(&self, database: DatabaseId, shape: u32) -> String {
        format!("catalog:6:{shape:08x}:{{{database}:{self}}}")
    }

    /// About how many bytes the key holds in memory.
    pub(super) fn weight(&self) -> usize {
        let beyond = match self {
            Self::List(query) => query.after.as_ref().map_or(0, |cursor| cursor.title.len()),
            Self::Challenge(_) | Self::Subject(_) => 0,
        };
        size_of::<Self>() + beyond
    }
}

/// `list:<difficulty or all>:<page size>[:<place>]`, `challenge:<id>` or `subject:<id>`.
impl fmt::Display for ReadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Challenge(id) => write!(f, "challenge:{id}"),
            Self::Subject(id) => write!(f, "subject:{id}"),
            Self::List(query) => {
                write!(f, "list:{}:{}", query.filters(), query.page_size.get())?;
                let Some(Cursor {
                    difficulty,
                    points,
                    title,
                    id,
                }) = &query.after
                else {
                    return Ok(());
                };
                write!(f, ":{difficulty}:{points}:{id}:{title}")
            }
        }
    }
}

/// An entry as Redis holds it: one string, which begins with the stamp, so that Redis can tell which of
/// two is newer, is never longer than [`Self::MAX_BYTES`], and carries a code that only the fleet can
/// make: others may write there too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SerializedEntry {
    pub(super) stamp: Stamp,
    /// Names the content.
    pub(super) etag: Etag,
    /// The lease under which it was read, and the time that it was to be kept for.
    pub(super) life: Duration,
    pub(super) content: Content,
}

/// What the catalog has there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Body(Bytes),
    Nothing,
    /// Too much for Redis: each replica loads it by itself.
    TooLarge,
}

/// The kinds of content, as Redis has them: present, absent, large.
const BODY: u8 = b'P';
const NOTHING: u8 = b'A';
const TOO_LARGE: u8 = b'L';

/// Before what the code is about, with the key and the stamp.
const CODED_FROM: usize = Stamp::HEX_LEN + MacKey::BYTES;
/// Before the body: the stamp, the code, the kind, the etag, and the life in milliseconds.
const HEAD_BYTES: usize = CODED_FROM + 1 + 8 + 4;

impl SerializedEntry {
    /// A body that is longer stays out of Redis: it would keep everybody's commands waiting behind it.
    pub(super) const MAX_BODY_BYTES: usize = 1 << 20;
    /// Nothing of ours is longer.
    pub(super) const MAX_BYTES: usize = HEAD_BYTES + Self::MAX_BODY_BYTES;

    /// `entry` as it is to be kept for `life` from when its lease was taken.
    pub(super) fn of(entry: &CacheEntry, life: Duration) -> Self {
        Self {
            stamp: entry.stamp,
            etag: entry.etag,
            life,
            content: match &entry.body {
                Some(body) if body.len() > Self::MAX_BODY_BYTES => Content::TooLarge,
                Some(body) => Content::Body(body.clone()),
                None => Content::Nothing,
            },
        }
    }

    /// As Redis is to hold it under `key`.
    pub(super) fn to_bytes(&self, key: &str, mac: &MacKey) -> Vec<u8> {
        let (kind, body) = match &self.content {
            Content::Body(body) => (BODY, body.as_ref()),
            Content::Nothing => (NOTHING, &[][..]),
            Content::TooLarge => (TOO_LARGE, &[][..]),
        };
        let mut bytes = Vec::with_capacity(HEAD_BYTES + body.len());
        bytes.extend_from_slice(self.stamp.to_string().as_bytes());
        bytes.extend_from_slice(&[0; MacKey::BYTES]);
        bytes.push(kind);
        bytes.extend_from_slice(&self.etag.0);
        let life_ms = u32::try_from(self.life.as_millis()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&life_ms.to_be_bytes());
        bytes.extend_from_slice(body);
        if let Some((stamp, rest)) = bytes.split_first_chunk_mut::<{ Stamp::HEX_LEN }>()
            && let Some((code, coded)) = rest.split_first_chunk_mut::<{ MacKey::BYTES }>()
        {
            *code = mac.code(&[coded, stamp, key.as_bytes()]);
        }
        bytes
    }

    /// Reads what [`SerializedEntry::to_bytes`] wrote for `key`, without a copy; `None` when it did not.
    pub(super) fn read(bytes: &Bytes, key: &str, mac: &MacKey) -> Option<Self> {
        if bytes.len() > Self::MAX_BYTES {
            return None;
        }
        let (stamp, rest) = bytes.split_first_chunk::<{ Stamp::HEX_LEN }>()?;
        let (code, coded) = rest.split_first_chunk()?;
        if !mac.is_code(code, &[coded, stamp, key.as_bytes()]) {
            return None;
        }
        let (kind, rest) = coded.split_first()?;
        let (etag, rest) = rest.split_first_chunk()?;
        let (life_ms, body) = rest.split_first_chunk()?;
        let content = match *kind {
            BODY => Content::Body(bytes.slice(HEAD_BYTES..)),
            NOTHING if body.is_empty() => Content::Nothing,
            TOO_LARGE if body.is_empty() => Content::TooLarge,
            _ => return None,
        };
        Some(Self {
            stamp: std::str::from_utf8(stamp).ok()?.parse().ok()?,
            etag: Etag(*etag),
            life: Duration::from_millis(u32::from_be_bytes(*life_ms).into()),
            content,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serialized(content: Content) -> SerializedEntry {
        SerializedEntry {
            stamp: Stamp {
                timeline: 3,
                seq: 1 << 60,
            },
            etag: Etag([7; 8]),
            life: Duration::from_hours(168),
            content,
        }
    }

    fn mac() -> MacKey {
        MacKey::new(&[1; 32])
    }

    #[test]
    fn every_content_is_read_as_it_was_written() {
        for content in [
            Content::Body(Bytes::new()),
            Content::Body(Bytes::from_static(b"abc")),
            Content::Nothing,
            Content::TooLarge,
        ] {
            let serialized = serialized(content);
            let bytes = Bytes::from(serialized.to_bytes("key", &mac()));
            assert_eq!(
                SerializedEntry::read(&bytes, "key", &mac()),
                Some(serialized)
            );
        }
    }

    #[test]
    fn what_any_byte_of_was_changed_or_cut_off_is_not_read() {
        let whole = serialized(Content::Body(Bytes::from_static(b"abc"))).to_bytes("key", &mac());
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            for bytes in [changed, whole[..at].to_vec()] {
                assert_eq!(SerializedEntry::read(&bytes.into(), "key", &mac()), None);
            }
        }
    }

    #[test]
    fn what_another_fleet_wrote_or_for_another_key_is_not_read() {
        let bytes = Bytes::from(serialized(Content::Nothing).to_bytes("key", &mac()));
        assert_eq!(SerializedEntry::read(&bytes, "other", &mac()), None);
        let other = MacKey::new(&[2; 32]);
        assert_eq!(SerializedEntry::read(&bytes, "key", &other), None);
    }

    #[test]
    fn what_is_longer_than_anything_of_ours_is_not_read() {
        let body = |length| Content::Body(Bytes::from(vec![0; length]));
        let read = |content| {
            let bytes = serialized(content).to_bytes("key", &mac());
            SerializedEntry::read(&bytes.into(), "key", &mac())
        };
        assert!(read(body(SerializedEntry::MAX_BODY_BYTES)).is_some());
        assert!(read(body(SerializedEntry::MAX_BODY_BYTES + 1)).is_none());
    }
}
