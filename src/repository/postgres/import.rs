use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::{
    PostgresStore,
    codes::edit_fault,
    edit_transaction::{BEGIN, statement_limit},
    transaction::Transaction,
};
use crate::{
    domain::{
        EditTerms, Error, ImportEnd, ImportMode, ImportRow, Imported, Importing, NewChallenge,
    },
    repository::edit_row::{self, ConflictRow, tip_of},
};

/// An import: its rows are staged in a transaction that locks nothing, and written by one statement
/// at its end.
pub(super) struct Import {
    /// What outlives the transaction: how to commit it and read its version.
    store: PostgresStore,
    transaction: Transaction,
    id: Uuid,
    staged: i64,
}

impl Import {
    pub(super) async fn begin(store: &PostgresStore, patience: Duration) -> Result<Self, Error> {
        let context = "beginning an import";
        let mut transaction = store.begin(context, BEGIN).await?;
        sqlx::query(include_str!("sql/be_patient.sql"))
            .bind(statement_limit(patience))
            .persistent(transaction.keeps_statements())
            .execute(&mut *transaction)
            .await
            .map_err(|error| edit_fault(context, error))?;
        Ok(Self {
            store: store.clone(),
            transaction,
            id: Uuid::new_v4(),
            staged: 0,
        })
    }

    async fn conflicts(&mut self, is_new: bool, most: usize) -> Result<Vec<ConflictRow>, Error> {
        sqlx::query_as("SELECT line, first_line FROM challenges_catalog.check_staged($1, $2, $3)")
            .bind(self.id)
            .bind(is_new)
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .persistent(self.transaction.keeps_statements())
            .fetch_all(&mut *self.transaction)
            .await
            .map_err(|error| edit_fault("checking an import", error))
    }

    async fn apply(&mut self, is_new: bool) -> Result<String, Error> {
        sqlx::query_scalar("SELECT challenges_catalog.write_staged($1, $2)")
            .bind(self.id)
            .bind(is_new)
            .persistent(self.transaction.keeps_statements())
            .fetch_one(&mut *self.transaction)
            .await
            .map_err(|error| edit_fault("writing an import", error))
    }
}

#[async_trait]
impl Importing for Import {
    async fn add(&mut self, rows: Vec<ImportRow>) -> Result<(), Error> {
        let column = |of: fn(&NewChallenge) -> &str| -> Vec<&str> {
            rows.iter().map(|row| of(&row.challenge)).collect()
        };
        let lines: Vec<i64> = rows.iter().map(|row| row.line).collect();
        let ids: Vec<Uuid> = rows.iter().map(|row| row.challenge.id.uuid()).collect();
        let points: Vec<i32> = rows.iter().map(|row| row.challenge.points).collect();
        let tips: Vec<_> = rows.iter().map(|row| tip_of(&row.challenge)).collect();
        sqlx::query(include_str!("sql/stage_challenges.sql"))
            .bind(self.id)
            .bind(self.staged)
            .bind(lines)
            .bind(ids)
            .bind(column(|new| new.difficulty.as_str()))
            .bind(column(|new| &new.title))
            .bind(column(|new| &new.description))
            .bind(points)
            .bind(tips)
            .persistent(self.transaction.keeps_statements())
            .execute(&mut *self.transaction)
            .await
            .map_err(|error| edit_fault("staging an import", error))?;
        self.staged += i64::try_from(rows.len()).unwrap_or(i64::MAX);
        Ok(())
    }

    async fn finish(
        mut self: Box<Self>,
        terms: &EditTerms,
        mode: ImportMode,
        most: usize,
    ) -> Result<ImportEnd, Error> {
        let request = PostgresStore::begin_edit(&mut self.transaction, terms).await?;
        if request.is_repeated(terms.idempotency_key.as_ref())? {
            let version = self.store.version_of(request.commit_ref).await?;
            let counts = request.tally.unwrap_or_default();
            return Ok(ImportEnd::Done(edit_row::imported_before(&counts, version)));
        }
        let is_new = mode == ImportMode::Create;
        let conflicts = self.conflicts(is_new, most).await?;
        if !conflicts.is_empty() {
            let conflicts = conflicts.into_iter().map(Into::into);
            return Ok(ImportEnd::Conflicts(conflicts.collect()));
        }
        let outcomes = edit_row::outcomes(&self.apply(is_new).await?)?;
        let tally = edit_row::tally(&outcomes);
        let version = if terms.validate_only {
            None
        } else {
            let Self {
                store, transaction, ..
            } = *self;
            let counts = edit_row::counts(tally).to_vec();
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
