//! The payload of a notification, by which one replica tells the others the changes that its poll found.
//!
//! Any role may send a notification, so a payload has a MAC with a key that only the service can read. A payload
//! without a valid MAC is a reason to poll and nothing more; a replayed one repeats changes that are known.
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::{
    domain::{Announcement, Change, Notification, Tag},
    repository::row,
};

/// Encodes and decodes the payloads of one catalog.
#[derive(Debug)]
pub(super) struct NotificationCodec {
    /// Its `Debug` shows the algorithm and nothing else.
    key: hmac::Key,
}

/// The format version, which every payload begins with.
const PREFIX: &str = "news1";
/// The largest payload that PostgreSQL accepts, in bytes.
const MAX_BYTES: usize = 7_999;
/// Derives the MAC key from the key of page tokens, so that no MAC is valid for both.
const PURPOSE: &[u8] = b"challenges-catalog announcement 1";

/// [`Announcement`] as JSON.
#[derive(Serialize, Deserialize)]
struct Text {
    database: String,
    timeline: u32,
    after: u64,
    head: u64,
    is_awaited: bool,
    changes: Vec<(u64, String, bool)>,
}

impl NotificationCodec {
    pub(super) fn new(page_token_key: &[u8; 32]) -> Self {
        let key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, page_token_key), PURPOSE);
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()),
        }
    }

    /// The payload; `None` if it would be too long.
    pub(super) fn encode(&self, announcement: &Announcement) -> Option<String> {
        let change = |change: &Change| (change.seq, change.tag.to_string(), change.hard);
        let text = Text {
            database: row::database_column(announcement.head.database),
            timeline: announcement.head.stamp.timeline,
            after: announcement.after_seq,
            head: announcement.head.stamp.seq,
            is_awaited: announcement.is_awaited,
            changes: announcement.changes.iter().map(change).collect(),
        };
        let text = serde_json::to_string(&text).ok()?;
        let mac = STANDARD_NO_PAD.encode(hmac::sign(&self.key, text.as_bytes()));
        let payload = format!("{PREFIX} {mac} {text}");
        (payload.len() <= MAX_BYTES).then_some(payload)
    }

    /// The announcement in `payload`, or [`Notification::Commit`] if it is not from this fleet.
    pub(super) fn decode(&self, payload: &str) -> Notification {
        self.announcement(payload)
            .map_or(Notification::Commit, Notification::Announced)
    }

    fn announcement(&self, payload: &str) -> Option<Announcement> {
        let (mac, text) = payload
            .strip_prefix(PREFIX)?
            .strip_prefix(' ')?
            .split_once(' ')?;
        let mac = STANDARD_NO_PAD.decode(mac).ok()?;
        hmac::verify(&self.key, text.as_bytes(), &mac).ok()?;
        let text: Text = serde_json::from_str(text).ok()?;
        let (timeline, head) = (i64::from(text.timeline), row::signed(text.head));
        let change = |(seq, tag, hard): (u64, String, bool)| Change {
            seq,
            tag: tag.parse().unwrap_or(Tag::Everything),
            hard,
        };
        Some(Announcement {
            head: row::version(&text.database, timeline, head).ok()?,
            after_seq: text.after,
            changes: text.changes.into_iter().map(change).collect(),
            is_awaited: text.is_awaited,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DatabaseId, Difficulty, Stamp, Version};

    fn announcement() -> Announcement {
        let stamp = Stamp {
            timeline: 3,
            seq: 12,
        };
        let database = DatabaseId(0x0123_4567_89ab_cdef);
        let changed = |seq, tag, hard| Change { seq, tag, hard };
        Announcement {
            head: Version { database, stamp },
            after_seq: 10,
            changes: vec![
                changed(11, Tag::Difficulty(Difficulty::Beginner), false),
                changed(12, Tag::Everything, true),
            ],
            is_awaited: true,
        }
    }

    #[test]
    fn news_read_back_as_they_were_written() {
        let codec = NotificationCodec::new(&[7; 32]);
        let payload = codec.encode(&announcement()).unwrap();
        assert_eq!(
            codec.decode(&payload),
            Notification::Announced(announcement())
        );
    }

    #[test]
    fn news_that_nobody_of_the_fleet_signed_are_a_hint_to_look() {
        let payload = NotificationCodec::new(&[7; 32])
            .encode(&announcement())
            .unwrap();
        let other = payload.replace("\"head\":12", "\"head\":13");
        let read = |payload: &str| NotificationCodec::new(&[7; 32]).decode(payload);
        assert_eq!(read(&other), Notification::Commit);
        assert_eq!(
            NotificationCodec::new(&[8; 32]).decode(&payload),
            Notification::Commit
        );
        for payload in [
            "",
            "news1",
            "news1 ",
            "news1  {}",
            "news2 a b",
            "news1 ! {}",
        ] {
            assert_eq!(read(payload), Notification::Commit, "{payload:?}");
        }
    }

    #[test]
    fn news_that_are_too_long_for_the_server_are_not_sent() {
        let change = Change {
            seq: 11,
            tag: Tag::Everything,
            hard: false,
        };
        let long = Announcement {
            changes: vec![change; 400],
            ..announcement()
        };
        assert_eq!(NotificationCodec::new(&[7; 32]).encode(&long), None);
    }
}
