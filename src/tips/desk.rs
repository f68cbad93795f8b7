use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::log::{Log, Seat};
use crate::domain::TipKey;

/// The tips that are being written or followed here: one log for each, however many read it.
#[derive(Debug, Default)]
pub(super) struct Desks {
    logs: Mutex<HashMap<TipKey, Arc<Log>>>,
}

/// The duty to fill one log. When it ends the log is taken off the list.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) key: TipKey,
    pub(super) log: Arc<Log>,
    desks: Arc<Desks>,
}

impl Desks {
    /// A seat at the log of `key`. Who comes first gets the duty to fill it, too.
    pub(super) fn join(self: &Arc<Self>, key: TipKey) -> (Seat, Option<Desk>) {
        let mut logs = self.lock();
        if let Some(log) = logs.get(&key) {
            return (log.join(), None);
        }
        let log = Arc::new(Log::new());
        let seat = log.join();
        logs.insert(key, Arc::clone(&log));
        let desk = Desk {
            key,
            log,
            desks: Arc::clone(self),
        };
        (seat, Some(desk))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TipKey, Arc<Log>>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    /// Takes the log off the list if nobody reads it; who comes later finds another one.
    pub(super) fn close_if_deserted(&self) -> bool {
        let mut logs = self.desks.lock();
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

impl Drop for Desk {
    fn drop(&mut self) {
        self.remove_from(&mut self.desks.lock());
    }
}
