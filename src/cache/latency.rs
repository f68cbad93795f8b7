use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use super::window::Window;
use crate::{domain::Latency, telemetry::Distribution};

/// How long something took, in buckets that are an eighth apart: 64 powers of
/// two of nanoseconds, each cut in eight. Recording is one addition.
#[derive(Debug)]
pub(super) struct Histogram {
    buckets: Box<[AtomicU64]>,
    /// The counts of the last minute, one every [`Window::BEAT`], the newest first.
    past: Mutex<VecDeque<Vec<u64>>>,
}

const CUTS: u32 = 3;
const BUCKETS: usize = 64 << CUTS;

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            past: Mutex::default(),
        }
    }
}

impl Histogram {
    pub(super) fn record(&self, took: Duration) {
        self.record_times(1, took);
    }

    /// Records `times` that took as long.
    pub(super) fn record_times(&self, times: u64, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get(bucket_of(nanos)) {
            bucket.fetch_add(times, Relaxed);
        }
    }

    /// The same in buckets of powers of four, from 1 µs to 17 s, for others to add up. The sum is
    /// that of the middles of the buckets: a sixteenth off at most, and no call pays for it.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(super) fn distribution(&self) -> Distribution {
        const NANOS: f64 = 1e9;
        let counts = self.counts();
        let total = |counts: &[u64]| counts.iter().sum::<u64>();
        let bounds = (10..=34).step_by(2).map(|power| 1_u64 << power);
        let up_to = bounds.map(|bound| {
            let below = counts.get(..bucket_of(bound)).unwrap_or(&counts);
            (bound as f64 / NANOS, total(below))
        });
        let middles = counts.iter().enumerate().map(|(bucket, count)| {
            let start = bucket.checked_sub(1).map_or(0, end_of);
            let middle = start.midpoint(end_of(bucket)) as f64;
            middle * *count as f64
        });
        Distribution {
            up_to: up_to.collect(),
            count: total(&counts),
            sum: middles.sum::<f64>() / NANOS,
        }
    }

    fn counts(&self) -> Vec<u64> {
        let counts = self.buckets.iter().map(|bucket| bucket.load(Relaxed));
        counts.collect()
    }

    /// Since the start.
    pub(super) fn summary(&self) -> Latency {
        latency_of(&self.counts())
    }

    /// Notes the counts as they are now, to be called once a beat.
    pub(super) fn note(&self) {
        let counts = self.counts();
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        past.push_front(counts);
        past.truncate(Window::BEATS_A_MINUTE);
    }

    /// Over the last minute; of a process younger than that, since its start.
    pub(super) fn last_minute(&self) -> Latency {
        let mut counts = self.counts();
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(earlier) = past.get(Window::BEATS_A_MINUTE - 1) {
            for (count, earlier) in counts.iter_mut().zip(earlier) {
                *count = count.saturating_sub(*earlier);
            }
        }
        latency_of(&counts)
    }
}

fn latency_of(counts: &[u64]) -> Latency {
    let count: u64 = counts.iter().sum();
    let percentile = |percent: u64| {
        let rank = (count * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let bucket = counts.iter().position(|in_bucket| {
            seen += in_bucket;
            seen >= rank
        });
        bucket.map_or(Duration::ZERO, |bucket| {
            Duration::from_nanos(end_of(bucket))
        })
    };
    Latency {
        count,
        p50: percentile(50),
        p95: percentile(95),
        p99: percentile(99),
    }
}

/// Values below 8 have a bucket each; above, the top four bits decide.
fn bucket_of(nanos: u64) -> usize {
    let power = nanos.max(1).ilog2();
    let bucket = match power.checked_sub(CUTS) {
        None => nanos,
        Some(shift) => (u64::from(shift + 1) << CUTS) + ((nanos >> shift) & ((1 << CUTS) - 1)),
    };
    usize::try_from(bucket).unwrap_or(usize::MAX)
}

/// The largest value in a bucket.
fn end_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    match (bucket >> CUTS).checked_sub(1) {
        None => bucket,
        Some(shift) => {
            let cut = (1 << CUTS) + (bucket & ((1 << CUTS) - 1));
            u64::try_from(((u128::from(cut) + 1) << shift) - 1).unwrap_or(u64::MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_at_most_an_eighth_below_the_end_of_its_bucket() {
        for power in 0..60 {
            for value in [1 << power, (1 << power) + 1, (1_u64 << power) * 15 / 8] {
                let end = end_of(bucket_of(value));
                assert!(
                    value <= end && end - value <= value / 8 + 1,
                    "{value} {end}"
                );
            }
        }
    }

    #[test]
    fn a_distribution_adds_up_what_lies_below_each_bound() {
        let histogram = Histogram::default();
        for micros in [1, 3, 300] {
            histogram.record(Duration::from_micros(micros));
        }
        let distribution = histogram.distribution();
        let below: Vec<_> = distribution.up_to.iter().map(|(_, count)| *count).collect();
        assert_eq!(below, [1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3]);
        assert_eq!(distribution.count, 3);
        assert!((distribution.sum / 0.000_304 - 1.0).abs() < 1.0 / 16.0);
    }

    #[test]
    fn the_last_minute_knows_nothing_of_what_was_before_it() {
        let histogram = Histogram::default();
        histogram.record_times(1_000, Duration::from_secs(1));
        for _ in 0..Window::BEATS_A_MINUTE {
            histogram.note();
        }
        assert_eq!(histogram.last_minute(), Latency::default());
        histogram.record(Duration::from_micros(10));
        let (minute, all) = (histogram.last_minute(), histogram.summary());
        assert_eq!((minute.count, all.count), (1, 1_001));
        assert!(minute.p99 < Duration::from_micros(12), "{minute:?}");
        assert!(all.p50 >= Duration::from_secs(1), "{all:?}");
    }

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let histogram = Histogram::default();
        for micros in 1..=100 {
            histogram.record(Duration::from_micros(micros));
        }
        let summary = histogram.summary();
        assert_eq!(summary.count, 100);
        for (percentile, micros) in [(summary.p50, 50), (summary.p95, 95), (summary.p99, 99)] {
            let exact = Duration::from_micros(micros);
            assert!(
                percentile >= exact && percentile <= exact * 9 / 8,
                "{percentile:?}"
            );
        }
    }
}
