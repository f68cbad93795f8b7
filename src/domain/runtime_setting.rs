//! The settings that operators can change while the service runs.
use super::{ControlKind, FieldViolation, RuntimeControl, runtime_control::controls};

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

const WEEK_MS: u64 = 7 * 86_400_000;

controls! {
    /// A setting that operators may change while the service runs: a whole number.
    RuntimeSetting: RuntimeSettingDefinition;
    CacheTtlMs, "cache_ttl_ms", "CHALLENGES_CACHE_TTL", { min: 1_000, max: WEEK_MS }, "How long an unchanged answer stays cached, in milliseconds; for answers that are loaded from now on";
    TipDailyBudgetMicroUsd, "tip_daily_budget_micro_usd", "CATALOG_TIP_DAILY_BUDGET", { min: 0, max: 1_000_000_000_000 }, "What all replicas may spend on tips in a day (UTC), in millionths of a US dollar; 0 for any amount";
    TipStreamsPerMinute, "tip_streams_per_minute", "CATALOG_TIP_STREAMS_PER_MINUTE", { min: 1, max: 1_000_000 }, "How many tips one caller may ask for in a minute, of all replicas; half of them may come together";
    TipStreamsAtOnce, "tip_streams_at_once", "CATALOG_TIP_STREAMS_AT_ONCE", { min: 1, max: 100_000 }, "How many tips one caller may have streamed at once, by one replica";
    AnthropicRequestsPerMinute, "anthropic_requests_per_minute", "CATALOG_ANTHROPIC_REQUESTS_PER_MINUTE", { min: 0, max: 1_000_000_000 }, "How many requests Anthropic may get in a minute; 0 for any number";
    AnthropicTokensPerMinute, "anthropic_tokens_per_minute", "CATALOG_ANTHROPIC_TOKENS_PER_MINUTE", { min: 0, max: 1_000_000_000 }, "How many tokens Anthropic may read and write in a minute; 0 for any number";
    OpenaiRequestsPerMinute, "openai_requests_per_minute", "CATALOG_OPENAI_REQUESTS_PER_MINUTE", { min: 0, max: 1_000_000_000 }, "How many requests the other provider may get in a minute; 0 for any number";
    OpenaiTokensPerMinute, "openai_tokens_per_minute", "CATALOG_OPENAI_TOKENS_PER_MINUTE", { min: 0, max: 1_000_000_000 }, "How many tokens the other provider may read and write in a minute; 0 for any number";
}

impl RuntimeSetting {
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

impl RuntimeControl for RuntimeSetting {
    /// The number as it stands in the row.
    type Raw = i64;
    type Value = u64;
    /// The number to set.
    type Change = i64;
    const KIND: ControlKind = ControlKind::Setting;
    const EACH: &'static [Self] = &Self::ALL;

    fn name(self) -> &'static str {
        self.definition().name
    }

    fn read(self, raw: &i64) -> Result<u64, String> {
        self.parse(*raw)
            .map_err(|problem| format!("value {problem}"))
    }

    fn changed(self, _: u64, number: &i64) -> Result<u64, FieldViolation> {
        self.parse(*number)
            .map_err(|problem| FieldViolation::new("value", problem))
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
