//! The clock of this machine, for everything that takes a [`Clock`] as an argument.
use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::{Clock, UnixMicros};

/// Wall-clock time.
pub(super) struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the Clock that all others ask"
    )]
    fn now(&self) -> UnixMicros {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        UnixMicros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }
}
