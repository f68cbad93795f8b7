//! Counts what other programs left in Redis under the fleet's names, and logs it in a few lines.
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::telemetry::{Counter, LineLimit};

/// Found again under the same name within this, it is the same.
const SAME: Duration = Duration::from_mins(1);

pub(super) struct ForeignEntries {
    usage: &'static str,
    count: Counter,
    /// The last one, and when it was met.
    last: Mutex<Option<(String, Instant)>>,
    lines: LineLimit,
}

impl ForeignEntries {
    pub(super) fn of(usage: &'static str) -> Self {
        Self {
            usage,
            count: Counter::default(),
            last: Mutex::default(),
            lines: LineLimit::new(),
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count.get()
    }

    pub(super) fn note(&self, key: &str) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |(name, at): &(String, Instant)| name == key && at.elapsed() < SAME;
        if last.as_ref().is_some_and(is_same) {
            return;
        }
        *last = Some((key.to_owned(), Instant::now()));
        drop(last);
        self.count.add(1);
        if let Some(left_out) = self.lines.admit() {
            let usage = self.usage;
            tracing::warn!(
                component = "redis",
                key,
                left_out,
                "{usage} found an entry that this fleet did not write; it is ignored"
            );
        }
    }
}
