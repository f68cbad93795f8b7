use std::{path::PathBuf, time::Duration};

use super::{
    entry::{Entry, Origin},
    given::{Given, Sources, open_to_others},
    problem::Problem,
    setting::{Form, Setting},
    unit,
};

/// Reads settings one by one, and notes what is wrong instead of stopping at it.
pub(super) struct Reader<'a> {
    sources: &'a Sources<'a>,
    pub(super) entries: Vec<Entry>,
    pub(super) problems: Vec<Problem>,
    /// What is allowed but probably not meant.
    pub(super) warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(sources: &'a Sources<'a>) -> Self {
        Self {
            sources,
            entries: Vec::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The value of `setting`, or `default` where nobody gave one. None: a problem was noted.
    pub(super) fn read<T>(
        &mut self,
        setting: &'static Setting,
        default: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
        show: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        let given = match self.sources.given(setting) {
            Ok(given) => given,
            Err(problem) => {
                self.problems.push(problem);
                return None;
            }
        };
        let fallback = || Given {
            text: default.to_owned(),
            origin: Origin::Default,
            file: None,
        };
        let Given { text, origin, file } = given.unwrap_or_else(fallback);
        match parse(&text) {
            Ok(value) => {
                self.warnings
                    .extend(file.as_deref().and_then(open_to_others));
                if matches!(setting.form, Form::Money { .. }) && origin != Origin::Default {
                    self.warnings
                        .extend(bare_amount(&origin.name_of(setting), &text));
                }
                self.entries.push(Entry {
                    setting,
                    shown: show(&value),
                    origin,
                });
                Some(value)
            }
            Err(text) => {
                self.problems.push(Problem {
                    name: origin.name_of(setting),
                    text,
                });
                None
            }
        }
    }

    pub(super) fn duration(&mut self, setting: &'static Setting) -> Option<Duration> {
        self.duration_or(setting, setting.default)
    }

    pub(super) fn duration_or(
        &mut self,
        setting: &'static Setting,
        default: &str,
    ) -> Option<Duration> {
        let parse = |text: &str| unit::number(setting.form, text).map(Duration::from_millis);
        self.read(setting, default, parse, |value| unit::show_duration(*value))
    }

    /// A length of time that need not be given.
    #[expect(
        clippy::option_option,
        reason = "outer: could it be read; inner: was it given"
    )]
    pub(super) fn optional_duration(
        &mut self,
        setting: &'static Setting,
    ) -> Option<Option<Duration>> {
        let parse = |text: &str| unit::number(setting.form, text).map(Duration::from_millis);
        self.read(setting, "", optional(parse), |value| {
            value.map(unit::show_duration).unwrap_or_default()
        })
    }

    /// A count or a size.
    pub(super) fn number<T: TryFrom<u64>>(&mut self, setting: &'static Setting) -> Option<T> {
        let parse = |text: &str| {
            let number = unit::number(setting.form, text)?;
            let value = T::try_from(number).map_err(|_| format!("{number} is too large here"))?;
            Ok((value, number))
        };
        let show = |(_, number): &(T, u64)| setting.form.show(*number);
        self.read(setting, setting.default, parse, show)
            .map(|(value, _)| value)
    }

    /// A count of which 0 says that there is no limit.
    #[expect(
        clippy::option_option,
        reason = "outer: could it be read; inner: is there a limit"
    )]
    pub(super) fn unless_zero<T: TryFrom<u64> + Default + PartialEq>(
        &mut self,
        setting: &'static Setting,
    ) -> Option<Option<T>> {
        let count: T = self.number(setting)?;
        Some((count != T::default()).then_some(count))
    }

    /// On or off; `always` on where a switch has no say.
    pub(super) fn switch(&mut self, setting: &'static Setting, always: bool) -> Option<bool> {
        let parse = |text: &str| unit::switch(text).map(|on| on || always);
        self.read(setting, setting.default, parse, ToString::to_string)
    }

    /// Notes that the value of `setting` does not go with the others.
    pub(super) fn refuse(&mut self, setting: &Setting, text: String) {
        let origin = self.origin(setting);
        self.problems.push(Problem {
            name: origin.name_of(setting),
            text,
        });
    }

    /// The file that holds the value of a secret, when it was given as one.
    pub(super) fn secret_file(&self, setting: &Setting) -> Option<PathBuf> {
        let origin = self.origin(setting);
        let mut files = setting.variables().into_iter();
        let (name, _) = files
            .find(|(name, is_file)| *is_file && origin == Origin::Environment(name.clone()))?;
        self.sources.environment.get(&name).map(PathBuf::from)
    }

    /// Who decided the value of `setting`.
    pub(super) fn origin(&self, setting: &Setting) -> Origin {
        let entry = self
            .entries
            .iter()
            .find(|entry| entry.setting.flag == setting.flag);
        entry.map_or(Origin::Default, |entry| entry.origin.clone())
    }
}

/// What to say of an amount without a unit, which is rarely meant.
fn bare_amount(name: &str, text: &str) -> Option<String> {
    let micro_usd = text.parse().ok().filter(|micro_usd| *micro_usd > 0)?;
    let dollars = unit::show_money(micro_usd);
    Some(format!(
        "{name} is {text} without a unit, which is {dollars}; {text}usd would be {text} dollars"
    ))
}

/// Reads empty text as an absent value.
pub(super) fn optional<T>(
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> impl FnOnce(&str) -> Result<Option<T>, String> {
    |text| {
        if text.is_empty() {
            Ok(None)
        } else {
            parse(text).map(Some)
        }
    }
}
