//! The one histogram: counts by buckets that are chosen once, for the page of metrics and for percentiles.
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// The bounds of a histogram's buckets, and the unit of its metrics.
#[derive(Debug)]
pub struct Buckets {
    /// The largest value of each bucket, ascending; one more bucket has what is larger.
    bounds: &'static [u64],
    /// How many recorded units make one unit of the metrics page: 1e9 for nanoseconds that are shown in seconds.
    per_unit: f64,
    /// Which bucket a value lies in.
    bucket_of: fn(&'static [u64], u64) -> usize,
}

impl Buckets {
    /// Calls: 10 µs to 10 s, about 2.2 apart, and further up for streams.
    pub const CALLS: Self = Self::new(
        &[
            10_000,
            25_000,
            50_000,
            100_000,
            250_000,
            500_000,
            1_000_000,
            2_500_000,
            5_000_000,
            10_000_000,
            25_000_000,
            50_000_000,
            100_000_000,
            250_000_000,
            500_000_000,
            1_000_000_000,
            2_500_000_000,
            5_000_000_000,
            10_000_000_000,
            30_000_000_000,
            60_000_000_000,
        ],
        1e9,
    );

    /// Latencies that percentiles are told of: bounds an eighth apart, from 64 ns to 17 s.
    pub const LATENCIES: Self = Self {
        bounds: &EIGHTHS,
        per_unit: 1e9,
        bucket_of: |_, value| eighth_of(value),
    };

    /// Ascending bounds, and how many recorded units make one unit of the metrics page.
    #[must_use]
    pub const fn new(bounds: &'static [u64], per_unit: f64) -> Self {
        Self {
            bounds,
            per_unit,
            bucket_of: search,
        }
    }
}

fn search(bounds: &'static [u64], value: u64) -> usize {
    bounds.partition_point(|bound| *bound < value)
}

/// The place in [`EIGHTHS`] without a search, for each near-cache hit pays for it.
fn eighth_of(value: u64) -> usize {
    let Some(below) = value.checked_sub(65) else {
        return 0;
    };
    let below = below + 64;
    let power = below.ilog2();
    let place = u64::from(power - 6) * 8 + ((below >> (power - 3)) & 7) + 1;
    usize::try_from(place)
        .unwrap_or(usize::MAX)
        .min(EIGHTHS.len())
}

const EIGHTHS: [u64; (34 - 6) * 8 + 1] = {
    let mut bounds = [0; (34 - 6) * 8 + 1];
    let (mut rest, mut at) = (bounds.as_mut_slice(), 0_u64);
    while let Some((bound, tail)) = rest.split_first_mut() {
        *bound = (8 + at % 8) << (3 + at / 8);
        (rest, at) = (tail, at + 1);
    }
    bounds
};

/// How often values came, bucket by bucket. Recording takes two additions and no lock.
#[derive(Debug)]
pub struct Histogram {
    buckets: &'static Buckets,
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// What a histogram holds at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    /// The upper bound of each bucket and how many values lie at or below it.
    pub up_to: Vec<(f64, u64)>,
    /// All values.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
}

impl Buckets {
    /// The bound of the bucket that the value at this percentile of `counts` lies in; 0 where there are no values.
    #[must_use]
    pub fn percentile(&self, counts: &[u64], percent: u64) -> u64 {
        let count: u64 = counts.iter().sum();
        let rank = (count * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let at = counts.iter().position(|in_bucket| {
            seen += in_bucket;
            seen >= rank
        });
        let bound = at.and_then(|at| self.bounds.get(at).or(self.bounds.last()));
        bound.copied().unwrap_or(0)
    }
}

impl Histogram {
    /// An empty one.
    #[must_use]
    pub fn new(buckets: &'static Buckets) -> Self {
        let counts = (0..=buckets.bounds.len()).map(|_| AtomicU64::new(0));
        Self {
            buckets,
            counts: counts.collect(),
            sum: AtomicU64::new(0),
        }
    }

    /// Records one value.
    pub fn record(&self, value: u64) {
        self.record_times(1, value);
    }

    /// Records the same value `times`.
    pub fn record_times(&self, times: u64, value: u64) {
        let at = (self.buckets.bucket_of)(self.buckets.bounds, value);
        if let Some(count) = self.counts.get(at) {
            count.fetch_add(times, Relaxed);
        }
        self.sum.fetch_add(times.saturating_mul(value), Relaxed);
    }

    /// How many values each bucket has; the last one has those above all bounds.
    #[must_use]
    pub fn counts(&self) -> Vec<u64> {
        let counts = self.counts.iter().map(|count| count.load(Relaxed));
        counts.collect()
    }

    /// Records how long something took, in nanoseconds.
    pub fn record_time(&self, took: Duration) {
        self.record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// What was recorded so far.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "numbers for people")]
    pub fn distribution(&self) -> Distribution {
        let counts = self.counts();
        let mut count = 0;
        let up_to = self.buckets.bounds.iter().zip(&counts);
        let up_to = up_to.map(|(bound, in_bucket)| {
            count += in_bucket;
            (*bound as f64 / self.buckets.per_unit, count)
        });
        Distribution {
            up_to: up_to.collect(),
            count: counts.iter().sum(),
            sum: self.sum.load(Relaxed) as f64 / self.buckets.per_unit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SMALL: Buckets = Buckets::new(&[1_000, 2_000], 1e3);

    #[test]
    fn a_value_on_a_bound_lies_below_it_and_none_is_lost() {
        let histogram = Histogram::new(&SMALL);
        for value in [0, 1_000, 1_001, 2_000, 2_001, 10_000] {
            histogram.record(value);
        }
        let expected = Distribution {
            up_to: vec![(1.0, 2), (2.0, 4)],
            count: 6,
            sum: 16.002,
        };
        assert_eq!(histogram.distribution(), expected);
    }

    #[test]
    fn every_latency_lies_at_most_an_eighth_below_the_bound_of_its_bucket() {
        let bounds = Buckets::LATENCIES.bounds;
        assert_eq!(
            (bounds.first(), bounds.last()),
            (Some(&64), Some(&(1 << 34)))
        );
        for power in 6..34 {
            for value in [(1 << power) + 1, (1_u64 << power) * 15 / 8, 2 << power] {
                let bound = bounds[bounds.partition_point(|bound| *bound < value)];
                assert!(
                    bound >= value && bound - value <= value / 8,
                    "{value} {bound}"
                );
            }
        }
    }

    #[test]
    fn the_place_of_a_latency_is_that_which_a_search_finds() {
        let powers = (0..64).map(|power| 1_u64 << power);
        let values = powers
            .flat_map(|power| (0..16).map(move |part| power.saturating_add(power / 16 * part)));
        for value in values.flat_map(|value| [value - 1, value, value.saturating_add(1)]) {
            assert_eq!(eighth_of(value), search(&EIGHTHS, value), "{value}");
        }
    }

    #[test]
    fn the_bounds_for_calls_ascend_from_ten_microseconds() {
        let bounds = Buckets::CALLS.bounds;
        assert!(bounds.is_sorted());
        assert_eq!(bounds[0], 10_000);
    }
}
