//! Changes of flags and runtime settings by their rows: one mechanism for both kinds of [`StoredControl`].
use std::sync::Arc;

use crate::domain::{
    ActiveControls, ControlDraft, ControlRow, ControlRows, ControlStore, Environment, Error, Etag,
    Evaluation, Stamp, StoredControl, Version, sha256,
};

/// Which row a change is for, and as what it was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowTarget {
    /// Where the row counts; nothing for the one that counts here.
    pub environment: Option<Environment>,
    /// Nothing is changed unless this names the row.
    pub etag: Option<Etag>,
}

/// What to write into a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlChange<T> {
    /// What to change of the value.
    pub value: T,
    /// A remark for people, empty for none; nothing leaves the one that is there.
    pub comment: Option<String>,
}

/// What operators decide while the service runs.
#[derive(Clone)]
pub struct ControlsService {
    active: Arc<dyn ActiveControls>,
    store: Arc<dyn ControlStore>,
}

/// How often a change is tried again because another row was written in between.
const ATTEMPTS: u32 = 5;

/// A row, where there is one, and where it will count.
type FoundRow<'a, R> = (Option<&'a ControlRow<R>>, Environment);

/// The row that a change found, and what is to be in its place; without a draft, nothing.
struct Rewrite<'a, R> {
    seen: Option<&'a ControlRow<R>>,
    draft: Option<ControlDraft>,
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

    /// Every control of a kind, as it stands here, and whether that is so now: when the database
    /// does not answer, it is as it stood.
    pub async fn list<C: StoredControl>(&self) -> (Vec<Evaluation<C>>, bool) {
        let is_current = self.active.refresh().await;
        (C::active(&*self.active), is_current)
    }

    /// One control, likewise.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownControl`], [`Error::Invalid`] without a name.
    pub async fn get<C: StoredControl>(&self, name: &str) -> Result<(Evaluation<C>, bool), Error> {
        let control = known(name)?;
        let is_current = self.active.refresh().await;
        Ok((self.evaluation(control)?, is_current))
    }

    /// Changes a control's row, or makes one.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownControl`], [`Error::Invalid`] for a value that the control cannot have,
    /// [`Error::EtagMismatch`], [`Error::OtherEnvironment`], [`Error::Unavailable`].
    pub async fn update<C: StoredControl>(
        &self,
        name: &str,
        change: &ControlChange<C::Change>,
        target: &RowTarget,
        editor: Option<&str>,
    ) -> Result<(Evaluation<C>, Version), Error> {
        let control = known::<C>(name)?;
        let changed = |before| {
            let value = control.changed(before, &change.value);
            value.map_err(|violation| Error::Invalid(vec![violation]))
        };
        let in_force = self.evaluation(control)?.value;
        changed(in_force)?;
        self.change(control, editor, |rows| {
            let environment = target.environment.as_ref();
            let (seen, environment) = self.row_to_write(rows, control, environment)?;
            check_etag(seen, target.etag)?;
            let before = seen.and_then(|row| control.read(&row.raw).ok());
            let value = changed(before.unwrap_or(in_force))?;
            let description = change.comment.clone();
            let description = description.or_else(|| seen?.description.clone());
            let draft = Some(ControlDraft {
                value: control.draft(value),
                environment,
                description: description.filter(|remark| !remark.is_empty()),
            });
            Ok(Rewrite { seen, draft })
        })
        .await
    }

    /// Takes out a row of a control: that of the environment, or the one that counts here.
    ///
    /// # Errors
    ///
    /// As [`Self::update`].
    pub async fn reset<C: StoredControl>(
        &self,
        name: &str,
        target: &RowTarget,
    ) -> Result<(Evaluation<C>, Version), Error> {
        let control = known::<C>(name)?;
        self.change(control, None, |rows| {
            let seen = match &target.environment {
                Some(environment) => row_for(rows, control, environment),
                None => self.row_to_write(rows, control, None)?.0,
            };
            check_etag(seen, target.etag)?;
            Ok(Rewrite { seen, draft: None })
        })
        .await
    }

    /// The row that a change is for, and where it will count: for `asked`, or where it counts for
    /// this replica. Where a name has one row as a rule, that row moves to `asked`.
    fn row_to_write<'a, C: StoredControl>(
        &self,
        rows: &'a [ControlRow<C::Raw>],
        control: C,
        asked: Option<&Environment>,
    ) -> Result<FoundRow<'a, C::Raw>, Error> {
        let of = |wanted: &Environment| row_for(rows, control, wanted);
        let own = self.active.environment().filter(|own| of(own).is_some());
        let environment = asked.or(own).cloned().unwrap_or_else(Environment::all);
        let found = of(&environment);
        if found.is_some() || !C::HAS_ONE_ROW {
            return Ok((found, environment));
        }
        let named = || rows.iter().filter(|row| row.name == control.name());
        if asked.is_some() {
            return Ok((named().next(), environment));
        }
        // A row that counts nowhere can be repaired.
        let broken = named().find(|row| row.scope().is_err());
        match (broken, named().next().map(ControlRow::scope)) {
            (None, Some(Ok(elsewhere))) => Err(Error::OtherEnvironment(elsewhere)),
            (broken, _) => Ok((broken, environment)),
        }
    }

    /// Reads the rows, and changes one as `rewrite` says; again when another change came in between.
    async fn change<C: StoredControl>(
        &self,
        control: C,
        editor: Option<&str>,
        rewrite: impl Fn(&[ControlRow<C::Raw>]) -> Result<Rewrite<'_, C::Raw>, Error> + Send + Sync,
    ) -> Result<(Evaluation<C>, Version), Error> {
        for _ in 0..ATTEMPTS {
            let rows = self.store.controls().await?;
            let Rewrite { seen, draft } = rewrite(C::rows(&rows))?;
            let fingerprint = seen.map(|row| row.fingerprint.as_str());
            let changed = match (&draft, fingerprint) {
                (Some(draft), seen) => self.store.put(seen, draft, editor).await,
                (None, Some(seen)) => self.store.remove(C::KIND, control.name(), seen).await,
                (None, None) => Ok(Some(rows.version.stamp)),
            };
            let is_done = |now: &ControlRows| match (&draft, seen) {
                (Some(draft), _) => is_written(C::rows(now), control, draft, editor),
                (None, seen) => seen.is_none_or(|row| is_removed::<C>(C::rows(now), row)),
            };
            if let Some(version) = self.outcome(&rows, changed, is_done).await? {
                return Ok((self.evaluation(control)?, version));
            }
        }
        let problem = "others changed the row at each attempt";
        Err(Error::datastore(problem))
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

    /// How a control stands here.
    fn evaluation<C: StoredControl>(&self, control: C) -> Result<Evaluation<C>, Error> {
        let mut evaluations = C::active(&*self.active).into_iter();
        let found = evaluations.find(|evaluation| evaluation.control == control);
        found.ok_or(Error::fault("looking for a flag"))
    }
}

/// The row of a control for just this environment.
fn row_for<'a, C: StoredControl>(
    rows: &'a [ControlRow<C::Raw>],
    control: C,
    environment: &Environment,
) -> Option<&'a ControlRow<C::Raw>> {
    let mut named = rows.iter().filter(|row| row.name == control.name());
    named.find(|row| row.scope().as_ref() == Ok(environment))
}

/// Whether a row says just what the draft does, by the word of `editor`.
fn is_written<C: StoredControl>(
    rows: &[ControlRow<C::Raw>],
    control: C,
    draft: &ControlDraft,
    editor: Option<&str>,
) -> bool {
    rows.iter().any(|row| {
        row.name == control.name()
            && row.scope().as_ref() == Ok(&draft.environment)
            && control.read(&row.raw).map(|value| control.draft(value)) == Ok(draft.value)
            && row.description == draft.description
            && row.updated_by.as_deref() == editor
    })
}

/// Whether the place of a row is empty.
fn is_removed<C: StoredControl>(now: &[ControlRow<C::Raw>], row: &ControlRow<C::Raw>) -> bool {
    let mut named = now.iter().filter(|other| other.name == row.name);
    !named.any(|other| C::HAS_ONE_ROW || other.environment == row.environment)
}

/// Names a row as it is now, or that there is none.
#[must_use]
pub fn etag_of<R>(row: Option<&ControlRow<R>>) -> Etag {
    let text = row.map_or("", |row| row.fingerprint.as_str());
    Etag(sha256(text.as_bytes()))
}

fn check_etag<R>(row: Option<&ControlRow<R>>, etag: Option<Etag>) -> Result<(), Error> {
    let current = etag_of(row);
    if etag.is_none_or(|etag| etag == current) {
        Ok(())
    } else {
        Err(Error::EtagMismatch { current })
    }
}

fn known<C: StoredControl>(name: &str) -> Result<C, Error> {
    if name.is_empty() {
        return Err(Error::invalid("name", "must be set"));
    }
    let known = C::EACH.iter().copied();
    let found = known.clone().find(|control| control.name() == name);
    found.ok_or_else(|| Error::UnknownControl {
        kind: C::KIND,
        name: name.chars().take(100).collect(),
        known: known.map(C::name).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DraftValue, RuntimeSetting};

    fn row(environment: &str, value: i64) -> ControlRow<i64> {
        ControlRow {
            name: "cache_ttl_ms".to_owned(),
            environment: Some(environment.to_owned()),
            raw: value,
            description: None,
            created_at: None,
            updated_at: None,
            created_by: None,
            updated_by: Some("ann".to_owned()),
            fingerprint: format!("{environment} {value}"),
        }
    }

    #[test]
    fn a_draft_stands_in_a_row_that_says_the_same_by_the_same_editor() {
        let draft = ControlDraft {
            value: DraftValue::Setting(RuntimeSetting::CacheTtlMs, 5_000),
            environment: Environment::all(),
            description: None,
        };
        let is_in = |row, editor| is_written(&[row], RuntimeSetting::CacheTtlMs, &draft, editor);
        assert!(is_in(row("all", 5_000), Some("ann")));
        assert!(!is_in(row("all", 5_000), Some("ben")));
        assert!(!is_in(row("all", 6_000), Some("ann")));
        assert!(!is_in(row("staging", 5_000), Some("ann")));
    }

    #[test]
    fn a_row_is_removed_when_its_environment_has_none() {
        let removed = row("staging", 7_000);
        let is_removed =
            |now: &[ControlRow<i64>]| super::is_removed::<RuntimeSetting>(now, &removed);
        assert!(is_removed(&[row("all", 5_000)]));
        assert!(!is_removed(&[row("all", 5_000), row("staging", 8_000)]));
    }
}
