//! Reads the rows again whenever they may have changed.
use std::{error::Error as _, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::FlagSnapshot;
use crate::{
    domain::{ControlStore, Error, Version},
    telemetry::{Failing, FailureLog},
};

/// Keeps a [`FlagSnapshot`] up to date: reads the rows after a commit that may have changed them, when a caller asks for
/// the newest, and every half minute in any case. It alone reads, so what is read later is newer.
pub struct Refresher {
    snapshot: Arc<FlagSnapshot>,
    store: Arc<dyn ControlStore>,
    changed: watch::Receiver<Version>,
}

/// A read that takes longer has failed.
const READ_TIMEOUT: Duration = Duration::from_secs(2);
/// Should the triggers of a table be gone, a change is found by then.
const RELOAD_INTERVAL: Duration = Duration::from_secs(30);
/// After the first read that failed; twice as long after each further one.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

impl Refresher {
    /// Reads `store` for `snapshot` whenever `changed` has another commit that may have changed rows.
    #[must_use]
    pub fn new(
        snapshot: Arc<FlagSnapshot>,
        store: Arc<dyn ControlStore>,
        changed: watch::Receiver<Version>,
    ) -> Self {
        Self {
            snapshot,
            store,
            changed,
        }
    }

    /// Follows for ever.
    pub async fn run(mut self) {
        let (mut failures, outage) = (0, FailureLog::default());
        loop {
            // First what is known, then the read: what comes in between is read again.
            self.changed.mark_unchanged();
            let asked = self.snapshot.asked();
            let read = timeout(READ_TIMEOUT, self.store.controls()).await;
            let read = read.unwrap_or_else(|_| Err(Error::datastore("the read timed out")));
            failures = match read {
                Ok(rows) => {
                    self.snapshot.follow(&rows);
                    if let Some(Failing { failures, lasted }) = outage.worked() {
                        tracing::info!(
                            component = "flags",
                            failures,
                            ?lasted,
                            "flags are read again"
                        );
                    }
                    0
                }
                Err(error) => {
                    if let Some(Failing { failures, lasted }) = outage.failed() {
                        let cause = error.source().map(ToString::to_string);
                        tracing::warn!(
                            component = "flags", %error, cause, failures, ?lasted,
                            "flags cannot be read; those in force stay"
                        );
                    }
                    failures + 1
                }
            };
            self.snapshot.answer(asked, failures == 0);
            tokio::select! {
                Ok(()) = self.changed.changed(), if failures == 0 => {}
                () = self.snapshot.wanted() => {}
                () = sleep(pause(failures)) => {}
            }
        }
    }
}

fn pause(failures: u32) -> Duration {
    let pause = match failures.checked_sub(1) {
        None => RELOAD_INTERVAL,
        Some(before) => (RETRY.0 * 2_u32.saturating_pow(before)).min(RETRY.1),
    };
    pause.mul_f64(rand::random_range(0.9..1.1))
}

#[cfg(test)]
#[path = "refresher_tests.rs"]
mod tests;
