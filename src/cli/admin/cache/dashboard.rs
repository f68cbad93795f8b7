//! What `admin cache status --watch` shows: rates and ratios between two samples at all replicas.
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use super::status::{HEADINGS, measured, others_unknown, row};
use crate::{
    cli::{
        escape::clean,
        humanize::{NONE, percent, seconds, sparkline},
        output::{Color, Output},
    },
    pb::admin::v1::{GetCacheStatusResponse, ReplicaCacheStatus},
};

/// What a dashboard shows: the last sample, and how it came there. Pure: it asks no clock.
#[derive(Debug, Default)]
pub(super) struct Dashboard {
    before: BTreeMap<String, AnswerCounts>,
    /// The newest last.
    samples: VecDeque<Sample>,
    status: GetCacheStatusResponse,
}

/// As many bars as a sparkline has.
const SAMPLES: usize = 60;

/// What happened between two samples, over all replicas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    /// Answers in a second.
    pub(super) rate: f64,
    /// Those of them that came from a cache, 0 to 1; `None` without any answer.
    pub(super) hit_ratio: Option<f64>,
    /// The longest of the replicas' p99 of hits in the last minute, in seconds.
    p99_secs: Option<f64>,
}

/// The counters of one replica.
#[derive(Clone, Copy, Debug, Default)]
struct AnswerCounts {
    all: i64,
    from_cache: i64,
}

impl AnswerCounts {
    fn of(status: &ReplicaCacheStatus) -> Self {
        let near = status.near.unwrap_or_default();
        let misses = near.misses_absent
            + near.misses_expired
            + near.misses_changed
            + near.misses_unconfirmed;
        let shared = status.shared.map_or(0, |shared| shared.hits);
        Self {
            all: near.hits + misses,
            from_cache: near.hits + shared.min(misses),
        }
    }
}

impl Dashboard {
    /// Takes in what was told `since` the last sample; the first one has nothing to compare with.
    #[expect(clippy::cast_precision_loss, reason = "numbers for people")]
    pub(super) fn take(
        &mut self,
        status: GetCacheStatusResponse,
        since: Duration,
    ) -> Option<Sample> {
        let is_first = self.before.is_empty();
        let (mut all, mut from_cache) = (0, 0);
        let mut now = BTreeMap::new();
        for replica in &status.replicas {
            let answers = AnswerCounts::of(replica);
            if let Some(before) = self.before.get(&replica.replica) {
                all += (answers.all - before.all).max(0);
                from_cache += (answers.from_cache - before.from_cache).max(0);
            }
            now.insert(replica.replica.clone(), answers);
        }
        (self.before, self.status) = (now, status);
        if is_first {
            return None;
        }
        let sample = Sample {
            rate: all as f64 / since.as_secs_f64().max(f64::EPSILON),
            hit_ratio: (all > 0).then(|| from_cache as f64 / all as f64),
            p99_secs: self.p99_secs(),
        };
        self.samples.push_back(sample);
        if self.samples.len() > SAMPLES {
            self.samples.pop_front();
        }
        Some(sample)
    }

    fn p99_secs(&self) -> Option<f64> {
        let told = self.status.replicas.iter();
        let p99 = told.filter_map(|replica| measured(replica.hit_latency_1m).p99);
        let p99 = p99.filter_map(|told| Duration::try_from(told).ok()).max();
        p99.map(|p99| p99.as_secs_f64())
    }

    /// The dashboard, line by line.
    pub(super) fn lines(&self, output: Output) -> Vec<String> {
        let last = self.samples.back();
        let ratio = percent(last.and_then(|sample| sample.hit_ratio));
        let rate = last.map_or(NONE.to_owned(), |sample| format!("{:.0}/s", sample.rate));
        let highest = self
            .samples
            .iter()
            .map(|sample| sample.rate)
            .fold(0.0, f64::max);
        let ratios = sparkline(self.samples.iter().map(|sample| sample.hit_ratio), 1.0);
        let rates = sparkline(self.samples.iter().map(|sample| Some(sample.rate)), highest);
        let p99 = last.and_then(|sample| sample.p99_secs);
        let longest = self.samples.iter().filter_map(|sample| sample.p99_secs);
        let longest = longest.fold(0.0, f64::max);
        let p99s = sparkline(self.samples.iter().map(|sample| sample.p99_secs), longest);
        let mut lines = vec![
            format!(
                "hit ratio {ratio:>9}  {}",
                output.paint(Color::Green, &ratios)
            ),
            format!("answers   {rate:>9}  {rates}"),
            format!("p99 of hits {:>7}  {p99s}", seconds(p99)),
            String::new(),
        ];
        let replicas = self.status.replicas.iter();
        let table = output.table(HEADINGS, replicas.map(|replica| row(output, replica)));
        lines.extend(table.lines().map(str::to_owned));
        let silent = self.status.silent.iter();
        lines.extend(silent.map(|name| {
            let text = format!("silent: {}", clean(name));
            output.paint(Color::Yellow, &text)
        }));
        let unknown = others_unknown(&self.status);
        lines.extend(unknown.map(|text| output.paint(Color::Red, &text)));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::admin::v1::{NearCacheStatus, SharedCacheStatus};

    fn told(replicas: &[(&str, i64, i64, i64)]) -> GetCacheStatusResponse {
        let replica = |(name, hits, misses, shared): &(&str, i64, i64, i64)| ReplicaCacheStatus {
            replica: (*name).to_owned(),
            near: Some(NearCacheStatus {
                hits: *hits,
                misses_absent: *misses,
                ..NearCacheStatus::default()
            }),
            shared: Some(SharedCacheStatus {
                hits: *shared,
                ..SharedCacheStatus::default()
            }),
            ..ReplicaCacheStatus::default()
        };
        GetCacheStatusResponse {
            replicas: replicas.iter().map(replica).collect(),
            ..GetCacheStatusResponse::default()
        }
    }

    #[test]
    fn a_look_compares_each_replica_with_itself() {
        let mut dashboard = Dashboard::default();
        let second = Duration::from_secs(1);
        assert_eq!(dashboard.take(told(&[("a", 1_000, 0, 0)]), second), None);
        let both = told(&[("a", 1_080, 20, 10), ("b", 5_000, 0, 0)]);
        let sample = dashboard.take(both, 2 * second).unwrap();
        assert!((sample.rate - 50.0).abs() < 1e-9);
        assert_eq!(sample.hit_ratio, Some(0.9), "a newcomer has no past");
        let sample = dashboard.take(told(&[("b", 5_000, 0, 0)]), second).unwrap();
        assert_eq!((sample.rate, sample.hit_ratio), (0.0, None));
    }
}
