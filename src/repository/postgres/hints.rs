//! What a replica hears of the database between its polls.
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::announcement::Announcer;
use crate::domain::{Hint, News};

/// Hints in the order in which they came, until the feed takes them.
#[derive(Debug, Default)]
pub(super) struct Hints {
    heard: Notify,
    waiting: Mutex<VecDeque<Hint>>,
    /// None before the key was read.
    announcer: Mutex<Option<Arc<Announcer>>>,
}

/// So many wait; more of them become one hint to look.
const MOST_WAITING: usize = 64;

impl Hints {
    /// Takes the key that replicas tell each other by.
    pub(super) fn know_key(&self, page_token_key: &[u8; 32]) {
        *lock(&self.announcer) = Some(Arc::new(Announcer::new(page_token_key)));
    }

    /// Notes that something may have been committed.
    pub(super) fn look(&self) {
        self.push(Hint::Look);
    }

    /// Notes what a notification tells.
    pub(super) fn hear(&self, payload: &str) {
        let announcer = lock(&self.announcer).clone();
        self.push(announcer.map_or(Hint::Look, |announcer| announcer.read(payload)));
    }

    /// What tells the others `news`; nothing where they have to look themselves.
    pub(super) fn write(&self, news: &News) -> Option<String> {
        let announcer = lock(&self.announcer).clone();
        announcer?.write(news)
    }

    /// Waits for the next one.
    pub(super) async fn next(&self) -> Hint {
        loop {
            if let Some(hint) = lock(&self.waiting).pop_front() {
                return hint;
            }
            self.heard.notified().await;
        }
    }

    fn push(&self, hint: Hint) {
        let mut waiting = lock(&self.waiting);
        if waiting.len() >= MOST_WAITING {
            waiting.clear();
            waiting.push_back(Hint::Look);
        } else if hint != Hint::Look || waiting.back() != Some(&Hint::Look) {
            waiting.push_back(hint);
        }
        drop(waiting);
        self.heard.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
