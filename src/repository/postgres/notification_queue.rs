//! The notifications that wait for the change feed.
use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::notification::NotificationCodec;
use crate::domain::{Announcement, Notification};

/// Received notifications, in order, until the feed takes them.
#[derive(Debug, Default)]
pub(super) struct NotificationQueue {
    received: Notify,
    waiting: Mutex<VecDeque<Notification>>,
    /// `None` until the key was read.
    codec: Mutex<Option<Arc<NotificationCodec>>>,
}

/// Beyond this length, the queue is replaced by one [`Notification::Commit`].
const MAX_WAITING: usize = 64;

impl NotificationQueue {
    /// Sets the key that authenticates notifications of replicas.
    pub(super) fn set_key(&self, page_token_key: &[u8; 32]) {
        *self.codec.lock() = Some(Arc::new(NotificationCodec::new(page_token_key)));
    }

    /// Queues a notification that something may have been committed.
    pub(super) fn push_look(&self) {
        self.push(Notification::Commit);
    }

    /// Queues the notification with this payload.
    pub(super) fn push_payload(&self, payload: &str) {
        let codec = self.codec.lock().clone();
        self.push(codec.map_or(Notification::Commit, |codec| codec.decode(payload)));
    }

    /// The payload of a notification with `announcement`; `None` if there can be none, so that the other replicas have to poll.
    pub(super) fn payload(&self, announcement: &Announcement) -> Option<String> {
        let codec = self.codec.lock().clone();
        codec?.encode(announcement)
    }

    /// Waits for the next notification.
    pub(super) async fn next(&self) -> Notification {
        loop {
            if let Some(hint) = self.waiting.lock().pop_front() {
                return hint;
            }
            self.received.notified().await;
        }
    }

    fn push(&self, hint: Notification) {
        let mut waiting = self.waiting.lock();
        if waiting.len() >= MAX_WAITING {
            waiting.clear();
            waiting.push_back(Notification::Commit);
        } else if hint != Notification::Commit || waiting.back() != Some(&Notification::Commit) {
            waiting.push_back(hint);
        }
        drop(waiting);
        self.received.notify_one();
    }
}
