//! The notifications that wait for the change feed.
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

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
        *lock(&self.codec) = Some(Arc::new(NotificationCodec::new(page_token_key)));
    }

    /// Queues a notification that something may have been committed.
    pub(super) fn push_look(&self) {
        self.push(Notification::Commit);
    }

    /// Queues the notification with this payload.
    pub(super) fn push_payload(&self, payload: &str) {
        let codec = lock(&self.codec).clone();
        self.push(codec.map_or(Notification::Commit, |codec| codec.decode(payload)));
    }

    /// The payload of a notification with `announcement`; `None` if there can be none, so that the other replicas have to poll.
    pub(super) fn payload(&self, announcement: &Announcement) -> Option<String> {
        let codec = lock(&self.codec).clone();
        codec?.encode(announcement)
    }

    /// Waits for the next notification.
    pub(super) async fn next(&self) -> Notification {
        loop {
            if let Some(hint) = lock(&self.waiting).pop_front() {
                return hint;
            }
            self.received.notified().await;
        }
    }

    fn push(&self, hint: Notification) {
        let mut waiting = lock(&self.waiting);
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
