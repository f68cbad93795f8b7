//! The port [`Importing`]: stages rows in a transaction that locks nothing, and writes them by one statement at its end.
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::{PostgresStore, challenge_writes, error_codes::edit_error, transaction::Transaction};
use crate::{
    domain::{EditTerms, Error, ImportEnd, ImportMode, ImportRow, Importing},
    repository::edit_row::{self, ConflictRow},
};

/// An import under way.
pub(super) struct PostgresImport {
    /// Commits the transaction and reads its version.
    store: PostgresStore,
    transaction: Transaction,
    id: Uuid,
    staged: i64,
}

impl PostgresImport {
    pub(super) async fn begin(store: &PostgresStore, patience: Duration) -> Result<Self, Error> {
        let context = "beginning an import";
        let mut transaction = store.begin(context).await?;
        let set = transaction.set_timeouts(patience).await;
        set.map_err(edit_error(context))?;
        Ok(Self {
            store: store.clone(),
            transaction,
            id: Uuid::new_v4(),
            staged: 0,
        })
    }
}

#[async_trait]
impl Importing for PostgresImport {
    async fn add(&mut self, rows: Vec<ImportRow>) -> Result<(), Error> {
        let stage = challenge_writes::stage(self.id, self.staged, &rows);
        let staged: Result<Vec<()>, _> = self.transaction.fetch(stage).await;
        staged.map_err(edit_error("staging an import"))?;
        self.staged += i64::try_from(rows.len()).unwrap_or(i64::MAX);
        Ok(())
    }

    async fn finish(
        mut self: Box<Self>,
        terms: &EditTerms,
        mode: ImportMode,
        most: usize,
    ) -> Result<ImportEnd, Error> {
        let request = self.transaction.begin_edit(terms).await?;
        if request.is_repeated(terms.idempotency_key.as_ref())? {
            let version = self.store.version_of(request.commit_ref).await?;
            let counts = request.tally.unwrap_or_default();
            return Ok(ImportEnd::Done(edit_row::imported_before(&counts, version)));
        }
        let is_new = mode == ImportMode::Create;
        let check = "SELECT line, first_line FROM challenges_catalog.check_staged($1, $2, $3)";
        let check = sqlx::query_as(check)
            .bind(self.id)
            .bind(is_new)
            .bind(i64::try_from(most).unwrap_or(i64::MAX));
        let conflicts = self.transaction.fetch(check).await;
        let conflicts: Vec<ConflictRow> = conflicts.map_err(edit_error("checking an import"))?;
        if !conflicts.is_empty() {
            let conflicts = conflicts.into_iter().map(Into::into);
            return Ok(ImportEnd::Conflicts(conflicts.collect()));
        }
        let write = sqlx::query_as("SELECT challenges_catalog.write_staged($1, $2)")
            .bind(self.id)
            .bind(is_new);
        let written = self.transaction.fetch_one(write).await;
        let (letters,): (String,) = written.map_err(edit_error("writing an import"))?;
        let mut imported = edit_row::imported(&letters)?;
        if !terms.validate_only {
            let Self {
                store, transaction, ..
            } = *self;
            let counts = edit_row::counts(imported.tally).to_vec();
            let done = store.commit_edit(transaction, terms, None, Some(counts));
            imported.version = Some(done.await?);
        }
        Ok(ImportEnd::Done(imported))
    }
}
