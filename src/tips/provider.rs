use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{
    Price, ProviderQuota, ProviderSpec,
    breaker::{Breaker, Change, Outcome},
    limiter::{Quota, Want},
    provider_metrics::ProviderMetrics,
    refused::Refused,
    retries::RetryBudget,
};
use crate::{
    domain::{Prompt, Route, TipWriter, WriteFailure},
    telemetry::{Failing, FailureLog},
};

/// Providers ask for pauses up to this every day. During a longer one they count as away.
pub(super) const SHORT_PAUSE: Duration = Duration::from_mins(1);

/// A provider, and what is known here of its health and its limits.
pub(super) struct Provider {
    pub(super) writer: Arc<dyn TipWriter>,
    pub(super) price: Price,
    pub(super) breaker: Arc<Breaker>,
    pub(super) retries: RetryBudget,
    pub(super) metrics: ProviderMetrics,
    /// Names it among the limits.
    pub(super) name: String,
    outage: FailureLog,
    /// Whether the log has it that it takes no order from us.
    is_refusal_told: AtomicBool,
    quota: Mutex<ProviderQuota>,
}

impl From<ProviderSpec> for Provider {
    fn from(provider: ProviderSpec) -> Self {
        let route = provider.writer.route();
        let name = provider_name(route);
        let quota = ProviderQuota {
            requests_per_minute: provider.requests_per_minute,
            tokens_per_minute: provider.tokens_per_minute,
        };
        Self {
            price: provider.price,
            breaker: Breaker::closed(),
            retries: RetryBudget::new(),
            metrics: ProviderMetrics::default(),
            name,
            outage: FailureLog::default(),
            is_refusal_told: AtomicBool::new(false),
            quota: Mutex::new(quota),
            writer: provider.writer,
        }
    }
}

impl Provider {
    /// Logs when it begins to be left alone, and when it works again.
    pub(super) fn tell(&self, outcome: Outcome, change: Change, failure: Option<&WriteFailure>) {
        let provider = &self.name;
        if outcome == Outcome::Success {
            self.is_refusal_told.store(false, Relaxed);
            if let Some(Failing { failures, lasted }) = self.outage.worked() {
                tracing::info!(provider, failures, ?lasted, "provider works again");
            }
        }
        if change == Change::Nothing {
            return;
        }
        let failing = self.outage.failed();
        let refused = failure.and_then(|failure| Some((failure, Refused::by(failure.kind)?)));
        if let Some((failure, refused)) = refused {
            // What comes of each later order has a line of its own.
            if !self.is_refusal_told.swap(true, Relaxed) {
                tracing::error!(
                    provider,
                    failure = %failure,
                    request_id = failure.attempt_id,
                    asked_again_after = ?refused.pause(),
                    advice = refused.advice(),
                    "a provider takes no orders from us, and is left alone; tips come from elsewhere"
                );
            }
        } else if let Some(Failing { failures, lasted }) = failing {
            tracing::warn!(
                provider,
                failures,
                ?lasted,
                "provider is left alone for a while"
            );
        }
    }

    /// Lets orders go to it again. What those before come to says nothing any more.
    pub(super) fn resume(&self) {
        self.is_refusal_told.store(false, Relaxed);
        self.breaker.close();
    }

    /// Orders go to it with another key from now on.
    pub(super) fn key_renewed(&self) {
        self.is_refusal_told.store(false, Relaxed);
        self.breaker.key_renewed();
    }

    /// Sets how much it may get from now on.
    pub(super) fn set_quota(&self, quota: ProviderQuota) {
        *self.quota.lock().unwrap_or_else(PoisonError::into_inner) = quota;
    }

    /// What one attempt takes from the limits.
    pub(super) fn wants(&self, prompt: &Prompt) -> Vec<Want> {
        let quota = *self.quota.lock().unwrap_or_else(PoisonError::into_inner);
        // Providers count in buckets of a minute or less; sending a whole one at once is a sharp
        // ramp, which some of them refuse, so requests come a tenth at a time.
        let requests = quota.requests_per_minute.map(|per_minute| Quota {
            per_minute,
            burst: (per_minute / 10).max(1),
        });
        let tokens = quota.tokens_per_minute.map(|per_minute| Quota {
            per_minute,
            burst: per_minute,
        });
        let requests = requests.map(|quota| ("requests", quota, 1));
        let most = input_guess(prompt) + self.most_output();
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        let tokens = tokens.map(|quota| ("tokens", quota, most));
        requests.into_iter().chain(tokens).collect()
    }

    /// The most that one attempt may cost, in millionths of a US dollar.
    pub(super) fn most_cost(&self, prompt: &Prompt) -> u64 {
        self.price.of(most_input(prompt), self.most_output())
    }

    fn most_output(&self) -> u64 {
        self.writer.route().max_output_tokens.into()
    }
}

/// The name of a provider among the limits.
pub(super) fn provider_name(route: &Route) -> String {
    format!("provider {} {}", route.provider, route.model)
}

/// A token is about four bytes of English.
const BYTES_A_TOKEN: u64 = 4;
/// What the protocol adds to a prompt.
const ENVELOPE_TOKENS: u64 = 32;

/// About how many tokens a prompt has.
pub(super) fn input_guess(prompt: &Prompt) -> u64 {
    prompt_bytes(prompt) / BYTES_A_TOKEN + ENVELOPE_TOKENS
}

/// About how many tokens a text has.
pub(super) fn output_guess(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(BYTES_A_TOKEN)
}

/// No token is shorter than a byte.
pub(super) fn most_input(prompt: &Prompt) -> u64 {
    prompt_bytes(prompt) + ENVELOPE_TOKENS
}

fn prompt_bytes(prompt: &Prompt) -> u64 {
    (prompt.system.len() + prompt.user.len()) as u64
}
