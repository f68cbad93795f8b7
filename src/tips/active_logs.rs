use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::log::{Log, Subscription};
use crate::domain::TipKey;

/// The tips that are being written or followed here: one log for each, however many read it.
#[derive(Debug, Default)]
pub(super) struct ActiveLogs {
    logs: Mutex<HashMap<TipKey, Arc<Log>>>,
}

/// The duty to fill one log. When it ends the log is taken off the list.
#[derive(Debug)]
pub(super) struct LogGuard {
    pub(super) key: TipKey,
    pub(super) log: Arc<Log>,
    active_logs: Arc<ActiveLogs>,
}

impl ActiveLogs {
    /// A subscription at the log of `key`. Who comes first gets the duty to fill it, too.
    pub(super) fn join(self: &Arc<Self>, key: TipKey) -> (Subscription, Option<LogGuard>) {
        let mut logs = self.lock();
        if let Some(log) = logs.get(&key) {
            return (log.join(), None);
        }
        let log = Arc::new(Log::new());
        let subscription = log.join();
        logs.insert(key, Arc::clone(&log));
        let log_guard = LogGuard {
            key,
            log,
            active_logs: Arc::clone(self),
        };
        (subscription, Some(log_guard))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TipKey, Arc<Log>>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogGuard {
    /// Takes the log off the list if nobody reads it; who comes later finds another one.
    pub(super) fn close_if_deserted(&self) -> bool {
        let mut logs = self.active_logs.lock();
        if self.log.has_readers() {
            return false;
        }
        self.remove_from(&mut logs);
        true
    }

    fn remove_from(&self, logs: &mut HashMap<TipKey, Arc<Log>>) {
        if logs
            .get(&self.key)
            .is_some_and(|log| Arc::ptr_eq(log, &self.log))
        {
            logs.remove(&self.key);
        }
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.remove_from(&mut self.active_logs.lock());
    }
}
