//! Counters of tips and histograms of providers; `metrics` writes them for Prometheus.
use std::time::Duration;

use crate::{
    domain::{FailureKind, FallbackCause, Usage},
    telemetry::{Buckets, Counter, Histogram},
};

/// Times until the first text.
#[derive(Debug)]
pub(super) struct FirstText(pub(super) Histogram);

impl Default for FirstText {
    fn default() -> Self {
        Self(Histogram::new(&Buckets::CALLS))
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// What the tips did since the process started.
        #[derive(Debug, Default)]
        pub struct TipStats {
            $($(#[$doc])* pub $name: Counter,)+
            failures: [Counter; FailureKind::ALL.len()],
            fallbacks: [Counter; FallbackCause::COUNT],
            /// How long readers waited for the first text.
            pub(super) first_text: FirstText,
        }
    };
}

counters! {
    /// Streams that were opened.
    streams,
    /// Streams that were refused because of the caller's limits.
    streams_refused,
    /// Streams that had a generation started.
    joins_leader,
    /// Streams that joined one that was under way here.
    joins_follower,
    /// Streams whose text was there.
    joins_replay,
    /// Tips that were found in memory.
    memory_hits,
    /// Tips that were found in Redis.
    shared_hits,
    /// Tips that were found in the store.
    store_hits,
    /// Streams that ended with a tip that was written for them.
    ends_ai,
    /// Streams that ended with a tip that was kept.
    ends_cache,
    /// Streams that ended with an older tip.
    ends_stale,
    /// Streams that ended with a tip that a person wrote.
    ends_static,
    /// Times that text was void for a reader.
    resets,
    /// Generations that this replica led.
    generations,
    /// Generations that this replica took over from another.
    takeovers,
    /// Generations that were lost to another replica.
    demotions,
    /// Generations that nobody wanted to the end.
    aborted,
    /// Orders that were sent to a provider.
    attempts,
    /// Orders that brought a tip.
    attempts_succeeded,
    /// Tokens that providers read.
    input_tokens,
    /// Tokens that providers wrote.
    output_tokens,
    /// What it all cost, in millionths of a US dollar.
    cost_micro_usd,
    /// Times that a provider was to be left alone from then on.
    breaker_opened,
    /// Attempts that were not made because of the provider's limits.
    limited,
    /// Attempts that were not made because of the budget.
    over_budget,
    /// Tips that broke the content policy.
    violations,
    /// What the store could not do.
    store_errors,
}

impl TipStats {
    /// How many attempts failed so.
    #[must_use]
    pub fn failures(&self, kind: FailureKind) -> u64 {
        self.failure(kind).map_or(0, Counter::get)
    }

    pub(super) fn count_failure(&self, kind: FailureKind) {
        if let Some(counter) = self.failure(kind) {
            counter.add(1);
        }
    }

    /// How many generations ended without a tip, for each cause.
    pub fn fallbacks(&self) -> impl Iterator<Item = (FallbackCause, u64)> {
        FallbackCause::all().zip(self.fallbacks.iter().map(Counter::get))
    }

    pub(super) fn count_fallback(&self, cause: FallbackCause) {
        let mut counters = FallbackCause::all().zip(&self.fallbacks);
        if let Some((_, counter)) = counters.find(|(each, _)| *each == cause) {
            counter.add(1);
        }
    }

    /// Streams that got text.
    #[must_use]
    pub fn first_texts(&self) -> u64 {
        self.first_text.0.distribution().count
    }

    fn failure(&self, kind: FailureKind) -> Option<&Counter> {
        let at = FailureKind::ALL.iter().position(|each| *each == kind)?;
        self.failures.get(at)
    }
}

/// How the orders to one provider went, in the terms of the OpenTelemetry conventions for
/// generative AI (github.com/open-telemetry/semantic-conventions-genai, docs/gen-ai/gen-ai-metrics.md),
/// whose buckets these are.
#[derive(Debug)]
pub(super) struct ProviderMetrics {
    /// By how they ended, in the order of [`endings`].
    pub(super) took: Vec<Histogram>,
    pub(super) first_text: Histogram,
    pub(super) input_tokens: Histogram,
    pub(super) output_tokens: Histogram,
}

/// `gen_ai.client.operation.duration`, in seconds.
const OPERATION: Buckets = Buckets::new(
    &[
        10_000_000,
        20_000_000,
        40_000_000,
        80_000_000,
        160_000_000,
        320_000_000,
        640_000_000,
        1_280_000_000,
        2_560_000_000,
        5_120_000_000,
        10_240_000_000,
        20_480_000_000,
        40_960_000_000,
        81_920_000_000,
    ],
    1e9,
);

/// `gen_ai.client.token.usage`, in tokens; the conventions go on to 67 million.
const TOKENS: Buckets = Buckets::new(&[1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536], 1.0);

/// How an order can end, in the words of the attempt ledger.
pub(super) fn endings() -> impl Iterator<Item = &'static str> {
    let failures = FailureKind::ALL.iter().map(|kind| kind.as_str());
    ["success", "aborted"].into_iter().chain(failures)
}

impl Default for ProviderMetrics {
    fn default() -> Self {
        Self {
            took: endings().map(|_| Histogram::new(&OPERATION)).collect(),
            first_text: Histogram::new(&OPERATION),
            input_tokens: Histogram::new(&TOKENS),
            output_tokens: Histogram::new(&TOKENS),
        }
    }
}

impl ProviderMetrics {
    /// Takes in an order that ended as `word` says.
    pub(super) fn ended(&self, word: &str, after: Duration, usage: Usage) {
        let mut by_ending = endings().zip(&self.took);
        if let Some((_, took)) = by_ending.find(|(ending, _)| *ending == word) {
            took.record_time(after);
        }
        self.input_tokens.record(usage.input_tokens);
        self.output_tokens.record(usage.output_tokens);
    }

    /// Takes in how long an order's first text took.
    pub(super) fn first_text(&self, after: Duration) {
        self.first_text.record_time(after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_counted_by_how_it_ended() {
        let metrics = ProviderMetrics::default();
        let usage = Usage {
            input_tokens: 300,
            output_tokens: 100,
            is_estimated: false,
        };
        metrics.ended("overloaded", Duration::from_secs(2), usage);
        let counts = metrics.took.iter().map(|took| took.distribution().count);
        let ended: Vec<_> = endings()
            .zip(counts)
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(ended, [("overloaded", 1)]);
        assert!((metrics.input_tokens.distribution().sum - 300.0).abs() < 1e-9);
    }
}
