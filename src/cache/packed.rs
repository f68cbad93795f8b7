//! Entries as Redis holds them: one string each, which begins with the stamp, so that Redis can tell
//! which of two is newer, and is never longer than [`Packed::MAX_BYTES`].
use std::time::Duration;

use bytes::Bytes;

use crate::domain::{Etag, Stamp};

/// An entry as Redis holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packed {
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

/// Before the body: the stamp, the kind, the etag, and the life in milliseconds.
const HEAD_BYTES: usize = Stamp::HEX_LEN + 1 + 8 + 4;

impl Packed {
    /// A body that is longer stays out of Redis: it would keep everybody's commands waiting behind it.
    pub(super) const MAX_BODY_BYTES: usize = 1 << 20;
    /// Nothing of ours is longer.
    pub(super) const MAX_BYTES: usize = HEAD_BYTES + Self::MAX_BODY_BYTES;

    /// As Redis is to hold it.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let (kind, body) = match &self.content {
            Content::Body(body) => (BODY, body.as_ref()),
            Content::Nothing => (NOTHING, &[][..]),
            Content::TooLarge => (TOO_LARGE, &[][..]),
        };
        let mut bytes = Vec::with_capacity(HEAD_BYTES + body.len());
        bytes.extend_from_slice(self.stamp.to_string().as_bytes());
        bytes.push(kind);
        bytes.extend_from_slice(&self.etag.0);
        let life_ms = u32::try_from(self.life.as_millis()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&life_ms.to_be_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    /// Reads what [`Packed::to_bytes`] wrote, without a copy; `None` when it did not.
    pub(super) fn read(bytes: &Bytes) -> Option<Self> {
        if bytes.len() > Self::MAX_BYTES {
            return None;
        }
        let (stamp, rest) = bytes.split_first_chunk::<{ Stamp::HEX_LEN }>()?;
        let (kind, rest) = rest.split_first()?;
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

    fn packed(content: Content) -> Packed {
        Packed {
            stamp: Stamp {
                timeline: 3,
                seq: 1 << 60,
            },
            etag: Etag([7; 8]),
            life: Duration::from_hours(168),
            content,
        }
    }

    #[test]
    fn every_content_is_read_as_it_was_written() {
        for content in [
            Content::Body(Bytes::new()),
            Content::Body(Bytes::from_static(b"abc")),
            Content::Nothing,
            Content::TooLarge,
        ] {
            let packed = packed(content);
            let bytes = Bytes::from(packed.to_bytes());
            assert_eq!(Packed::read(&bytes), Some(packed));
        }
    }

    #[test]
    fn bytes_that_nobody_packed_are_not_read() {
        let whole = packed(Content::Nothing).to_bytes();
        for length in 0..whole.len() {
            let part = Bytes::copy_from_slice(&whole[..length]);
            assert_eq!(Packed::read(&part), None);
        }
        let mut longer = whole.clone();
        longer.push(0);
        let mut of_no_kind = whole.clone();
        of_no_kind[Stamp::HEX_LEN] = b'x';
        let mut of_no_stamp = whole;
        of_no_stamp[0] = b'x';
        for bytes in [longer, of_no_kind, of_no_stamp] {
            assert_eq!(Packed::read(&bytes.into()), None);
        }
    }

    #[test]
    fn what_is_longer_than_anything_of_ours_is_not_read() {
        let most = Bytes::from(vec![0; Packed::MAX_BODY_BYTES]);
        let mut bytes = packed(Content::Body(most)).to_bytes();
        assert!(Packed::read(&bytes.clone().into()).is_some());
        bytes.push(0);
        assert_eq!(Packed::read(&bytes.into()), None);
    }
}
