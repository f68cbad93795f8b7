use crate::{
    domain::{FailureKind, FallbackCause},
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
