//! Metrics of the pruning of the history.
use std::{
    error::Error as StdError,
    fmt::Display,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use crate::telemetry::{Counter, Page};

/// How long the history is kept, what went of it, and whether pruning keeps up.
#[derive(Debug, Default)]
pub struct HistoryMetrics {
    retention: Option<Duration>,
    pub(super) removed: Counter,
    is_behind: AtomicBool,
}

impl HistoryMetrics {
    /// Of a history that is kept for `retention`, or for ever.
    #[must_use]
    pub fn new(retention: Option<Duration>) -> Self {
        Self {
            retention,
            ..Self::default()
        }
    }

    /// Writes them.
    pub fn collect(&self, page: &mut Page) {
        page.gauge(
            "catalog_history_retention_seconds",
            "How long revisions are kept, in seconds; 0 is for ever.",
        )
        .sample(&[], self.retention.unwrap_or_default().as_secs_f64());
        page.counter(
            "catalog_history_pruned_total",
            "Revisions that this replica pruned.",
        )
        .sample(&[], self.removed.get());
        page.gauge(
            "catalog_history_pruning_behind",
            "1 while expired revisions are not pruned, or more expire than are pruned.",
        )
        .sample(&[], u8::from(self.is_behind()));
    }

    pub(super) fn is_behind(&self) -> bool {
        self.is_behind.load(Relaxed)
    }

    /// Notes that a round failed or goes on for too long, and logs the first.
    pub(super) fn fall_behind(&self, problem: &dyn Display, cause: Option<&dyn StdError>) {
        if !self.is_behind.swap(true, Relaxed) {
            let cause = cause.map(ToString::to_string);
            tracing::warn!(
                component = "database",
                %problem,
                cause,
                "pruning of the history falls behind: old revisions stay until it works"
            );
        }
    }

    /// Notes that a round came to its end.
    pub(super) fn keep_up(&self) {
        if self.is_behind.swap(false, Relaxed) {
            tracing::info!(component = "database", "old revisions are pruned again");
        }
    }
}
