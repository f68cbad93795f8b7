//! The port [`ControlStore`]: rows of flags and runtime settings.
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use async_trait::async_trait;

use super::{PostgresStore, store::Query};
use crate::{
    domain::{ControlDraft, ControlKind, ControlRows, ControlStore, DraftValue, Error, Stamp},
    repository::{control_row, row::signed, sql_error::DataError},
};

#[async_trait]
impl ControlStore for PostgresStore {
    async fn controls(&self) -> Result<ControlRows, Error> {
        let read = || sqlx::query_as(include_str!("sql/controls.sql")).bind(control_row::names());
        let rows = self
            .fetch_from_primary(&self.pool, "reading the flags", read)
            .await?;
        control_row::logged(rows, &self.invalid_rows)
    }

    async fn put(
        &self,
        seen: Option<&str>,
        draft: &ControlDraft,
        editor: Option<&str>,
    ) -> Result<Option<Stamp>, Error> {
        let (seen, editor) = (seen.map(str::to_owned), editor.map(str::to_owned));
        let environment = draft.environment.as_str();
        let call = || {
            let call = match draft.value {
                DraftValue::Flag(flag, value) => {
                    sqlx::query_as("SELECT challenges_catalog.put_flag($1, $2, $3, $4, $5, $6, $7)")
                        .bind(seen.clone())
                        .bind(flag.definition().name)
                        .bind(environment.to_owned())
                        .bind(value.enabled)
                        .bind(i32::from(value.rollout.get()))
                }
                DraftValue::Setting(setting, value) => {
                    sqlx::query_as("SELECT challenges_catalog.put_setting($1, $2, $3, $4, $5, $6)")
                        .bind(seen.clone())
                        .bind(setting.definition().name)
                        .bind(environment.to_owned())
                        .bind(signed(value))
                }
            };
            call.bind(draft.description.clone()).bind(editor.clone())
        };
        self.change_controls(call).await
    }

    async fn remove(
        &self,
        kind: ControlKind,
        name: &'static str,
        seen: &str,
    ) -> Result<Option<Stamp>, Error> {
        let call = match kind {
            ControlKind::Flag => "SELECT challenges_catalog.drop_flag($1, $2)",
            ControlKind::Setting => "SELECT challenges_catalog.drop_setting($1, $2)",
        };
        let call = || sqlx::query_as(call).bind(seen.to_owned()).bind(name);
        self.change_controls(call).await
    }
}

impl PostgresStore {
    /// Makes a change and returns its commit; `None` when the row is no longer the one that the caller saw.
    async fn change_controls(
        &self,
        call: impl Fn() -> Query<(Option<i64>,)> + Send + Sync,
    ) -> Result<Option<Stamp>, Error> {
        let context = "changing a flag";
        let calls = AtomicU32::new(0);
        let counted = || {
            calls.fetch_add(1, Relaxed);
            call()
        };
        let Some(entry) = self.fetch_one(context, counted).await?.flatten() else {
            // A retry does no harm, because it does not find the row that the caller saw. But the first attempt, whose
            // answer was lost, may have changed it.
            let is_retry = calls.into_inner() > 1;
            let lost = || Error::outcome_unknown(DataError("the first answer was lost".to_owned()));
            return if is_retry { Err(lost()) } else { Ok(None) };
        };
        let version = self.numbered(context, entry).await;
        self.notifications.push_look();
        let version = version.map_err(Error::outcome_unknown)?;
        Ok(Some(version.stamp))
    }
}
