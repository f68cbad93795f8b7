//! The port [`ControlStore`]: rows of flags and runtime settings.
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
        let names = serde_json::json!(control_row::names()).to_string();
        let read = sqlx::query_as(include_str!("sql/controls.sql")).bind(names);
        let rows = self.fetch(&self.pool, "reading the flags", read).await?;
        control_row::logged(rows, &self.invalid_rows)
    }

    async fn put(
        &self,
        seen: Option<&str>,
        draft: &ControlDraft,
        editor: Option<&str>,
    ) -> Result<Option<Stamp>, Error> {
        let environment = draft.environment.as_str().to_owned();
        let write = match draft.value {
            DraftValue::Flag(flag, value) => {
                let statement = match seen {
                    None => include_str!("sql/insert_flag.sql"),
                    Some(_) => include_str!("sql/update_flag.sql"),
                };
                let write = sqlx::query(statement).bind(flag.definition().name);
                let write = write.bind(environment).bind(value.enabled);
                write.bind(value.rollout.get())
            }
            DraftValue::Setting(setting, value) => {
                let statement = match seen {
                    None => include_str!("sql/insert_setting.sql"),
                    Some(_) => include_str!("sql/update_setting.sql"),
                };
                let write = sqlx::query(statement).bind(setting.definition().name);
                write.bind(environment).bind(signed(value))
            }
        };
        let write = write
            .bind(draft.description.clone())
            .bind(editor.map(str::to_owned));
        self.change_controls(match seen {
            None => write,
            Some(seen) => write.bind(seen.to_owned()),
        })
        .await
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
    /// Makes a change and returns its commit; `None` when the row is no longer the one that the caller saw.
    async fn change_controls(
        &self,
        change: Query<'static, Sqlite, SqliteArguments>,
    ) -> Result<Option<Stamp>, Error> {
        let work = async |connection: &mut _| {
            let done = change.execute(&mut *connection).await?;
            let newest: i64 = sqlx::query_scalar("SELECT max(seq) FROM catalog_change")
                .fetch_one(connection)
                .await?;
            Ok((done.rows_affected() > 0).then_some(newest))
        };
        let seq = self.write("changing a flag", work).await?;
        self.changed.notify_one();
        seq.map(|seq| row::stamp(0, seq)).transpose()
    }
}
