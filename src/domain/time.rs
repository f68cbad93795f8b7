//! Points in time, in microseconds since 1970.
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment, in microseconds since 1970-01-01T00:00:00Z; negative before it.
///
/// Microseconds are what both databases keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UnixMicros(pub i64);

impl UnixMicros {
    /// This moment moved forward by `by`; stays at the largest moment instead of overflowing.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(by))
    }

    /// Whole seconds since the epoch, rounded down, and the nanoseconds beyond them.
    #[must_use]
    pub fn split(self) -> (i64, i32) {
        let nanos = i32::try_from(self.0.rem_euclid(1_000_000) * 1_000).unwrap_or(0);
        (self.0.div_euclid(1_000_000), nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_before_the_epoch_splits_into_positive_nanoseconds() {
        assert_eq!(UnixMicros(-1).split(), (-1, 999_999_000));
    }
}
