//! Counters and histograms of tips and of their providers; `metrics` writes them for Prometheus.
use std::time::Duration;

use crate::{
    domain::{FailureKind, FallbackCause, Usage},
    telemetry::{Buckets, Counter, Histogram, Page},
};

/// Times until the first text.
#[derive(Debug)]
pub(super) struct FirstText(pub(super) Histogram);

impl Default for FirstText {
    fn default() -> Self {
        Self(Histogram::new(&Buckets::CALLS))
    }
}

/// Declares each counter once: its field in [`TipStats`], and the family and the label that `/metrics` shows it with.
macro_rules! counters {
    ($($family:literal $help:literal {
        $($(#[$doc:meta])* $field:ident $(($label:literal = $value:literal))?,)+
    })+) => {
        /// Counts of this replica's tips since the process started.
        #[derive(Debug, Default)]
        pub struct TipStats {
            $($($(#[$doc])* pub $field: Counter,)+)+
            /// Requests that were sent to a provider.
            pub attempts: Counter,
            /// Requests that brought a tip.
            pub attempts_succeeded: Counter,
            /// Requests that this replica ended.
            pub aborted: Counter,
            /// What requests cost, in millionths of a US dollar.
            pub cost_micro_usd: Counter,
            pub(super) failures: [Counter; FailureKind::ALL.len()],
            fallbacks: [Counter; FallbackCause::COUNT],
            /// How long readers waited for the first text.
            pub(super) first_text: FirstText,
        }

        impl TipStats {
            pub(super) fn collect_counters(&self, page: &mut Page) {
                $(page.counter($family, $help)
                    $(.sample(&[$(($label, $value))?], self.$field.get()))+;)+
            }
        }
    };
}

counters! {
    "catalog_tips_streams_total" "Tip streams requested, by whether the caller's limits accepted them." {
        /// Streams that were opened.
        streams("result" = "accepted"),
        /// Streams that were refused because of the caller's limits.
        streams_refused("result" = "refused"),
    }
    "catalog_tips_joins_total" "Tip streams by role: leader (started the generation), follower (joined one), replay (the tip existed)." {
        /// Streams that had a generation started.
        joins_leader("role" = "leader"),
        /// Streams that joined a generation that was under way here.
        joins_follower("role" = "follower"),
        /// Streams whose text was ready.
        joins_replay("role" = "replay"),
    }
    "catalog_tips_finds_total" "Existing tips found, by the tier that had them." {
        /// Tips that were found in memory.
        memory_hits("tier" = "memory"),
        /// Tips that were found in Redis.
        shared_hits("tier" = "shared"),
        /// Tips that were found in the store.
        store_hits("tier" = "store"),
    }
    "catalog_tips_ends_total" "Tip streams that ended with a tip, by the tip's source." {
        /// Streams that ended with a tip that was written for them.
        ends_ai("source" = "ai"),
        /// Streams that ended with a tip that was kept.
        ends_cache("source" = "cache"),
        /// Streams that ended with an older tip.
        ends_stale("source" = "stale"),
        /// Streams that ended with a tip that a person wrote.
        ends_static("source" = "static"),
    }
    "catalog_tips_resets_total" "RESET events sent: the reader must discard the text so far." {
        /// Times that text became void for a reader.
        resets,
    }
    "catalog_tips_generations_total" "Tip generations that this replica started." {
        /// Generations that this replica led.
        generations,
    }
    "catalog_tips_takeovers_total" "Generations that this replica took over from another replica after its readers had seen text." {
        /// Generations that this replica took over from another.
        takeovers,
    }
    "catalog_tips_demotions_total" "Generations that this replica lost to another replica." {
        /// Generations that were lost to another replica.
        demotions,
    }
    "catalog_tips_breaches_total" "Providers' texts that violated the content policy." {
        /// Texts that violated the content policy.
        violations,
    }
    "catalog_tips_store_errors_total" "Database operations for tips that failed." {
        /// Queries of the store that failed or timed out.
        store_errors,
    }
    "catalog_tips_barred_total" "Requests not sent because of the provider's rate limits or the daily budget." {
        /// Requests that were not sent because of the provider's limits.
        limited("bar" = "limited"),
        /// Requests that were not sent because the budget is spent.
        over_budget("bar" = "budget"),
        /// Requests that were not sent because the rest of the budget is reserved by others.
        budget_reserved("bar" = "budget_reserved"),
        /// Requests that were not sent because Redis did not grant any of the budget.
        budget_unavailable("bar" = "budget_unavailable"),
    }
    "catalog_tips_breaker_opened_total" "Times that a provider's circuit breaker opened." {
        /// Times that the circuit breaker of a provider opened.
        breaker_opened,
    }
    "catalog_tips_tokens_total" "Tokens of this replica's requests to providers: input and output." {
        /// Tokens that providers read.
        input_tokens("type" = "input"),
        /// Tokens that providers wrote.
        output_tokens("type" = "output"),
    }
}

impl TipStats {
    pub(super) fn count_failure(&self, kind: FailureKind) {
        let mut counters = FailureKind::ALL.iter().zip(&self.failures);
        if let Some((_, counter)) = counters.find(|(each, _)| **each == kind) {
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
}

/// Histograms of the requests to one provider, in the terms of the OpenTelemetry conventions for
/// generative AI (github.com/open-telemetry/semantic-conventions-genai, docs/gen-ai/gen-ai-metrics.md),
/// whose buckets these are.
#[derive(Debug)]
pub(super) struct ProviderMetrics {
    /// By outcome, in the order of [`endings`].
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

/// The outcomes of a request, as the attempt ledger names them.
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
    /// Records a request that ended with the outcome `word`.
    pub(super) fn ended(&self, word: &str, after: Duration, usage: Usage) {
        let mut by_ending = endings().zip(&self.took);
        if let Some((_, took)) = by_ending.find(|(ending, _)| *ending == word) {
            took.record_time(after);
        }
        self.input_tokens.record(usage.input_tokens);
        self.output_tokens.record(usage.output_tokens);
    }

    /// Records how long a request's first text took.
    pub(super) fn first_text(&self, after: Duration) {
        self.first_text.record_time(after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_counted_by_how_it_ended() {
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
