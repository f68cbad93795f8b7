//! The port to the rows by which operators change flags and settings.
use async_trait::async_trait;

use super::{
    Configured, ControlKind, ControlRow, Environment, Error, Flag, FlagValue, RawFlag,
    RuntimeControl, RuntimeSetting, Stamp, Version, words::words,
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

/// How each kind of controls is found where both kinds are.
pub trait StoredControl: RuntimeControl {
    /// Whether a name has one row as a rule, which a change moves from environment to environment;
    /// else it has one for each environment.
    const HAS_ONE_ROW: bool;

    /// The rows of this kind.
    fn rows(rows: &ControlRows) -> &[ControlRow<Self::Raw>];

    /// How all of this kind stand.
    fn active(controls: &dyn ActiveControls) -> Vec<Evaluation<Self>>;

    /// What a row is to say.
    fn draft(self, value: Self::Value) -> DraftValue;
}

impl StoredControl for Flag {
    const HAS_ONE_ROW: bool = true;

    fn rows(rows: &ControlRows) -> &[ControlRow<RawFlag>] {
        &rows.flags
    }

    fn active(controls: &dyn ActiveControls) -> Vec<Evaluation<Self>> {
        controls.flags()
    }

    fn draft(self, value: FlagValue) -> DraftValue {
        DraftValue::Flag(self, value)
    }
}

impl StoredControl for RuntimeSetting {
    const HAS_ONE_ROW: bool = false;

    fn rows(rows: &ControlRows) -> &[ControlRow<i64>] {
        &rows.settings
    }

    fn active(controls: &dyn ActiveControls) -> Vec<Evaluation<Self>> {
        controls.settings()
    }

    fn draft(self, value: u64) -> DraftValue {
        DraftValue::Setting(self, value)
    }
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

words! {
    /// Who decided a value.
    pub enum ValueSource {
        /// A row for the environment of this replica.
        EnvironmentRow = "the row for this environment",
        /// A row for all environments.
        AllRow = "the row for all environments",
        /// What the replica was started with: an environment variable, a command-line flag or a file.
        Settings = "what the process was started with: no row counts here",
        /// Nobody.
        Default = "the default: no row counts here",
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
    pub configured: Configured<C>,
    /// The row that counts here, be it broken or not.
    pub row: Option<ControlRow<C::Raw>>,
    /// Where no row counts here, the one that does elsewhere and is in the way of another: of a
    /// flag, because its name has one row as a rule.
    pub elsewhere: Option<ControlRow<C::Raw>>,
    /// Why that row is not followed; then the last good value stays.
    pub problem: Option<String>,
}

impl<C: RuntimeControl> Evaluation<C> {
    /// The evaluation of a control that no row is about.
    #[must_use]
    pub fn without_row(configured: Configured<C>) -> Self {
        Self {
            control: configured.control,
            value: configured.value,
            source: if configured.is_given {
                ValueSource::Settings
            } else {
                ValueSource::Default
            },
            configured,
            row: None,
            elsewhere: None,
            problem: None,
        }
    }
}

/// What holds on this replica where no row decides.
#[derive(Clone, Debug)]
pub struct ConfiguredControls {
    /// Whose rows count here, beside those for all environments.
    pub environment: Option<Environment>,
    /// Every flag.
    pub flags: Vec<Configured<Flag>>,
    /// Every setting that may be changed.
    pub settings: Vec<Configured<RuntimeSetting>>,
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
