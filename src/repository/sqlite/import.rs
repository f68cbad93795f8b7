use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{Connection, SqliteConnection};

use super::{SqliteStore, store::is_outage};
use crate::{
    domain::{EditTerms, Error, ImportEnd, ImportMode, ImportRow, Imported, Importing},
    repository::{
        edit_row::{self, ConflictRow, tip_of},
        fault::translate,
    },
};

/// An import: its rows are staged in a temporary table, which locks nothing and goes with its
/// connection, and written by one transaction at its end.
pub(super) struct Import {
    store: SqliteStore,
    connection: SqliteConnection,
}

fn fault(error: sqlx::Error) -> Error {
    translate("importing challenges", error, is_outage)
}

impl Import {
    pub(super) async fn begin(store: &SqliteStore) -> Result<Self, Error> {
        let options = Arc::unwrap_or_clone(store.pool.connect_options());
        let mut connection = SqliteConnection::connect_with(&options)
            .await
            .map_err(fault)?;
        sqlx::raw_sql(include_str!("sql/create_stage.sql"))
            .execute(&mut connection)
            .await
            .map_err(fault)?;
        Ok(Self {
            store: store.clone(),
            connection,
        })
    }
}

#[async_trait]
impl Importing for Import {
    async fn add(&mut self, rows: Vec<ImportRow>) -> Result<(), Error> {
        let mut transaction = self.connection.begin().await.map_err(fault)?;
        for row in rows {
            let tips = tip_of(&row.challenge);
            sqlx::query(include_str!("sql/stage_challenge.sql"))
                .bind(row.line)
                .bind(row.challenge.id.uuid().hyphenated())
                .bind(row.challenge.difficulty.as_str())
                .bind(row.challenge.title)
                .bind(row.challenge.description)
                .bind(row.challenge.points)
                .bind(tips)
                .execute(&mut *transaction)
                .await
                .map_err(fault)?;
        }
        transaction.commit().await.map_err(fault)
    }

    async fn finish(
        self: Box<Self>,
        terms: &EditTerms,
        mode: ImportMode,
        most: usize,
    ) -> Result<ImportEnd, Error> {
        let Self {
            store,
            mut connection,
        } = *self;
        let begun = connection.begin_with("BEGIN IMMEDIATE").await;
        let mut transaction = begun.map_err(fault)?;
        let request = store.begin_edit(&mut transaction, terms).await?;
        if request.is_repeated(terms.idempotency_key.as_ref())? {
            let version = store.version_of(request.commit_ref).await?;
            let counts = request.tally.unwrap_or_default();
            let counts: Vec<i64> = serde_json::from_str(&counts)
                .map_err(|error| Error::internal("reading a tally", error))?;
            return Ok(ImportEnd::Done(edit_row::imported_before(&counts, version)));
        }
        let conflicts: Vec<ConflictRow> = sqlx::query_as(include_str!("sql/check_staged.sql"))
            .bind(mode == ImportMode::Create)
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .fetch_all(&mut *transaction)
            .await
            .map_err(fault)?;
        if !conflicts.is_empty() {
            let conflicts = conflicts.into_iter().map(Into::into);
            return Ok(ImportEnd::Conflicts(conflicts.collect()));
        }
        let letters: String = sqlx::query_scalar(include_str!("sql/staged_outcomes.sql"))
            .fetch_one(&mut *transaction)
            .await
            .map_err(fault)?;
        sqlx::query(include_str!("sql/apply_staged.sql"))
            .execute(&mut *transaction)
            .await
            .map_err(fault)?;
        let outcomes = edit_row::outcomes(&letters)?;
        let tally = edit_row::tally(&outcomes);
        let version = if terms.validate_only {
            None
        } else {
            let counts = serde_json::to_string(&edit_row::counts(tally))
                .map_err(|error| Error::internal("keeping a tally", error))?;
            let done = store.commit_edit(transaction, terms, None, Some(counts));
            Some(done.await?)
        };
        Ok(ImportEnd::Done(Imported {
            tally,
            outcomes,
            version,
        }))
    }
}
