//! The logs of the tips that are being written or followed here: text that grows, for any number of readers.
use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::domain::{
    Epoch, Error, FailureKind, FallbackCause, ResetCause, Tip, TipKey, TipPhase, TipSource,
    Unavailability,
};

/// The text of one generation as it grows, for any number of readers.
///
/// Each reader keeps a cursor and reads when it likes. No reader waits for another, and one that
/// never reads costs its cursor only: there is one copy of the text, and no queue. The length is
/// bounded by the [policy](super::policy::ContentPolicy) that the text passes before it comes here.
#[derive(Debug)]
pub(super) struct Log {
    state: watch::Sender<LogState>,
    /// Counts the readers; carries nothing.
    readers: watch::Sender<()>,
}

/// What there is to read at one moment.
#[derive(Clone, Debug)]
pub(super) struct LogState {
    /// Whether it is known by now where the text comes from.
    pub(super) is_open: bool,
    /// Whether this replica has it written.
    pub(super) leads: bool,
    pub(super) epoch: Epoch,
    /// What made this epoch, for readers who hold text of an earlier one.
    pub(super) began_by: ResetCause,
    pub(super) text: String,
    pub(super) phase: TipPhase,
    pub(super) end: Option<LogEnd>,
}

/// How a log ended.
#[derive(Clone, Debug)]
pub(super) enum LogEnd {
    /// With a tip, which has the whole text.
    Whole { tip: Arc<Tip>, source: TipSource },
    /// Without a tip; the text so far is void.
    Failed(Failed),
}

/// Why a log ended without a tip.
#[derive(Clone, Debug)]
pub(super) struct Failed {
    pub(super) cause: FallbackCause,
    /// When another try is worth it.
    pub(super) retry_after: Duration,
    /// An older tip that may stand in.
    pub(super) stale: Option<Arc<Tip>>,
}

/// A subscription of one reader. The log knows how many there are.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) state: watch::Receiver<LogState>,
    _reader: watch::Receiver<()>,
}

impl Log {
    pub(super) fn new() -> Self {
        Self::with(None)
    }

    /// A log that has ended already.
    pub(super) fn ended(end: LogEnd) -> Self {
        Self::with(Some(end))
    }

    fn with(end: Option<LogEnd>) -> Self {
        let state = LogState {
            is_open: end.is_some(),
            leads: false,
            epoch: Epoch::default(),
            began_by: ResetCause::Takeover,
            text: String::new(),
            phase: TipPhase::Queued,
            end,
        };
        Self {
            state: watch::Sender::new(state),
            readers: watch::Sender::new(()),
        }
    }

    /// Subscribes a reader.
    pub(super) fn join(&self) -> Subscription {
        Subscription {
            state: self.state.subscribe(),
            _reader: self.readers.subscribe(),
        }
    }

    /// A way to follow the text without counting as a reader.
    pub(super) fn watch(&self) -> watch::Receiver<LogState> {
        self.state.subscribe()
    }

    pub(super) fn has_readers(&self) -> bool {
        self.readers.receiver_count() > 0
    }

    /// Waits until there is no reader.
    pub(super) async fn deserted(&self) {
        self.readers.closed().await;
    }

    /// Changes several things at once: readers see all of them or none.
    pub(super) fn write(&self, change: impl FnOnce(&mut LogState)) {
        self.state.send_modify(change);
    }

    pub(super) fn append(&self, text: &str) {
        self.write(|state| {
            state.phase = TipPhase::Generating;
            state.text.push_str(text);
        });
    }

    pub(super) fn set_phase(&self, phase: TipPhase) {
        self.write(|state| state.phase = phase);
    }

    /// Ends it, unless it has ended.
    pub(super) fn end(&self, end: LogEnd) {
        self.write(|state| {
            state.is_open = true;
            state.end.get_or_insert(end);
        });
    }

    /// How many bytes were published in this epoch.
    pub(super) fn length(&self) -> usize {
        self.state.borrow().text.len()
    }

    pub(super) fn text(&self) -> String {
        self.state.borrow().text.clone()
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.state.borrow().epoch
    }
}

impl LogState {
    /// Starts an epoch with no text.
    pub(super) fn begin(&mut self, epoch: Epoch, leads: bool, cause: ResetCause) {
        self.is_open = true;
        self.leads = leads;
        self.epoch = epoch;
        self.began_by = cause;
        self.phase = TipPhase::Queued;
        self.text.clear();
    }
}

impl Failed {
    pub(super) fn new(cause: FallbackCause) -> Self {
        Self {
            cause,
            retry_after: Duration::from_secs(1),
            stale: None,
        }
    }

    /// The error for readers who want no static tip.
    pub(super) fn error(&self) -> Error {
        match self.cause {
            FallbackCause::Rules | FallbackCause::Provider(FailureKind::Refused) => Error::Declined,
            FallbackCause::NoProvider => Error::NoTipsProvider,
            FallbackCause::TimedOut
            | FallbackCause::NotCached
            | FallbackCause::Provider(_)
            | FallbackCause::Unwell
            | FallbackCause::Limited
            | FallbackCause::Budget
            | FallbackCause::Recent
            | FallbackCause::Abandoned
            | FallbackCause::SwitchedOff => {
                Error::unavailable(Unavailability::TipsProvider, self.retry_after)
            }
        }
    }
}

/// The tips that are being written or followed here: one log for each, however many read it.
#[derive(Debug, Default)]
pub(super) struct ActiveLogs {
    logs: Mutex<HashMap<TipKey, Arc<Log>>>,
}

/// Belongs to the one task that fills a log. Dropped, it takes the log off the list.
#[derive(Debug)]
pub(super) struct ActiveLogGuard {
    pub(super) key: TipKey,
    pub(super) log: Arc<Log>,
    active_logs: Arc<ActiveLogs>,
}

impl ActiveLogs {
    /// Subscribes to the log of `key`. The first subscriber also gets the guard, and has to fill the log.
    pub(super) fn join(self: &Arc<Self>, key: TipKey) -> (Subscription, Option<ActiveLogGuard>) {
        let mut logs = self.logs.lock();
        if let Some(log) = logs.get(&key) {
            return (log.join(), None);
        }
        let log = Arc::new(Log::new());
        let subscription = log.join();
        logs.insert(key, Arc::clone(&log));
        let log_guard = ActiveLogGuard {
            key,
            log,
            active_logs: Arc::clone(self),
        };
        (subscription, Some(log_guard))
    }
}

impl ActiveLogGuard {
    /// Takes the log off the list if it has no reader; later readers get another one.
    pub(super) fn close_if_deserted(&self) -> bool {
        let mut logs = self.active_logs.logs.lock();
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

impl Drop for ActiveLogGuard {
    fn drop(&mut self) {
        self.remove_from(&mut self.active_logs.logs.lock());
    }
}
