use tonic::async_trait;

use super::{
    Control, ControlKind, ControlRow, Environment, Error, Flag, FlagValue, RawFlag, Stamp, Tunable,
    Version,
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
    Setting(Tunable, u64),
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
    /// not known.
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

/// A control as it stands on this replica.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing<C: Control> {
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
    /// Why that row is not followed; then the last good value stays.
    pub problem: Option<String>,
}

/// The controls of this replica.
#[async_trait]
pub trait ControlBoard: Send + Sync {
    /// Where rows count for this replica, beside those for all environments.
    fn environment(&self) -> Option<&Environment>;

    /// The version of the rows that are followed; `None` before any were read.
    fn version(&self) -> Option<Version>;

    /// How every flag stands, in their order.
    fn flags(&self) -> Vec<Standing<Flag>>;

    /// How every setting stands, in their order.
    fn settings(&self) -> Vec<Standing<Tunable>>;

    /// Reads the rows now, and waits until they are followed, for a second at most.
    async fn refresh(&self);
}

/// Word of commits that may have changed rows.
#[async_trait]
pub trait ControlNews: Send + Sync {
    /// The newest of them that is known here.
    fn newest(&self) -> Version;

    /// Waits until something else than `seen` is the newest.
    async fn other_than(&self, seen: Version);
}
