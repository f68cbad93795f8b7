use async_trait::async_trait;
use sqlx::{Sqlite, query::Query, sqlite::SqliteArguments};

use super::SqliteStore;
use crate::{
    domain::{ControlDraft, ControlKind, ControlRows, ControlStore, DraftValue, Error, Stamp},
    repository::{
        control_row,
        row::{self, signed},
    },
};

#[async_trait]
impl ControlStore for SqliteStore {
    async fn controls(&self) -> Result<ControlRows, Error> {
        let context = "reading the flags";
        let names = serde_json::to_string(&control_row::names())
            .map_err(|error| Error::internal(context, error))?;
        let read = sqlx::query_as(include_str!("sql/controls.sql")).bind(names);
        let rows = self.fetch(&self.pool, context, read).await?;
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
        let environment = draft.environment.as_str();
        let (write, seen) = match (draft.value, seen) {
            (DraftValue::Flag(flag, value), seen) => {
                let statement = match seen {
                    None => include_str!("sql/insert_flag.sql"),
                    Some(_) => include_str!("sql/update_flag.sql"),
                };
                let write = sqlx::query(statement)
                    .bind(flag.definition().name)
                    .bind(environment.to_owned())
                    .bind(value.enabled)
                    .bind(value.rollout.get());
                (write, seen)
            }
            (DraftValue::Setting(setting, value), seen) => {
                let statement = match seen {
                    None => include_str!("sql/insert_setting.sql"),
                    Some(_) => include_str!("sql/update_setting.sql"),
                };
                let write = sqlx::query(statement)
                    .bind(setting.definition().name)
                    .bind(environment.to_owned())
                    .bind(signed(value));
                (write, seen)
            }
        };
        let write = write
            .bind(draft.description.clone())
            .bind(editor.map(str::to_owned));
        let write = match seen {
            None => write,
            Some(seen) => write.bind(seen.to_owned()),
        };
        self.change_controls(write).await
    }

    async fn remove(
        &self,
        kind: ControlKind,
        name: &'static str,
        seen: &str,
    ) -> Result<Option<Stamp>, Error> {
        let statement = match kind {
            ControlKind::Flag => include_str!("sql/remove_flag.sql"),
            ControlKind::Setting => include_str!("sql/remove_setting.sql"),
        };
        self.change_controls(sqlx::query(statement).bind(name).bind(seen.to_owned()))
            .await
    }
}

impl SqliteStore {
    /// Makes a change, and tells its commit; `None` when another one came first.
    async fn change_controls(
        &self,
        change: Query<'static, Sqlite, SqliteArguments>,
    ) -> Result<Option<Stamp>, Error> {
        let work = async {
            let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
            let done = change.execute(&mut *transaction).await?;
            let newest: i64 = sqlx::query_scalar("SELECT max(seq) FROM catalog_change")
                .fetch_one(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok((done.rows_affected() > 0).then_some(newest))
        };
        let seq = self.within("changing a flag", work).await?;
        self.changed.notify_one();
        seq.map(|seq| row::stamp(0, seq)).transpose()
    }
}
