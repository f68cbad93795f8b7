//! What holds where operators decided nothing by a row.
use super::{
    SETTINGS,
    reader::{Origin, Reader},
    setting::Setting,
};
use crate::domain::{Configured, Flag, FlagValue, RuntimeSetting};

/// Every flag.
pub(super) fn flags(reader: &mut Reader<'_>) -> Option<Vec<Configured<Flag>>> {
    // All are read before any is missed, so that all problems are told.
    let read: Vec<_> = Flag::ALL
        .into_iter()
        .map(|flag| {
            let setting = setting_of(flag.definition().env)?;
            let enabled = reader.read(setting)?;
            Some(Configured {
                control: flag,
                value: FlagValue::all(enabled),
                is_given: reader.origin(setting) != Origin::Default,
            })
        })
        .collect();
    read.into_iter().collect()
}

/// Every setting that may be changed; their values were read with the others. A provider's are there without it, too.
pub(super) fn settings(reader: &Reader<'_>) -> Vec<Configured<RuntimeSetting>> {
    let settings = RuntimeSetting::ALL.into_iter().filter_map(|control| {
        let setting = setting_of(control.definition().env)?;
        Some(Configured {
            control,
            // The unit of its kind is that of the contract.
            value: reader.number(setting),
            is_given: reader.origin(setting) != Origin::Default,
        })
    });
    settings.collect()
}

fn setting_of(env: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.env == env)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{EnvVars, Flags, ValueKind, load};

    #[test]
    fn a_setting_that_may_be_changed_has_the_same_range_everywhere() {
        for control in RuntimeSetting::ALL {
            let definition = control.definition();
            let setting = setting_of(definition.env).unwrap();
            let range = match setting.kind {
                ValueKind::Count(min, max)
                | ValueKind::Money(min, max)
                | ValueKind::Duration(min, max) => (min, max),
                ValueKind::Text { .. } | ValueKind::Switch | ValueKind::Bytes(..) => {
                    panic!("{setting:?}")
                }
            };
            assert_eq!(range, (definition.min, definition.max), "{control}");
        }
    }

    #[test]
    fn a_flag_is_read_in_any_spelling_of_yes_and_says_whether_it_was_given() {
        for (text, enabled) in [("yes", true), ("TRUE", true), ("1", true), ("No", false)] {
            let variables: EnvVars = [("ENABLE_CHALLENGES_CATALOG", text)].into_iter().collect();
            let flags = load(&Flags::new(), &variables)
                .unwrap()
                .config
                .controls
                .flags;
            assert_eq!(flags[0].control, Flag::ChallengesCatalog);
            assert_eq!(
                (flags[0].value.enabled, flags[0].is_given),
                (enabled, true),
                "{text}"
            );
            assert!(
                flags[1..]
                    .iter()
                    .all(|flag| flag.value.enabled && !flag.is_given)
            );
        }
    }

    #[test]
    fn limits_of_providers_that_are_not_set_are_those_that_they_would_get() {
        let controls =
            |variables: EnvVars| load(&Flags::new(), &variables).unwrap().config.controls;
        let limits = |variables| {
            let settings = controls(variables).settings.into_iter();
            let limits = settings.filter(|it| {
                matches!(
                    it.control,
                    RuntimeSetting::AnthropicRequestsPerMinute
                        | RuntimeSetting::OpenaiRequestsPerMinute
                )
            });
            limits.map(|it| it.value).collect::<Vec<_>>()
        };
        assert_eq!(limits(EnvVars::default()), [600, 600]);
        let given = [("CATALOG_OPENAI_REQUESTS_PER_MINUTE", "7")];
        assert_eq!(limits(given.into_iter().collect()), [600, 7]);
    }

    #[test]
    fn what_is_no_switch_and_no_environment_is_refused_together() {
        let variables: EnvVars = [
            ("ENABLE_CHALLENGES_CATALOG", "enabled"),
            ("CATALOG_NEAR_CACHE", "2"),
            ("CATALOG_ENVIRONMENT", "Production"),
        ]
        .into_iter()
        .collect();
        let problems = load(&Flags::new(), &variables).unwrap_err();
        assert_eq!(problems.0.len(), 3, "{problems}");
        let all: EnvVars = [("CATALOG_ENVIRONMENT", "all")].into_iter().collect();
        assert!(load(&Flags::new(), &all).is_err());
    }
}
