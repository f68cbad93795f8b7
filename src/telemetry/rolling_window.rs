//! Readings of the last minutes, for rates and percentiles over them.
use std::{collections::VecDeque, time::Duration};

use parking_lot::Mutex;

/// The readings of the last minutes, one every [`RollingWindow::BEAT`], the newest first.
#[derive(Debug)]
pub struct RollingWindow<T> {
    length: usize,
    past: Mutex<VecDeque<T>>,
}

impl<T: Clone> RollingWindow<T> {
    /// How often a reading is to be noted.
    pub const BEAT: Duration = Duration::from_secs(5);
    const BEATS_A_MINUTE: usize = 12;

    /// Keeps the readings of the last `minutes`.
    #[must_use]
    pub fn of_minutes(minutes: usize) -> Self {
        Self {
            length: minutes * Self::BEATS_A_MINUTE,
            past: Mutex::default(),
        }
    }

    /// Notes what is read now.
    pub fn note(&self, now: T) {
        let mut past = self.past.lock();
        past.push_front(now);
        past.truncate(self.length);
    }

    /// The reading of `minutes` ago; `None` if the process is younger.
    pub fn minutes_ago(&self, minutes: usize) -> Option<T> {
        let past = self.past.lock();
        past.get(minutes * Self::BEATS_A_MINUTE - 1).cloned()
    }
}
