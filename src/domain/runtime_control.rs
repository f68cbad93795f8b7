//! What flags and runtime settings have in common, and the rows that decide them.
use std::{collections::HashSet, fmt, hash::Hash};

use super::{FieldViolation, UnixMicros, words::words};

/// Declares a kind of controls: the enum, with its list, its names and what is fixed of each.
macro_rules! controls {
    (
        $(#[$doc:meta])* $control:ident: $definition:ident;
        $($variant:ident, $name:literal, $env:literal, { $($field:ident: $value:expr),+ }, $description:literal;)+
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $control {
            $(#[doc = $description] $variant,)+
        }

        impl $control {
            /// All of them, in the order in which they are shown.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// What is fixed of it.
            #[must_use]
            pub const fn definition(self) -> $definition {
                match self {
                    $(Self::$variant => $definition {
                        name: $name,
                        env: $env,
                        description: $description,
                        $($field: $value,)+
                    },)+
                }
            }

            /// The one of this name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|it| it.definition().name == name)
            }
        }

        impl std::fmt::Display for $control {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.definition().name)
            }
        }
    };
}
pub(super) use controls;

/// Something that operators decide by a row of a table while the service runs: a flag or a setting.
pub trait RuntimeControl:
    Copy + Eq + Hash + fmt::Debug + fmt::Display + Send + Sync + 'static
{
    /// What a row says.
    type Raw: Clone + fmt::Debug + PartialEq + Send + Sync;
    /// What that means.
    type Value: Copy + PartialEq + fmt::Debug + fmt::Display + Send + Sync;
    /// What a caller asks to be changed of a value.
    type Change: Clone + fmt::Debug + Send + Sync;
    /// Which table.
    const KIND: ControlKind;
    /// All of them, in the order in which they are shown.
    const EACH: &'static [Self];

    /// In the table.
    fn name(self) -> &'static str;

    /// What the row means.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words that name the column.
    fn read(self, raw: &Self::Raw) -> Result<Self::Value, String>;

    /// `before` with the change made.
    ///
    /// # Errors
    ///
    /// What is wrong with the change, whatever was before.
    fn changed(
        self,
        before: Self::Value,
        change: &Self::Change,
    ) -> Result<Self::Value, FieldViolation>;
}

words! {
    /// Which table a row is of.
    pub enum ControlKind {
        /// Feature flags.
        Flag = "feature flag",
        /// Settings.
        Setting = "runtime setting",
    }
}

/// Where a row counts: in the environment of this name, or, called `all`, in each that has no row of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Environment(String);

impl Environment {
    /// The word for all environments.
    pub const ALL: &str = "all";
    const MAX_BYTES: usize = 20;

    /// All environments.
    #[must_use]
    pub fn all() -> Self {
        Self(Self::ALL.to_owned())
    }

    /// 1 to 20 of `a` to `z`, `0` to `9`, `-` and `_`: other spellings of a name would count nowhere, unnoticed.
    ///
    /// # Errors
    ///
    /// A sentence that says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let ordinary =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if (1..=Self::MAX_BYTES).contains(&text.len()) && text.bytes().all(ordinary) {
            return Ok(Self(text.to_owned()));
        }
        let shown: String = text.chars().take(100).collect();
        Err(format!(
            "must be 1 to {} of a-z, 0-9, - and _, not {shown:?}",
            Self::MAX_BYTES
        ))
    }

    /// The name itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What holds of a control without any row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Configured<C: RuntimeControl> {
    /// Which one.
    pub control: C,
    /// The value.
    pub value: C::Value,
    /// Whether somebody gave it; else it is the default.
    pub is_given: bool,
}

/// A row as it was read: anybody may have written it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlRow<R> {
    /// What it is about, if there is such a thing.
    pub name: String,
    /// Where it counts; nothing stands for all environments.
    pub environment: Option<String>,
    /// What it says.
    pub raw: R,
    /// A remark of whoever wrote it.
    pub description: Option<String>,
    /// When it was made, if that is known.
    pub created_at: Option<UnixMicros>,
    /// When it was changed last, if that is known.
    pub updated_at: Option<UnixMicros>,
    /// Who made it, if that is known.
    pub created_by: Option<String>,
    /// Who changed it last, if that is known.
    pub updated_by: Option<String>,
    /// The whole row as text: equal only while nothing in it changed.
    pub fingerprint: String,
}

impl<R> ControlRow<R> {
    /// Where the row counts.
    ///
    /// # Errors
    ///
    /// What is wrong with the column.
    pub fn scope(&self) -> Result<Environment, String> {
        let text = self.environment.as_deref().unwrap_or(Environment::ALL);
        Environment::parse(text).map_err(|problem| format!("environment {problem}"))
    }
}

/// A row that does not do what its writer may think.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ControlProblem {
    /// The name in the row.
    pub name: String,
    /// What is wrong.
    pub text: String,
    /// False for a name that nobody knows: the row does nothing, and harms nothing.
    pub is_broken: bool,
}

/// All that is wrong with `rows`, whatever environment they are for.
#[must_use]
pub fn problems_of<C: RuntimeControl>(rows: &[ControlRow<C::Raw>]) -> Vec<ControlProblem> {
    let mut seen = HashSet::new();
    let mut problems = Vec::new();
    for row in rows {
        let mut note = |text: String, is_broken| {
            problems.push(ControlProblem {
                name: row.name.clone(),
                text,
                is_broken,
            });
        };
        let Some(control) = C::EACH.iter().find(|control| control.name() == row.name) else {
            note(format!("is no {}", C::KIND.as_str()), false);
            continue;
        };
        if let Err(text) = control.read(&row.raw) {
            note(text, true);
        }
        match row.scope() {
            Err(text) => note(text, true),
            Ok(scope) if !seen.insert((*control, scope.clone())) => {
                note(
                    format!("has more than one row for environment {scope}"),
                    true,
                );
            }
            Ok(_) => {}
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Flag, RawFlag, RuntimeSetting};

    fn row<R>(name: &str, environment: Option<&str>, raw: R) -> ControlRow<R> {
        ControlRow {
            name: name.to_owned(),
            environment: environment.map(str::to_owned),
            raw,
            description: None,
            created_at: None,
            updated_at: None,
            created_by: None,
            updated_by: None,
            fingerprint: String::new(),
        }
    }

    #[test]
    fn every_row_that_is_wrong_is_named_with_the_reason() {
        let on = |rollout| RawFlag {
            enabled: Some(true),
            rollout,
        };
        let rows = [
            row("ai_tips", None, on(Some(30))),
            row("ai_tips", Some("all"), on(None)),
            row("near_cache", Some("Production"), on(None)),
            row("shared_cache", Some("staging"), on(Some(101))),
            row("of_the_app", Some("all"), on(None)),
        ];
        let told: Vec<_> = problems_of::<Flag>(&rows)
            .into_iter()
            .map(|problem| {
                (
                    problem.is_broken,
                    format!("{} {}", problem.name, problem.text),
                )
            })
            .collect();
        let expected = [
            (true, "ai_tips has more than one row for environment all"),
            (
                true,
                "near_cache environment must be 1 to 20 of a-z, 0-9, - and _, not \"Production\"",
            ),
            (
                true,
                "shared_cache rollout_percentage must be 0 to 100, not 101",
            ),
            (false, "of_the_app is no feature flag"),
        ];
        assert_eq!(
            told,
            expected.map(|(broken, text)| (broken, text.to_owned()))
        );
        let rows = [row("cache_ttl_ms", Some("all"), 5)];
        let told = problems_of::<RuntimeSetting>(&rows);
        assert!(
            told[0].is_broken && told[0].text.starts_with("value must be 1000 to"),
            "{told:?}"
        );
    }
}
