//! Entries as Redis holds them: one string each, which begins with the stamp, so that Redis can tell
//! which of two is newer, is never longer than [`SerializedEntry::MAX_BYTES`], and carries a code that only the fleet
//! can make: others may write there too.
use std::time::Duration;

use bytes::Bytes;

use super::entry::Entry;
use crate::{
    domain::{Etag, Stamp},
    redis::MacKey,
};

/// An entry as Redis holds it.
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
    pub(super) fn of(entry: &Entry, life: Duration) -> Self {
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
