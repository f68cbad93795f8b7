use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Where a histogram parts its values, and what they are told in.
#[derive(Debug)]
pub struct Buckets {
    /// The largest value of each bucket, ascending; one more bucket has what is larger.
    pub bounds: &'static [u64],
    /// How many of the recorded unit make one of the unit that is told: 1e9 for nanoseconds that
    /// are told in seconds.
    pub per_unit: f64,
}

impl Buckets {
    /// Calls: 10 µs to 10 s, about 2.2 apart, and further up for streams.
    pub const CALLS: Self = Self {
        bounds: &[
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
        per_unit: 1e9,
    };
}

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
        let larger = |bound: &u64| *bound >= value;
        let bounds = self.buckets.bounds;
        let at = bounds.iter().position(larger).unwrap_or(bounds.len());
        if let Some(count) = self.counts.get(at) {
            count.fetch_add(1, Relaxed);
        }
        self.sum.fetch_add(value, Relaxed);
    }

    /// Records how long something took, in nanoseconds.
    pub fn record_time(&self, took: Duration) {
        self.record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// What was recorded so far.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub fn distribution(&self) -> Distribution {
        let mut counts = self.counts.iter().map(|count| count.load(Relaxed));
        let mut count = 0;
        let bounds = self.buckets.bounds.iter();
        let up_to = bounds.zip(counts.by_ref()).map(|(bound, in_bucket)| {
            count += in_bucket;
            (*bound as f64 / self.buckets.per_unit, count)
        });
        let up_to: Vec<_> = up_to.collect();
        let larger = self.counts.last().map_or(0, |last| last.load(Relaxed));
        Distribution {
            up_to,
            count: count + larger,
            sum: self.sum.load(Relaxed) as f64 / self.buckets.per_unit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SMALL: Buckets = Buckets {
        bounds: &[1_000, 2_000],
        per_unit: 1e3,
    };

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
    fn the_bounds_for_calls_ascend_from_ten_microseconds() {
        let bounds = Buckets::CALLS.bounds;
        assert!(bounds.is_sorted());
        assert_eq!(bounds[0], 10_000);
    }
}
