use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use async_trait::async_trait;

use super::{PostgresStore, store::Query};
use crate::{
    domain::{ControlDraft, ControlKind, ControlRows, ControlStore, DraftValue, Error, Stamp},
    repository::{control_row, fault::Broken, row::signed},
};

#[async_trait]
impl ControlStore for PostgresStore {
    async fn controls(&self) -> Result<ControlRows, Error> {
        let read = || sqlx::query_as(include_str!("sql/controls.sql")).bind(control_row::names());
        let rows = self
            .fetch_current(&self.pool, "reading the flags", read)
            .await?;
        let found = control_row::controls(rows)?;
        self.odd.note_controls(found.odd);
        Ok(found.rows)
    }

    async fn put(
        &self,
        seen: Option<&str>,
        draft: &ControlDraft,
        editor: Option<&str>,
    ) -> Result<Option<Stamp>, Error> {
        let (seen, editor) = (seen.map(str::to_owned), editor.map(str::to_owned));
        let call = || match draft.value {
            DraftValue::Flag(flag, value) => {
                sqlx::query_as("SELECT challenges_catalog.put_flag($1, $2, $3, $4, $5, $6, $7)")
                    .bind(seen.clone())
                    .bind(flag.definition().name)
                    .bind(draft.environment.as_str().to_owned())
                    .bind(value.enabled)
                    .bind(i32::from(value.rollout.get()))
                    .bind(draft.description.clone())
                    .bind(editor.clone())
            }
            DraftValue::Setting(setting, value) => {
                sqlx::query_as("SELECT challenges_catalog.put_setting($1, $2, $3, $4, $5, $6)")
                    .bind(seen.clone())
                    .bind(setting.definition().name)
                    .bind(draft.environment.as_str().to_owned())
                    .bind(signed(value))
                    .bind(draft.description.clone())
                    .bind(editor.clone())
            }
        };
        self.change_controls(call).await
    }

    async fn remove(
        &self,
        kind: ControlKind,
        name: &'static str,
        seen: &str,
    ) -> Result<Option<Stamp>, Error> {
        let call = || {
            let call = match kind {
                ControlKind::Flag => "SELECT challenges_catalog.drop_flag($1, $2)",
                ControlKind::Setting => "SELECT challenges_catalog.drop_setting($1, $2)",
            };
            sqlx::query_as(call).bind(seen.to_owned()).bind(name)
        };
        self.change_controls(call).await
    }
}

impl PostgresStore {
    /// Makes a change, and tells its commit; `None` when another one came first.
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
        let rows = self.fetch(&self.pool, context, counted).await?;
        let Some((Some(entry),)) = rows.first().copied() else {
            // Made again, because a connection died with the answer, a call does no harm: it does
            // not find the row that was seen. But that may be the work of the first one.
            let is_repeat = calls.into_inner() > 1;
            let lost = || Error::outcome_unknown(Broken("the first answer was lost".to_owned()));
            return if is_repeat { Err(lost()) } else { Ok(None) };
        };
        let version = self.numbered(context, entry).await;
        self.hints.look();
        let version = version.map_err(Error::outcome_unknown)?;
        Ok(Some(version.stamp))
    }
}
