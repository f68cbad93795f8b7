//! The port [`Importing`]: stages rows in a temporary table, which locks nothing and is dropped with its connection, and
//! writes them in one transaction at the end.
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{Connection, SqliteConnection};

use super::{SqliteStore, challenge_writes, connect::code_class};
use crate::{
    domain::{EditTerms, Error, ImportEnd, ImportMode, ImportRow, Importing},
    repository::{
        edit_row::{self, ConflictRow},
        sql_error::to_domain_error,
    },
};

/// An import under way.
pub(super) struct SqliteImport {
    store: SqliteStore,
    connection: SqliteConnection,
}

fn statement_error(error: sqlx::Error) -> Error {
    to_domain_error("importing challenges", error, code_class)
}

impl SqliteImport {
    pub(super) async fn begin(store: &SqliteStore) -> Result<Self, Error> {
        let options = Arc::unwrap_or_clone(store.pool.connect_options());
        let mut connection = SqliteConnection::connect_with(&options)
            .await
            .map_err(statement_error)?;
        sqlx::raw_sql(include_str!("sql/create_stage.sql"))
            .execute(&mut connection)
            .await
            .map_err(statement_error)?;
        Ok(Self {
            store: store.clone(),
            connection,
        })
    }
}

#[async_trait]
impl Importing for SqliteImport {
    async fn add(&mut self, rows: Vec<ImportRow>) -> Result<(), Error> {
        let adding = async {
            let mut transaction = self.connection.begin().await?;
            for row in &rows {
                challenge_writes::stage(row)
                    .execute(&mut *transaction)
                    .await?;
            }
            transaction.commit().await
        };
        adding.await.map_err(statement_error)
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
        let mut transaction = begun.map_err(statement_error)?;
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
            .map_err(statement_error)?;
        if !conflicts.is_empty() {
            let conflicts = conflicts.into_iter().map(Into::into);
            return Ok(ImportEnd::Conflicts(conflicts.collect()));
        }
        let letters: String = sqlx::query_scalar(include_str!("sql/staged_outcomes.sql"))
            .fetch_one(&mut *transaction)
            .await
            .map_err(statement_error)?;
        sqlx::query(include_str!("sql/apply_staged.sql"))
            .execute(&mut *transaction)
            .await
            .map_err(statement_error)?;
        let mut imported = edit_row::imported(&letters)?;
        if !terms.validate_only {
            let counts = serde_json::json!(edit_row::counts(imported.tally)).to_string();
            let done = store.commit_edit(transaction, terms, None, Some(counts));
            imported.version = Some(done.await?);
        }
        Ok(ImportEnd::Done(imported))
    }
}
