use std::time::Duration;

use crate::{
    domain::{FailureKind, Usage},
    telemetry::{Buckets, Histogram},
};

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
const OPERATION: Buckets = Buckets {
    bounds: &[
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
    per_unit: 1e9,
};

/// `gen_ai.client.token.usage`, in tokens; the conventions go on to 67 million.
const TOKENS: Buckets = Buckets {
    bounds: &[1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536],
    per_unit: 1.0,
};

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
        let figures = ProviderMetrics::default();
        let usage = Usage {
            input_tokens: 300,
            output_tokens: 100,
            is_estimated: false,
        };
        figures.ended("overloaded", Duration::from_secs(2), usage);
        let counts = figures.took.iter().map(|took| took.distribution().count);
        let ended: Vec<_> = endings()
            .zip(counts)
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(ended, [("overloaded", 1)]);
        assert!((figures.input_tokens.distribution().sum - 300.0).abs() < 1e-9);
    }
}
