//! Settings of tips at the start, and limits that can change later.
use std::{sync::Arc, time::Duration};

use crate::domain::{Switches, TipWriter};

/// How tips are made and kept.
#[derive(Clone, Debug)]
pub struct TipSettings {
    /// How long a tip is current.
    pub ttl: Duration,
    /// The longest tip, in bytes.
    pub max_bytes: usize,
    /// How long one generation may take, with all its attempts; at most a minute.
    pub time_limit: Duration,
    /// What becomes of a generation that has no reader any more.
    pub abandoned: Abandoned,
    /// How long it goes on, when it does not go on to its end.
    pub linger: Duration,
    /// The memory for finished tips, in bytes.
    pub memory_bytes: u64,
    /// What one caller may ask for.
    pub caller: CallerLimits,
    /// What may be spent in a day (UTC), in millionths of a US dollar.
    pub daily_budget_micro_usd: Option<u64>,
    /// How many requests to providers may be under way at once, at one replica.
    pub requests_at_once: usize,
    /// How many replicas there are: while Redis is away each takes this part of a limit.
    pub replicas: u32,
    /// For whom operators let tips be written.
    pub switches: Arc<Switches>,
}

/// The limits that may be changed while tips are written.
#[derive(Clone, Debug)]
pub struct TipLimits {
    /// What one caller may ask for.
    pub caller: CallerLimits,
    /// What may be spent in a day (UTC), in millionths of a US dollar.
    pub daily_budget_micro_usd: Option<u64>,
    /// The quota of each provider, in the order of the providers.
    pub providers: Vec<ProviderQuota>,
}

/// How much a provider may get in a minute, from the whole fleet; `None` for any number.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProviderQuota {
    /// Requests.
    pub requests_per_minute: Option<u32>,
    /// Tokens that it reads and writes.
    pub tokens_per_minute: Option<u32>,
}

/// What becomes of a generation that has no reader any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abandoned {
    /// It goes on: most of it is paid for, and the next reader gets it.
    Finish,
    /// It ends after [`TipSettings::linger`].
    Abort,
}

/// The time limit of a query of the store.
pub(super) const STORE_TIMEOUT: Duration = Duration::from_secs(2);

/// What one caller may ask for.
#[derive(Clone, Copy, Debug)]
pub struct CallerLimits {
    /// Streams in a minute, over the whole fleet.
    pub per_minute: u32,
    /// How many of them may come together.
    pub burst: u32,
    /// Streams at once, at one replica.
    pub at_once: usize,
}

/// One provider that writes tips. The first in a list is tried first.
pub struct ProviderSpec {
    /// Writes.
    pub writer: Arc<dyn TipWriter>,
    /// What it takes for that.
    pub price: Price,
    /// How much it may get.
    pub quota: ProviderQuota,
}

/// What a provider takes, in millionths of a US dollar for a million tokens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Price {
    /// For those it reads.
    pub input: u64,
    /// For those it writes.
    pub output: u64,
}

impl Price {
    /// The cost of these tokens, in millionths of a US dollar, rounded up.
    #[must_use]
    pub fn of(self, input_tokens: u64, output_tokens: u64) -> u64 {
        let input = u128::from(self.input) * u128::from(input_tokens);
        let output = u128::from(self.output) * u128::from(output_tokens);
        u64::try_from((input + output).div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

impl Default for TipSettings {
    fn default() -> Self {
        Self {
            ttl: Duration::from_hours(7 * 24),
            max_bytes: 4_096,
            time_limit: Duration::from_mins(1),
            abandoned: Abandoned::Finish,
            linger: Duration::from_secs(2),
            memory_bytes: 8 << 20,
            caller: CallerLimits {
                per_minute: 60,
                burst: 20,
                at_once: 16,
            },
            daily_budget_micro_usd: None,
            requests_at_once: 256,
            replicas: 1,
            switches: Arc::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_rounded_up_and_never_overflows() {
        let price = Price {
            input: 800_000,
            output: 4_000_000,
        };
        assert_eq!(price.of(100, 50), 280);
        assert_eq!(price.of(1, 0), 1);
        assert_eq!(price.of(u64::MAX, u64::MAX), u64::MAX);
    }
}
