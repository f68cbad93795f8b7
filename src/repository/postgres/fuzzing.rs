//! What the targets in `fuzz/` try of this module: how it reads notifications, which any role of the database may send.
//!
//! It is always compiled, so that the targets are built from the same crate as all tests. The product calls none of it.
use super::notification::NotificationCodec;
use crate::domain::{Announcement, Notification};

/// What a payload announces, by replicas that have this key.
#[must_use]
pub fn announced(payload: &str, key: &[u8; 32]) -> Option<Announcement> {
    match NotificationCodec::new(key).decode(payload) {
        Notification::Announced(announcement) => Some(announcement),
        Notification::Commit => None,
    }
}

/// The payload of an announcement, if it is not too long.
#[must_use]
pub fn announcing(announcement: &Announcement, key: &[u8; 32]) -> Option<String> {
    NotificationCodec::new(key).encode(announcement)
}
