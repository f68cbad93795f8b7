//! Counts what the caches of this replica do, for the metrics page and for `GetCacheStatus`.
use std::{sync::atomic::AtomicU64, time::Duration};

use parking_lot::Mutex;

use crate::{
    domain::{HitRatio, Latency, words},
    telemetry::{Buckets, Counter, Distribution, Histogram, RollingWindow},
};

words! {
    /// Why the near cache had no answer.
    pub enum MissReason {
        /// It never had one, or evicted it.
        Absent = "absent",
        /// Its time to live was over.
        Expired = "expired",
        /// A commit changed what it depends on.
        Changed = "changed",
        /// No poll confirmed it lately, and stale answers are switched off.
        Unconfirmed = "unconfirmed",
    }
}

macro_rules! counters {
    (
        $($name:ident, $metric:literal, $help:literal;)+
        => labelled: $($(#[$doc:meta])* $labelled:ident,)+
    ) => {
        /// What the cache did since the process started.
        #[derive(Debug, Default)]
        pub struct CacheStats {
            $(#[doc = $help] pub $name: Counter,)+
            $($(#[$doc])* pub $labelled: Counter,)+
            /// How long answers from the near cache took.
            pub(super) hit_latency: Latencies,
            /// How long loads took, from a caller's question to its answer.
            pub(super) load_latency: Latencies,
            /// How many microseconds the last answered poll took; 0 before the first.
            pub(super) poll_us: AtomicU64,
            answers: AnswerWindow,
            last_error: Mutex<String>,
        }

        impl CacheStats {
            /// The counters that have a metric of their own: its name, its help text and the count.
            pub(super) fn counters(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
                [$(($metric, $help, self.$name.get()),)+].into_iter()
            }
        }
    };
}

counters! {
    evictions, "catalog_cache_evictions_total", "Entries that the near cache evicted for want of room.";
    early_refreshes, "catalog_cache_early_refreshes_total", "Entries reloaded before they expired.";
    leases, "catalog_cache_leases_total", "Leases for a fill of the shared cache that this replica got.";
    lease_waits, "catalog_cache_lease_waits_total", "Times that a load waited for another replica's fill.";
    database_reads, "catalog_cache_database_reads_total", "Statements that loads sent to the database.";
    database_errors, "catalog_cache_database_errors_total", "Statements of loads that failed.";
    fills_superseded, "catalog_cache_fills_outrun_total", "Loads whose result a commit superseded before they ended; never cached.";
    stale_answers, "catalog_cache_stale_answers_total", "Answers marked stale.";
    audit_checked, "catalog_cache_audit_checks_total", "Cached entries that the audit compared with the database.";
    audit_violations, "catalog_cache_audit_violations_total", "Valid cached entries that differed from the database; must stay 0.";
    announcements, "catalog_feed_news_total", "Changes received from another replica, so that this one needed no poll.";
    => labelled:
    /// Answers from the near cache that were fresh.
    near_hits,
    /// Near misses for [`MissReason::Absent`].
    near_absent,
    /// Near misses for [`MissReason::Expired`].
    near_expired,
    /// Near misses for [`MissReason::Changed`].
    near_changed,
    /// Near misses for [`MissReason::Unconfirmed`].
    near_unconfirmed,
    /// Loads that the shared cache answered.
    shared_hits,
    /// Loads that the shared cache could not answer.
    shared_misses,
    /// Commands to the shared cache that failed or took too long.
    shared_errors,
    /// Questions to the database for what changed.
    polls,
    /// Polls that were not answered.
    polls_failed,
    /// Times that the list of changes had gaps, so that everything counted as changed.
    resyncs,
    /// Times that another database or history answered; the first is the start.
    eras,
}

impl CacheStats {
    /// Counts a near miss.
    pub fn near_miss(&self, reason: MissReason) {
        match reason {
            MissReason::Absent => self.near_absent.add(1),
            MissReason::Expired => self.near_expired.add(1),
            MissReason::Changed => self.near_changed.add(1),
            MissReason::Unconfirmed => self.near_unconfirmed.add(1),
        }
    }

    /// All answers so far, and those of them that came from a cache.
    fn answers(&self) -> AnswerCounts {
        let misses = [
            &self.near_absent,
            &self.near_expired,
            &self.near_changed,
            &self.near_unconfirmed,
        ];
        let misses: u64 = misses.map(Counter::get).iter().sum();
        let (near, shared) = (self.near_hits.get(), self.shared_hits.get());
        AnswerCounts {
            from_cache: near + shared.min(misses),
            all: near + misses,
        }
    }

    /// Notes the readings that hit ratios and latencies of the last minutes need, to be called once a
    /// [`RollingWindow::BEAT`].
    pub(super) fn note_readings(&self) {
        self.answers.0.note(self.answers());
        self.hit_latency.note();
        self.load_latency.note();
    }

    /// What part of the answers came from a cache.
    pub(super) fn hit_ratio(&self) -> HitRatio {
        self.answers.ratios(self.answers())
    }

    /// Keeps what a dependency said last; the text has no secrets.
    pub(super) fn note_error(&self, error: String) {
        *self.last_error.lock() = error;
    }

    /// What a dependency said last; empty when none did.
    #[must_use]
    pub fn last_error(&self) -> String {
        self.last_error.lock().clone()
    }
}

/// How many answers there were, and how many of them came from a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct AnswerCounts {
    from_cache: u64,
    all: u64,
}

impl AnswerCounts {
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    fn ratio_since(self, earlier: Self) -> Option<f64> {
        let all = self.all.saturating_sub(earlier.all);
        let from_cache = self.from_cache.saturating_sub(earlier.from_cache);
        (all > 0).then(|| from_cache as f64 / all as f64)
    }
}

#[derive(Debug)]
struct AnswerWindow(RollingWindow<AnswerCounts>);

impl Default for AnswerWindow {
    fn default() -> Self {
        Self(RollingWindow::of_minutes(15))
    }
}

impl AnswerWindow {
    /// The ratios up to now; of a process younger than a window, since its start.
    fn ratios(&self, now: AnswerCounts) -> HitRatio {
        let over = |minutes| now.ratio_since(self.0.minutes_ago(minutes).unwrap_or_default());
        HitRatio {
            since_start: now.ratio_since(AnswerCounts::default()),
            last_1m: over(1),
            last_5m: over(5),
            last_15m: over(15),
        }
    }
}

/// How long something took: since the start, and in the last minute.
#[derive(Debug)]
pub(super) struct Latencies {
    since_start: Histogram,
    minute: RollingWindow<Vec<u64>>,
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            since_start: Histogram::new(&Buckets::LATENCIES),
            minute: RollingWindow::of_minutes(1),
        }
    }
}

impl Latencies {
    pub(super) fn record(&self, took: Duration) {
        self.record_times(1, took);
    }

    /// Records `times` that took as long.
    pub(super) fn record_times(&self, times: u64, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.since_start.record_times(times, nanos);
    }

    /// Since the start, with few enough buckets for a metrics page: every other power of two, from 1 µs to 17 s.
    pub(super) fn distribution(&self) -> Distribution {
        let mut all = self.since_start.distribution();
        all.up_to = all.up_to.into_iter().skip(32).step_by(16).collect();
        all
    }

    fn note(&self) {
        self.minute.note(self.since_start.counts());
    }

    /// Since the start.
    pub(super) fn summary(&self) -> Latency {
        latency_of(&self.since_start.counts())
    }

    /// Over the last minute; of a process younger than that, since its start.
    pub(super) fn last_minute(&self) -> Latency {
        let mut counts = self.since_start.counts();
        if let Some(earlier) = self.minute.minutes_ago(1) {
            for (count, earlier) in counts.iter_mut().zip(earlier) {
                *count = count.saturating_sub(earlier);
            }
        }
        latency_of(&counts)
    }
}

fn latency_of(counts: &[u64]) -> Latency {
    let percentile = |percent| Duration::from_nanos(Buckets::LATENCIES.percentile(counts, percent));
    Latency {
        count: counts.iter().sum(),
        p50: percentile(50),
        p95: percentile(95),
        p99: percentile(99),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(window: &AnswerWindow, answers: AnswerCounts, times: usize) {
        (0..times).for_each(|_| window.0.note(answers));
    }

    #[test]
    fn a_window_forgets_what_was_before_it() {
        let window = AnswerWindow::default();
        let answers = AnswerCounts {
            from_cache: 0,
            all: 100,
        };
        noted(&window, answers, 13);
        let ratios = window.ratios(AnswerCounts {
            from_cache: 100,
            all: 200,
        });
        assert_eq!((ratios.last_1m, ratios.last_5m), (Some(1.0), Some(0.5)));
    }

    #[test]
    fn without_answers_there_is_no_ratio() {
        let window = AnswerWindow::default();
        let answers = AnswerCounts {
            from_cache: 7,
            all: 7,
        };
        noted(&window, answers, 12);
        let ratios = window.ratios(answers);
        assert_eq!((ratios.last_1m, ratios.since_start), (None, Some(1.0)));
    }

    #[test]
    fn a_distribution_adds_up_what_lies_below_each_bound() {
        let latencies = Latencies::default();
        for micros in [1, 3, 300] {
            latencies.record(Duration::from_micros(micros));
        }
        let distribution = latencies.distribution();
        let below: Vec<_> = distribution.up_to.iter().map(|(_, count)| *count).collect();
        assert_eq!(below, [1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3]);
        assert_eq!(distribution.count, 3);
        assert!((distribution.sum / 0.000_304 - 1.0).abs() < 1.0 / 16.0);
    }

    #[test]
    fn the_last_minute_knows_nothing_of_what_was_before_it() {
        let latencies = Latencies::default();
        latencies.record_times(1_000, Duration::from_secs(1));
        (0..12).for_each(|_| latencies.note());
        assert_eq!(latencies.last_minute(), Latency::default());
        latencies.record(Duration::from_micros(10));
        let (minute, all) = (latencies.last_minute(), latencies.summary());
        assert_eq!((minute.count, all.count), (1, 1_001));
        assert!(minute.p99 < Duration::from_micros(12), "{minute:?}");
        assert!(all.p50 >= Duration::from_secs(1), "{all:?}");
    }

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let latencies = Latencies::default();
        for micros in 1..=100 {
            latencies.record(Duration::from_micros(micros));
        }
        let summary = latencies.summary();
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
