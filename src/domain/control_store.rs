//! The port to the rows by which operators change flags and settings.
use async_trait::async_trait;

use super::{
    ControlKind, ControlRow, Environment, Error, Flag, FlagValue, RawFlag, RuntimeControl,
    RuntimeSetting, Stamp, Version,
};

/// All rows of both tables, from one snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlRows {
    /// The last commit that the read saw.
    pub version: Version,
    /// Of feature flags, in any order; other programs may have written them.
    pub flags: Vec<ControlRow<RawFlag>>,
    /// Of settings, in any order.
    pub settings: Vec<ControlRow<i64>>,
}

/// A row that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlDraft {
    /// What it is about.
    pub value: DraftValue,
    /// Where it counts.
    pub environment: Environment,
    /// A remark for people.
    pub description: Option<String>,
}

/// What a row is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DraftValue {
    /// Of a flag.
    Flag(Flag, FlagValue),
    /// Of a setting.
    Setting(RuntimeSetting, u64),
}

impl ControlDraft {
    /// Whether a row says just this, by the word of `editor`.
    #[must_use]
    pub fn matches_row(&self, rows: &ControlRows, editor: Option<&str>) -> bool {
        match self.value {
            DraftValue::Flag(flag, value) => self.is_among(&rows.flags, flag, value, editor),
            DraftValue::Setting(setting, value) => {
                self.is_among(&rows.settings, setting, value, editor)
            }
        }
    }

    fn is_among<C: RuntimeControl>(
        &self,
        rows: &[ControlRow<C::Raw>],
        control: C,
        value: C::Value,
        editor: Option<&str>,
    ) -> bool {
        rows.iter().any(|row| {
            row.name == control.name()
                && row.scope().as_ref() == Ok(&self.environment)
                && control.read(&row.raw) == Ok(value)
                && row.description == self.description
                && row.updated_by.as_deref() == editor
        })
    }
}

impl ControlRows {
    /// Whether the place of a row is empty that was there `before`, with this fingerprint. A flag
    /// has one place, a setting one for each environment.
    #[must_use]
    pub fn is_removed(
        &self,
        before: &Self,
        kind: ControlKind,
        name: &str,
        fingerprint: &str,
    ) -> bool {
        let (then, mut now) = (
            before.places(kind, name),
            self.places(kind, name).into_iter(),
        );
        let place = then.into_iter().find(|(_, print)| *print == fingerprint);
        let place = place.map(|(environment, _)| environment);
        !now.any(|(environment, _)| kind == ControlKind::Flag || place == Some(environment))
    }

    /// Where the rows of a name count, and their fingerprints.
    fn places(&self, kind: ControlKind, name: &str) -> Vec<(Option<&str>, &str)> {
        match kind {
            ControlKind::Flag => places(&self.flags, name),
            ControlKind::Setting => places(&self.settings, name),
        }
    }
}

fn places<'a, R>(rows: &'a [ControlRow<R>], name: &str) -> Vec<(Option<&'a str>, &'a str)> {
    let named = rows.iter().filter(|row| row.name == name);
    named
        .map(|row| (row.environment.as_deref(), row.fingerprint.as_str()))
        .collect()
}

/// The rows that operators decide by.
#[async_trait]
pub trait ControlStore: Send + Sync {
    /// All of them.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer.
    async fn controls(&self) -> Result<ControlRows, Error>;

    /// Writes a row in place of the one whose fingerprint is `seen`, or a new one where none was
    /// seen, and tells the commit; `None` when somebody else wrote in between. `editor` is who asks.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer; whether it was written is then
    /// not known. [`super::Unavailability::OutcomeUnknown`] when an answer was lost and the
    /// database is there again: who reads the rows may see what became of it.
    async fn put(
        &self,
        seen: Option<&str>,
        draft: &ControlDraft,
        editor: Option<&str>,
    ) -> Result<Option<Stamp>, Error>;

    /// Takes out the row whose fingerprint is `seen`, as [`Self::put`] writes one.
    ///
    /// # Errors
    ///
    /// As [`Self::put`].
    async fn remove(
        &self,
        kind: ControlKind,
        name: &'static str,
        seen: &str,
    ) -> Result<Option<Stamp>, Error>;
}

/// Who decided a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueSource {
    /// A row for the environment of this replica.
    EnvironmentRow,
    /// A row for all environments.
    AllRow,
    /// What the replica was started with: an environment variable, a command-line flag or a file.
    Settings,
    /// Nobody.
    Default,
}

impl ValueSource {
    /// In words, for the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EnvironmentRow => "the row for this environment",
            Self::AllRow => "the row for all environments",
            Self::Settings => "what the process was started with: no row counts here",
            Self::Default => "the default: no row counts here",
        }
    }
}

/// A control as it stands on this replica.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation<C: RuntimeControl> {
    /// Which one.
    pub control: C,
    /// The value in force.
    pub value: C::Value,
    /// Who decided it.
    pub source: ValueSource,
    /// What would hold without any row.
    pub configured: C::Value,
    /// The row that counts here, be it broken or not.
    pub row: Option<ControlRow<C::Raw>>,
    /// Where no row counts here, the one that does elsewhere and is in the way of another: of a
    /// flag, because its name has one row as a rule.
    pub elsewhere: Option<ControlRow<C::Raw>>,
    /// Why that row is not followed; then the last good value stays.
    pub problem: Option<String>,
}

/// The controls of this replica.
#[async_trait]
pub trait ActiveControls: Send + Sync {
    /// Where rows count for this replica, beside those for all environments.
    fn environment(&self) -> Option<&Environment>;

    /// The version of the rows that are followed; `None` before any were read.
    fn version(&self) -> Option<Version>;

    /// How every flag stands, in their order.
    fn flags(&self) -> Vec<Evaluation<Flag>>;

    /// How every setting stands, in their order.
    fn settings(&self) -> Vec<Evaluation<RuntimeSetting>>;

    /// Reads the rows now, and waits until they are followed, for a second at most; tells whether they are.
    async fn refresh(&self) -> bool;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::DatabaseId;

    const NAME: &str = "cache_ttl_ms";

    fn rows(settings: &[(&str, i64)]) -> ControlRows {
        let row = |(environment, value): &(&str, i64)| ControlRow {
            name: NAME.to_owned(),
            environment: Some((*environment).to_owned()),
            raw: *value,
            description: None,
            created_at: None,
            updated_at: None,
            created_by: None,
            updated_by: Some("ann".to_owned()),
            fingerprint: format!("{environment} {value}"),
        };
        ControlRows {
            version: Version {
                database: DatabaseId(1),
                stamp: Stamp::default(),
            },
            flags: Vec::new(),
            settings: settings.iter().map(row).collect(),
        }
    }

    #[test]
    fn a_draft_stands_in_a_row_that_says_the_same_by_the_same_editor() {
        let draft = ControlDraft {
            value: DraftValue::Setting(RuntimeSetting::CacheTtlMs, 5_000),
            environment: Environment::all(),
            description: None,
        };
        assert!(draft.matches_row(&rows(&[("all", 5_000)]), Some("ann")));
        assert!(!draft.matches_row(&rows(&[("all", 5_000)]), Some("ben")));
        assert!(!draft.matches_row(&rows(&[("all", 6_000)]), Some("ann")));
        assert!(!draft.matches_row(&rows(&[("staging", 5_000)]), Some("ann")));
    }

    #[test]
    fn a_row_is_lacked_when_its_environment_has_none() {
        let before = rows(&[("all", 5_000), ("staging", 7_000)]);
        let lacked = |now: &[(&str, i64)]| {
            rows(now).is_removed(&before, ControlKind::Setting, NAME, "staging 7000")
        };
        assert!(lacked(&[("all", 5_000)]));
        assert!(!lacked(&[("all", 5_000), ("staging", 8_000)]));
    }
}
