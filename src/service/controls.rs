//! Changes of flags and runtime settings by their rows.
use std::sync::Arc;

use ring::digest::{SHA256, digest};

use crate::domain::{
    ActiveControls, ControlDraft, ControlKind, ControlRow, ControlRows, ControlStore, DraftValue,
    Environment, Error, Etag, Evaluation, FieldViolation, Flag, FlagValue, Percentage, RawFlag,
    RolloutScope, RuntimeControl, RuntimeSetting, Stamp, Version,
};

/// What to change of a flag; what is not given stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlagChange {
    /// Whether it is on.
    pub enabled: Option<bool>,
    /// For how many of the callers.
    pub rollout: Option<Percentage>,
    /// A remark for people; empty for none.
    pub comment: Option<String>,
    /// Where the row is to count.
    pub environment: Option<Environment>,
}

/// What to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingChange {
    /// The value, which is looked at before it is set.
    pub value: i64,
    /// A remark for people; empty for none.
    pub comment: Option<String>,
    /// Which row to write.
    pub environment: Option<Environment>,
}

/// What operators decide while the service runs.
#[derive(Clone)]
pub struct ControlsService {
    active: Arc<dyn ActiveControls>,
    store: Arc<dyn ControlStore>,
}

/// So often somebody else may write in between.
const ATTEMPTS: u32 = 5;

/// A row that is to be written in place of another, or of none.
struct Rewrite {
    seen: Option<String>,
    draft: ControlDraft,
}

impl ControlsService {
    /// Writes to `store`, and shows what `active` follows of it.
    #[must_use]
    pub fn new(active: Arc<dyn ActiveControls>, store: Arc<dyn ControlStore>) -> Self {
        Self { active, store }
    }

    /// The environment of this replica, and the version of the rows that it follows.
    #[must_use]
    pub fn place(&self) -> (Option<Environment>, Option<Version>) {
        (self.active.environment().cloned(), self.active.version())
    }

    /// Every flag, as it stands here, and whether that is so now: when the database does not answer, it is as it stood.
    pub async fn flags(&self) -> (Vec<Evaluation<Flag>>, bool) {
        let is_current = self.active.refresh().await;
        (self.active.flags(), is_current)
    }

    /// Every setting, likewise.
    pub async fn settings(&self) -> (Vec<Evaluation<RuntimeSetting>>, bool) {
        let is_current = self.active.refresh().await;
        (self.active.settings(), is_current)
    }

    /// One flag, likewise.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownControl`], [`Error::Invalid`] without a name.
    pub async fn flag(&self, name: &str) -> Result<(Evaluation<Flag>, bool), Error> {
        let flag = known::<Flag>(name)?;
        let (flags, is_current) = self.flags().await;
        Ok((find(flags, flag)?, is_current))
    }

    /// Changes a flag's row, or makes one, only while `etag` names it, if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownControl`], [`Error::Invalid`] for a rollout of a flag that has none,
    /// [`Error::EtagMismatch`], [`Error::OtherEnvironment`], [`Error::Unavailable`].
    pub async fn update_flag(
        &self,
        name: &str,
        change: &FlagChange,
        etag: Option<Etag>,
        editor: Option<&str>,
    ) -> Result<(Evaluation<Flag>, Version), Error> {
        let flag = known::<Flag>(name)?;
        let in_force = find(self.active.flags(), flag)?.value;
        let rewrite = |rows: &ControlRows| {
            let row = self.flag_row(&rows.flags, flag, change.environment.as_ref())?;
            check_etag(row, etag)?;
            let before = row.and_then(|row| flag.read(&row.raw).ok());
            let value = merged(flag, before.unwrap_or(in_force), change)?;
            let environment = change.environment.clone();
            let environment = environment.or_else(|| row.and_then(|row| row.scope().ok()));
            Ok(Rewrite {
                seen: row.map(|row| row.fingerprint.clone()),
                draft: ControlDraft {
                    value: DraftValue::Flag(flag, value),
                    environment: environment.unwrap_or_else(Environment::all),
                    description: remark(change.comment.as_ref(), row),
                },
            })
        };
        let version = self.write(rewrite, editor).await?;
        Ok((find(self.active.flags(), flag)?, version))
    }

    /// Takes out a row of a flag: that of `environment`, or the one that counts here.
    ///
    /// # Errors
    ///
    /// As [`Self::update_flag`].
    pub async fn reset_flag(
        &self,
        name: &str,
        environment: Option<&Environment>,
        etag: Option<Etag>,
    ) -> Result<(Evaluation<Flag>, Version), Error> {
        let flag = known::<Flag>(name)?;
        let seen = |rows: &ControlRows| {
            let row = match environment {
                Some(environment) => row_for(&rows.flags, flag, environment),
                None => self.flag_row(&rows.flags, flag, None)?,
            };
            check_etag(row, etag)?;
            Ok(row.map(|row| row.fingerprint.clone()))
        };
        let version = self.remove(ControlKind::Flag, flag.name(), seen).await?;
        Ok((find(self.active.flags(), flag)?, version))
    }

    /// Sets a setting's row, or makes one.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownControl`], [`Error::Invalid`] for a value out of range,
    /// [`Error::EtagMismatch`], [`Error::Unavailable`].
    pub async fn update_setting(
        &self,
        name: &str,
        change: &SettingChange,
        etag: Option<Etag>,
        editor: Option<&str>,
    ) -> Result<(Evaluation<RuntimeSetting>, Version), Error> {
        let setting = known::<RuntimeSetting>(name)?;
        let value = setting.parse(change.value);
        let value =
            value.map_err(|problem| Error::Invalid(vec![FieldViolation::new("value", problem)]))?;
        let rewrite = |rows: &ControlRows| {
            let asked = change.environment.as_ref();
            let (row, environment) = self.setting_row(&rows.settings, setting, asked);
            check_etag(row, etag)?;
            Ok(Rewrite {
                seen: row.map(|row| row.fingerprint.clone()),
                draft: ControlDraft {
                    value: DraftValue::Setting(setting, value),
                    environment,
                    description: remark(change.comment.as_ref(), row),
                },
            })
        };
        let version = self.write(rewrite, editor).await?;
        Ok((find(self.active.settings(), setting)?, version))
    }

    /// Takes out a row of a setting: that of `environment`, or the one that counts here.
    ///
    /// # Errors
    ///
    /// As [`Self::update_setting`].
    pub async fn reset_setting(
        &self,
        name: &str,
        environment: Option<&Environment>,
        etag: Option<Etag>,
    ) -> Result<(Evaluation<RuntimeSetting>, Version), Error> {
        let setting = known::<RuntimeSetting>(name)?;
        let seen = |rows: &ControlRows| {
            let (row, _) = self.setting_row(&rows.settings, setting, environment);
            check_etag(row, etag)?;
            Ok(row.map(|row| row.fingerprint.clone()))
        };
        let version = self.remove(ControlKind::Setting, setting.name(), seen);
        let version = version.await?;
        Ok((find(self.active.settings(), setting)?, version))
    }

    /// The row of a flag that a change is for: the one that counts here, or the one for `asked`.
    /// A name has one row as a rule, which then moves there.
    fn flag_row<'a>(
        &self,
        rows: &'a [ControlRow<RawFlag>],
        flag: Flag,
        asked: Option<&Environment>,
    ) -> Result<Option<&'a ControlRow<RawFlag>>, Error> {
        let named = || rows.iter().filter(|row| row.name == flag.name());
        let of = |wanted: &Environment| row_for(rows, flag, wanted);
        if let Some(asked) = asked {
            return Ok(of(asked).or_else(|| named().next()));
        }
        let own = self.active.environment().and_then(of);
        let counts = own.or_else(|| of(&Environment::all()));
        // One that counts nowhere is there to be mended.
        let counts = counts.or_else(|| named().find(|row| row.scope().is_err()));
        match (counts, named().next().map(ControlRow::scope)) {
            (None, Some(Ok(elsewhere))) => Err(Error::OtherEnvironment(elsewhere)),
            (counts, _) => Ok(counts),
        }
    }

    /// The row of a setting that a change is for, and where it counts: here, or for `asked`.
    fn setting_row<'a>(
        &self,
        rows: &'a [ControlRow<i64>],
        setting: RuntimeSetting,
        asked: Option<&Environment>,
    ) -> (Option<&'a ControlRow<i64>>, Environment) {
        let of = |wanted: &Environment| row_for(rows, setting, wanted);
        let own = self.active.environment().filter(|own| of(own).is_some());
        let all = Environment::all();
        let environment = asked.or(own).unwrap_or(&all);
        (of(environment), environment.clone())
    }

    /// Reads the rows, and writes one as `rewrite` says; anew when somebody else wrote in between.
    async fn write(
        &self,
        rewrite: impl Fn(&ControlRows) -> Result<Rewrite, Error> + Send + Sync,
        editor: Option<&str>,
    ) -> Result<Version, Error> {
        for _ in 0..ATTEMPTS {
            let rows = self.store.controls().await?;
            let Rewrite { seen, draft } = rewrite(&rows)?;
            let written = self.store.put(seen.as_deref(), &draft, editor).await;
            let is_done = |now: &ControlRows| draft.matches_row(now, editor);
            if let Some(version) = self.outcome(&rows, written, is_done).await? {
                return Ok(version);
            }
        }
        Err(busy())
    }

    /// As [`Self::write`], to take out the row that `seen` finds, if it finds one.
    async fn remove(
        &self,
        kind: ControlKind,
        name: &'static str,
        seen: impl Fn(&ControlRows) -> Result<Option<String>, Error> + Send + Sync,
    ) -> Result<Version, Error> {
        for _ in 0..ATTEMPTS {
            let rows = self.store.controls().await?;
            let Some(seen) = seen(&rows)? else {
                self.active.refresh().await;
                return Ok(rows.version);
            };
            let removed = self.store.remove(kind, name, &seen).await;
            let is_done = |now: &ControlRows| now.is_removed(&rows, kind, name, &seen);
            if let Some(version) = self.outcome(&rows, removed, is_done).await? {
                return Ok(version);
            }
        }
        Err(busy())
    }

    /// The version of a change; `None` when another one came first. A change whose answer was lost
    /// was made if the rows are as it wanted them: its caller, who has no other etag than that of
    /// the row before, would else be told that somebody changed it.
    async fn outcome(
        &self,
        before: &ControlRows,
        changed: Result<Option<Stamp>, Error>,
        is_done: impl Fn(&ControlRows) -> bool + Send + Sync,
    ) -> Result<Option<Version>, Error> {
        let version = match changed {
            Ok(None) => return Ok(None),
            Ok(Some(stamp)) => Version {
                database: before.version.database,
                stamp,
            },
            Err(error) if error.is_outcome_unknown() => match self.store.controls().await {
                Ok(now) if is_done(&now) => now.version,
                Ok(_) | Err(_) => return Err(error),
            },
            Err(error) => return Err(error),
        };
        self.active.refresh().await;
        Ok(Some(version))
    }
}

/// The row of a control for just this environment.
fn row_for<'a, C: RuntimeControl>(
    rows: &'a [ControlRow<C::Raw>],
    control: C,
    environment: &Environment,
) -> Option<&'a ControlRow<C::Raw>> {
    let mut named = rows.iter().filter(|row| row.name == control.name());
    named.find(|row| row.scope().as_ref() == Ok(environment))
}

/// Names a row as it is now, or that there is none.
#[must_use]
pub fn etag_of<R>(row: Option<&ControlRow<R>>) -> Etag {
    let text = row.map_or("", |row| row.fingerprint.as_str());
    let hash = digest(&SHA256, text.as_bytes());
    Etag(hash.as_ref().first_chunk().copied().unwrap_or_default())
}

fn check_etag<R>(row: Option<&ControlRow<R>>, etag: Option<Etag>) -> Result<(), Error> {
    let current = etag_of(row);
    if etag.is_none_or(|etag| etag == current) {
        Ok(())
    } else {
        Err(Error::EtagMismatch { current })
    }
}

fn merged(flag: Flag, before: FlagValue, change: &FlagChange) -> Result<FlagValue, Error> {
    let rollout = change.rollout.unwrap_or(before.rollout);
    match flag.definition().rollout_scope {
        RolloutScope::All if rollout != Percentage::FULL => {
            let problem = format!("must be 100 or left out: {flag} is for all callers or none");
            let violation = FieldViolation::new("rollout_percentage", problem);
            Err(Error::Invalid(vec![violation]))
        }
        RolloutScope::All | RolloutScope::Callers => Ok(FlagValue {
            enabled: change.enabled.unwrap_or(before.enabled),
            rollout,
        }),
    }
}

/// The remark that is given, or the one that is there.
fn remark<R>(given: Option<&String>, row: Option<&ControlRow<R>>) -> Option<String> {
    let remark = given.or_else(|| row?.description.as_ref());
    remark.filter(|remark| !remark.is_empty()).cloned()
}

fn known<C: RuntimeControl>(name: &str) -> Result<C, Error> {
    if name.is_empty() {
        let missing = FieldViolation::new("name", "must be set");
        return Err(Error::Invalid(vec![missing]));
    }
    let known = C::EACH.iter().copied();
    let found = known.clone().find(|control| control.name() == name);
    found.ok_or_else(|| Error::UnknownControl {
        kind: C::KIND,
        name: name.chars().take(100).collect(),
        known: known.map(RuntimeControl::name).collect(),
    })
}

fn find<C: RuntimeControl>(
    evaluations: Vec<Evaluation<C>>,
    control: C,
) -> Result<Evaluation<C>, Error> {
    let mut evaluations = evaluations.into_iter();
    let found = evaluations.find(|evaluation| evaluation.control == control);
    found.ok_or(Error::Internal {
        context: "looking for a flag",
        source: None,
    })
}

fn busy() -> Error {
    Error::datastore("others changed the row at each attempt")
}
