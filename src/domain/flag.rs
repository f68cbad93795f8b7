//! The feature flags, and for how many callers each is on.
use std::fmt;

use super::{ControlKind, FieldViolation, RuntimeControl, runtime_control::controls};

/// Whom a flag can be switched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RolloutScope {
    /// Everybody or nobody.
    All,
    /// Also some of the callers: a percentage, always the same ones.
    Callers,
}

/// What is fixed of a flag.
#[derive(Clone, Copy, Debug)]
pub struct FlagDefinition {
    /// In the table, in calls and in health, behind `feature/`.
    pub name: &'static str,
    /// The command-line flag without its dashes.
    pub option: &'static str,
    /// The environment variable.
    pub env: &'static str,
    /// What holds when nobody says anything, as one would write it: `true` or `false`.
    pub default: &'static str,
    /// Whom it can be switched for.
    pub rollout_scope: RolloutScope,
    /// One sentence: what it does while it is on, and what is so while it is off.
    pub description: &'static str,
}

// One line is one flag: settings, help texts, README table, RPCs, health names and `verify` follow from it.
controls! {
    /// A switch that operators may set while the service runs.
    Flag: FlagDefinition;
    ChallengesCatalog, "challenges_catalog", "ENABLE_CHALLENGES_CATALOG", { option: "challenges-catalog", default: "true", rollout_scope: RolloutScope::All }, "Answers calls to the catalog; off, each is refused at once";
    AiTips, "ai_tips", "CATALOG_AI_TIPS", { option: "ai-tips", default: "true", rollout_scope: RolloutScope::Callers }, "Lets providers write tips, for all callers or a percentage; the others get tips that are there";
    SharedCache, "shared_cache", "CATALOG_SHARED_CACHE", { option: "shared-cache", default: "true", rollout_scope: RolloutScope::All }, "Uses the cache in Redis; off, each replica caches for itself, and tips are still shared";
    NearCache, "near_cache", "CATALOG_NEAR_CACHE", { option: "near-cache", default: "true", rollout_scope: RolloutScope::All }, "Keeps answers in each replica's memory; off, it is emptied and passed over";
    StaleWhileUnavailable, "stale_while_unavailable", "CATALOG_STALE_WHILE_UNAVAILABLE", { option: "stale-while-unavailable", default: "true", rollout_scope: RolloutScope::All }, "Answers from old copies, marked stale, while the database is gone; off, such calls fail";
}

/// A percentage of callers, 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percentage(u8);

impl Percentage {
    /// Nobody.
    pub const NONE: Self = Self(0);
    /// Everybody.
    pub const FULL: Self = Self(100);

    /// 0 to 100.
    ///
    /// # Errors
    ///
    /// A sentence that says what was expected.
    pub fn parse(number: i64) -> Result<Self, String> {
        match u8::try_from(number) {
            Ok(percentage @ 0..=100) => Ok(Self(percentage)),
            Ok(_) | Err(_) => Err(format!("must be 0 to 100, not {number}")),
        }
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// How a flag stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlagValue {
    /// Whether it is on.
    pub enabled: bool,
    /// For how many of the callers, while it is on; full for a flag that is for all.
    pub rollout: Percentage,
}

impl FlagValue {
    /// On or off for everybody.
    #[must_use]
    pub const fn all(enabled: bool) -> Self {
        Self {
            enabled,
            rollout: Percentage::FULL,
        }
    }

    /// For how many of the callers it is on.
    #[must_use]
    pub const fn percentage(self) -> Percentage {
        if self.enabled {
            self.rollout
        } else {
            Percentage::NONE
        }
    }
}

impl fmt::Display for FlagValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.enabled, self.rollout) {
            (false, _) => f.write_str("off"),
            (true, Percentage::FULL) => f.write_str("on"),
            (true, some) => write!(f, "on for {} %", some.get()),
        }
    }
}

/// What a row says of a flag; nothing where it has no value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawFlag {
    /// Whether it is on.
    pub enabled: Option<bool>,
    /// For how many of the callers, in percent; nothing counts as all.
    pub rollout: Option<i64>,
}

/// What to change of a flag; what is not given stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlagChange {
    /// Whether it is on.
    pub enabled: Option<bool>,
    /// For how many of the callers.
    pub rollout: Option<Percentage>,
}

impl RuntimeControl for Flag {
    type Raw = RawFlag;
    type Value = FlagValue;
    type Change = FlagChange;
    const KIND: ControlKind = ControlKind::Flag;
    const EACH: &'static [Self] = &Self::ALL;

    fn name(self) -> &'static str {
        self.definition().name
    }

    fn read(self, raw: &RawFlag) -> Result<FlagValue, String> {
        let enabled = raw.enabled.ok_or("enabled is null")?;
        let rollout = raw.rollout.map_or(Ok(Percentage::FULL), Percentage::parse);
        let rollout = rollout.map_err(|problem| format!("rollout_percentage {problem}"))?;
        match self.definition().rollout_scope {
            RolloutScope::Callers => Ok(FlagValue { enabled, rollout }),
            RolloutScope::All if rollout == Percentage::FULL => Ok(FlagValue::all(enabled)),
            RolloutScope::All => Err(format!(
                "rollout_percentage must be 100, not {}: the flag is for all callers or none",
                rollout.get()
            )),
        }
    }

    fn changed(self, before: FlagValue, change: &FlagChange) -> Result<FlagValue, FieldViolation> {
        let rollout = change.rollout.unwrap_or(before.rollout);
        match self.definition().rollout_scope {
            RolloutScope::All if rollout != Percentage::FULL => {
                let problem = format!("must be 100 or left out: {self} is for all callers or none");
                Err(FieldViolation::new("rollout_percentage", problem))
            }
            RolloutScope::All | RolloutScope::Callers => Ok(FlagValue {
                enabled: change.enabled.unwrap_or(before.enabled),
                rollout,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_found_by_its_name_and_by_no_other() {
        for flag in Flag::ALL {
            assert_eq!(Flag::named(flag.definition().name), Some(flag));
        }
        for name in ["", "Challenges_Catalog", "challenges_catalog "] {
            assert_eq!(Flag::named(name), None, "{name}");
        }
    }

    #[test]
    fn a_row_that_cannot_be_meant_is_refused_with_the_reason() {
        let read = |flag: Flag, enabled, rollout| flag.read(&RawFlag { enabled, rollout });
        let half = read(Flag::AiTips, Some(true), Some(50)).unwrap();
        assert_eq!(
            (half.to_string().as_str(), half.percentage().get()),
            ("on for 50 %", 50)
        );
        assert_eq!(
            read(Flag::NearCache, Some(true), None),
            Ok(FlagValue::all(true))
        );
        for (flag, enabled, rollout) in [
            (Flag::AiTips, None, Some(100)),
            (Flag::AiTips, Some(true), Some(101)),
            (Flag::AiTips, Some(true), Some(-1)),
            (Flag::NearCache, Some(true), Some(50)),
        ] {
            assert!(
                read(flag, enabled, rollout).is_err(),
                "{flag} {enabled:?} {rollout:?}"
            );
        }
    }
}
