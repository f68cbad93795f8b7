//! A provider of tips: its health, its limits, its retries, and what it refuses.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;

use super::{
    Price, ProviderQuota, ProviderSpec,
    breaker::{AttemptOutcome, BreakerChange, ProviderBreaker},
    limiter::{Quota, Want},
    stats::ProviderMetrics,
};
use crate::{
    domain::{BreakerSignal, FailureKind, Prompt, Route, TipWriter, Usage, WriteFailure},
    telemetry::{Failing, FailureLog},
};

/// Providers ask for pauses up to this every day. During a longer one they count as unavailable.
pub(super) const SHORT_PAUSE: Duration = Duration::from_mins(1);

/// A provider, and what is known here of its health and its limits.
pub(super) struct Provider {
    pub(super) writer: Arc<dyn TipWriter>,
    pub(super) price: Price,
    pub(super) breaker: Arc<ProviderBreaker>,
    pub(super) retries: RetryBudget,
    pub(super) metrics: ProviderMetrics,
    /// Names it among the limits.
    pub(super) name: String,
    outage: FailureLog,
    /// Whether the refusal was logged.
    is_refusal_logged: AtomicBool,
    quota: Mutex<ProviderQuota>,
}

impl From<ProviderSpec> for Provider {
    fn from(provider: ProviderSpec) -> Self {
        let route = provider.writer.route();
        let name = provider_name(route);
        Self {
            price: provider.price,
            breaker: ProviderBreaker::closed(),
            retries: RetryBudget::new(),
            metrics: ProviderMetrics::default(),
            name,
            outage: FailureLog::default(),
            is_refusal_logged: AtomicBool::new(false),
            quota: Mutex::new(provider.quota),
            writer: provider.writer,
        }
    }
}

impl Provider {
    /// Logs when its breaker opens, and when it works again.
    pub(super) fn log_change(
        &self,
        outcome: AttemptOutcome,
        change: BreakerChange,
        failure: Option<&WriteFailure>,
    ) {
        let provider = &self.name;
        if outcome == AttemptOutcome::Success {
            self.is_refusal_logged.store(false, Relaxed);
            if let Some(Failing { failures, lasted }) = self.outage.worked() {
                tracing::info!(provider, failures, ?lasted, "a provider works again");
            }
        }
        if change == BreakerChange::Nothing {
            return;
        }
        let failing = self.outage.failed();
        let refused = failure.and_then(|failure| Some((failure, Refused::by(failure.kind)?)));
        if let Some((failure, refused)) = refused {
            // Later failures are logged one by one in `Generation::log_failure`.
            if !self.is_refusal_logged.swap(true, Relaxed) {
                tracing::error!(
                    provider,
                    failure = %failure,
                    request_id = failure.attempt_id,
                    asked_again_after = ?refused.pause(),
                    advice = refused.advice(),
                    "a provider refuses requests: its circuit breaker is open, and tips come from other sources"
                );
            }
        } else if let Some(Failing { failures, lasted }) = failing {
            tracing::warn!(
                provider,
                failures,
                ?lasted,
                "a provider failed repeatedly: its circuit breaker is open, and tips come from other sources"
            );
        }
    }

    /// Sends requests to it again. The results of older attempts are ignored.
    pub(super) fn resume(&self) {
        self.is_refusal_logged.store(false, Relaxed);
        self.breaker.close();
    }

    /// Requests go to it with another key from now on.
    pub(super) fn key_renewed(&self) {
        self.is_refusal_logged.store(false, Relaxed);
        self.breaker.key_renewed();
    }

    /// Sets how much it may get from now on.
    pub(super) fn set_quota(&self, quota: ProviderQuota) {
        *self.quota.lock() = quota;
    }

    /// What one attempt takes from the limits.
    pub(super) fn wants(&self, prompt: &Prompt) -> Vec<Want> {
        let quota = *self.quota.lock();
        // Providers count in buckets of a minute or less; sending a whole one at once is a sharp
        // ramp, which some of them refuse, so requests come a tenth at a time.
        let requests = quota.requests_per_minute.map(|per_minute| {
            let burst = (per_minute / 10).max(1);
            ("requests", Quota { per_minute, burst }, 1)
        });
        let tokens = quota.tokens_per_minute.map(|per_minute| {
            let most = input_guess(prompt) + self.most_output();
            let (burst, most) = (per_minute, u32::try_from(most).unwrap_or(u32::MAX));
            ("tokens", Quota { per_minute, burst }, most)
        });
        requests.into_iter().chain(tokens).collect()
    }

    /// The most that one attempt may cost, in millionths of a US dollar: no token is shorter than a byte.
    pub(super) fn most_cost(&self, prompt: &Prompt) -> u64 {
        let most_input = prompt_bytes(prompt) + ENVELOPE_TOKENS;
        self.price.of(most_input, self.most_output())
    }

    fn most_output(&self) -> u64 {
        self.writer.route().max_output_tokens.into()
    }
}

/// The name of a provider among the limits.
pub(super) fn provider_name(route: &Route) -> String {
    format!("provider {} {}", route.provider, route.model)
}

/// What the protocol adds to a prompt.
const ENVELOPE_TOKENS: u64 = 32;

/// About how many tokens a prompt has.
pub(super) fn input_guess(prompt: &Prompt) -> u64 {
    prompt_bytes(prompt) / Usage::BYTES_PER_TOKEN + ENVELOPE_TOKENS
}

fn prompt_bytes(prompt: &Prompt) -> u64 {
    (prompt.system.len() + prompt.user.len()) as u64
}

/// Why a provider refuses every request. It refuses those of all tips, so the next tip does not try again:
/// one request probes after a while whether it still does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Key,
    Model,
    Money,
}

impl Refused {
    /// What a failure of this kind means, if it means that.
    pub(super) const fn by(kind: FailureKind) -> Option<Self> {
        match kind {
            FailureKind::Denied => Some(Self::Key),
            FailureKind::NotFound => Some(Self::Model),
            FailureKind::SpendLimit => Some(Self::Money),
            FailureKind::Connect
            | FailureKind::TooSlow
            | FailureKind::RateLimited
            | FailureKind::Overloaded
            | FailureKind::ServerFault
            | FailureKind::Rejected
            | FailureKind::Truncated
            | FailureKind::Malformed
            | FailureKind::Refused
            | FailureKind::Empty
            | FailureKind::CutOff => None,
        }
    }

    /// How long no request is sent.
    pub(super) const fn pause(self) -> Duration {
        match self {
            Self::Key | Self::Model => Duration::from_mins(2),
            // It sends no time of its own.
            Self::Money => Duration::from_mins(10),
        }
    }

    /// What an operator can do.
    pub(super) const fn advice(self) -> &'static str {
        match self {
            Self::Key => {
                "it refuses the key: put a valid one where the key is read from, with the rights that the model needs"
            }
            Self::Model => "it does not have the model, or not at this address: look at both",
            Self::Money => {
                "the account's money is spent: raise its limit, then `admin tips resume`"
            }
        }
    }
}

/// What a failure of this kind means to the breaker.
pub(super) fn outcome(kind: FailureKind) -> AttemptOutcome {
    match (Refused::by(kind), kind.breaker_signal()) {
        (Some(refused), _) => AttemptOutcome::Refused(refused.pause()),
        (None, BreakerSignal::Failure) => AttemptOutcome::Failure,
        (None, BreakerSignal::Neutral) => AttemptOutcome::Neutral,
    }
}

/// Retries of one provider: about one for ten requests, so that a provider that
/// fails for everybody does not get several times its load for it.
#[derive(Debug)]
pub(super) struct RetryBudget {
    /// Tenths of a retry.
    tenths: AtomicU32,
}

impl RetryBudget {
    /// How many retries can be saved up; a new budget has them all.
    const SAVED: u32 = 10;
    const ONE: u32 = 10;

    pub(super) const fn new() -> Self {
        Self {
            tenths: AtomicU32::new(Self::SAVED * Self::ONE),
        }
    }

    /// A request was sent.
    pub(super) fn deposit(&self) {
        let add = |tenths: u32| (tenths < Self::SAVED * Self::ONE).then_some(tenths + 1);
        // A full budget stays as it is.
        let _ = self.tenths.fetch_update(Relaxed, Relaxed, add);
    }

    pub(super) fn has_one(&self) -> bool {
        self.tenths.load(Relaxed) >= Self::ONE
    }

    /// A retry is made.
    pub(super) fn spend(&self) {
        let take = |tenths: u32| Some(tenths.saturating_sub(Self::ONE));
        let _ = self.tenths.fetch_update(Relaxed, Relaxed, take);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_that_always_fails_is_asked_again_once_in_ten_requests() {
        let budget = RetryBudget::new();
        let mut retries = 0;
        for _ in 0..1_000 {
            budget.deposit();
            if budget.has_one() {
                budget.spend();
                retries += 1;
            }
        }
        assert!((100..=110).contains(&retries), "{retries}");
    }
}
