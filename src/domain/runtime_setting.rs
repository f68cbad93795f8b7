//! The settings that operators can change while the service runs.
use std::{fmt, ops::RangeInclusive};

use super::{ControlKind, RuntimeControl};

/// What is fixed of a setting that may be changed.
#[derive(Clone, Copy, Debug)]
pub struct RuntimeSettingDefinition {
    /// In the table and in calls; it ends in the unit, or says what is counted.
    pub name: &'static str,
    /// The environment variable, which the table is stronger than.
    pub env: &'static str,
    /// The least value.
    pub min: u64,
    /// The largest value.
    pub max: u64,
    /// One sentence.
    pub description: &'static str,
}

macro_rules! runtime_settings {
    ($($variant:ident, $name:literal, $env:literal, $range:expr, $description:literal;)+) => {
        /// A setting that operators may change while the service runs: a whole number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum RuntimeSetting {
            $(#[doc = $description] $variant,)+
        }

        impl RuntimeSetting {
            /// All of them, in the order in which they are shown.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// What is fixed of it.
            #[must_use]
            pub const fn definition(self) -> RuntimeSettingDefinition {
                match self {
                    $(Self::$variant => {
                        let range: RangeInclusive<u64> = $range;
                        RuntimeSettingDefinition {
                            name: $name,
                            env: $env,
                            min: *range.start(),
                            max: *range.end(),
                            description: $description,
                        }
                    })+
                }
            }
        }
    };
}

const WEEK_MS: u64 = 7 * 86_400_000;

runtime_settings! {
    CacheTtlMs, "cache_ttl_ms", "CHALLENGES_CACHE_TTL", 1_000..=WEEK_MS, "How long an unchanged answer stays cached, in milliseconds; for answers that are loaded from now on";
    TipDailyBudgetMicroUsd, "tip_daily_budget_micro_usd", "CATALOG_TIP_DAILY_BUDGET", 0..=1_000_000_000_000, "What all replicas may spend on tips in a day (UTC), in millionths of a US dollar; 0 for any amount";
    TipStreamsPerMinute, "tip_streams_per_minute", "CATALOG_TIP_STREAMS_PER_MINUTE", 1..=1_000_000, "How many tips one caller may ask for in a minute, of all replicas; half of them may come together";
    TipStreamsAtOnce, "tip_streams_at_once", "CATALOG_TIP_STREAMS_AT_ONCE", 1..=100_000, "How many tips one caller may have streamed at once, by one replica";
    AnthropicRequestsPerMinute, "anthropic_requests_per_minute", "CATALOG_ANTHROPIC_REQUESTS_PER_MINUTE", 0..=1_000_000_000, "How many orders Anthropic may get in a minute; 0 for any number";
    AnthropicTokensPerMinute, "anthropic_tokens_per_minute", "CATALOG_ANTHROPIC_TOKENS_PER_MINUTE", 0..=1_000_000_000, "How many tokens Anthropic may read and write in a minute; 0 for any number";
    OpenaiRequestsPerMinute, "openai_requests_per_minute", "CATALOG_OPENAI_REQUESTS_PER_MINUTE", 0..=1_000_000_000, "How many orders the other provider may get in a minute; 0 for any number";
    OpenaiTokensPerMinute, "openai_tokens_per_minute", "CATALOG_OPENAI_TOKENS_PER_MINUTE", 0..=1_000_000_000, "How many tokens the other provider may read and write in a minute; 0 for any number";
}

impl RuntimeSetting {
    /// The setting of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|setting| setting.definition().name == name)
    }

    /// The value, if it is in the range.
    ///
    /// # Errors
    ///
    /// A sentence that says what was expected.
    pub fn parse(self, number: i64) -> Result<u64, String> {
        let definition = self.definition();
        u64::try_from(number)
            .ok()
            .filter(|value| (definition.min..=definition.max).contains(value))
            .ok_or_else(|| {
                format!(
                    "must be {} to {}, not {number}",
                    definition.min, definition.max
                )
            })
    }
}

impl fmt::Display for RuntimeSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.definition().name)
    }
}

impl RuntimeControl for RuntimeSetting {
    /// The number as it stands in the row.
    type Raw = i64;
    type Value = u64;
    const KIND: ControlKind = ControlKind::Setting;
    const EACH: &'static [Self] = &Self::ALL;

    fn name(self) -> &'static str {
        self.definition().name
    }

    fn read(self, raw: &i64) -> Result<u64, String> {
        self.parse(*raw)
            .map_err(|problem| format!("value {problem}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_outside_of_its_range_is_refused() {
        assert_eq!(RuntimeSetting::CacheTtlMs.parse(1_000), Ok(1_000));
        assert_eq!(RuntimeSetting::TipDailyBudgetMicroUsd.parse(0), Ok(0));
        for (setting, number) in [
            (RuntimeSetting::CacheTtlMs, 999),
            (RuntimeSetting::TipStreamsAtOnce, 0),
            (RuntimeSetting::TipDailyBudgetMicroUsd, -1),
            (RuntimeSetting::TipDailyBudgetMicroUsd, i64::MAX),
        ] {
            assert!(setting.parse(number).is_err(), "{setting} {number}");
        }
    }
}
