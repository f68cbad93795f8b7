//! The flags and settings in force, for every call to read.
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::RwLock;
use tokio::{
    sync::{Notify, watch},
    time::timeout,
};

use super::state::FlagState;
use crate::domain::{
    ActiveControls, ConfiguredControls, ControlRows, Environment, Evaluation, Flag, RuntimeSetting,
    Switches, Version,
};

/// How flags and settings stand on this replica.
#[derive(Debug)]
pub struct FlagSnapshot {
    environment: Option<Environment>,
    switches: Arc<Switches>,
    state: RwLock<FlagState>,
    /// Counts the times that rows were read.
    changes: watch::Sender<u64>,
    asked: AtomicU64,
    wanted: Notify,
    /// The newest question that was answered, and whether the rows could be read.
    answered: watch::Sender<(u64, bool)>,
}

/// Who wants the rows read now waits no longer.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(1);

impl FlagSnapshot {
    /// Everything as configured, until rows are read.
    #[must_use]
    pub fn new(configured: ConfiguredControls) -> Self {
        let flags = configured.flags.into_iter().map(Evaluation::without_row);
        let settings = configured.settings.into_iter();
        let settings = settings.map(Evaluation::without_row);
        let state = FlagState::new(flags.collect(), settings.collect());
        let snapshot = Self {
            environment: configured.environment,
            switches: Arc::default(),
            state: RwLock::new(state),
            changes: watch::Sender::new(0),
            asked: AtomicU64::new(0),
            wanted: Notify::new(),
            answered: watch::Sender::new((0, false)),
        };
        snapshot.publish();
        snapshot
    }

    /// The switches, for those who must know at once.
    #[must_use]
    pub fn switches(&self) -> &Arc<Switches> {
        &self.switches
    }

    /// Tells whenever rows were read.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The newest question that there is.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(SeqCst)
    }

    /// Waits until somebody wants the rows read now.
    pub(super) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// Follows what was read.
    pub(super) fn follow(&self, rows: &ControlRows) {
        let mut state = self.state.write();
        state.apply(rows, self.environment.as_ref());
        drop(state);
        self.publish();
        self.changes.send_modify(|count| *count += 1);
    }

    /// Lets those go on who asked up to `asked`.
    pub(super) fn answer(&self, asked: u64, are_read: bool) {
        self.answered.send_replace((asked, are_read));
    }

    fn publish(&self) {
        for flag in &self.state.read().flags {
            self.switches.set(flag.control, flag.value.percentage());
        }
    }
}

#[async_trait]
impl ActiveControls for FlagSnapshot {
    fn environment(&self) -> Option<&Environment> {
        self.environment.as_ref()
    }

    fn version(&self) -> Option<Version> {
        self.state.read().version
    }

    fn flags(&self) -> Vec<Evaluation<Flag>> {
        self.state.read().flags.clone()
    }

    fn settings(&self) -> Vec<Evaluation<RuntimeSetting>> {
        self.state.read().settings.clone()
    }

    async fn refresh(&self) -> bool {
        let own = self.asked.fetch_add(1, SeqCst) + 1;
        let mut answered = self.answered.subscribe();
        self.wanted.notify_one();
        // Whichever comes first; the sender lives as long as `self`.
        let answer = timeout(REFRESH_TIMEOUT, answered.wait_for(|(upto, _)| *upto >= own)).await;
        answer.is_ok_and(|answer| answer.is_ok_and(|answer| answer.1))
    }
}
