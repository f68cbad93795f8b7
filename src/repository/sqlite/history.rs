//! The port [`HistoryStore`]: prunes the history step by step.
use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::SqliteStore;
use crate::{
    domain::{Error, HistoryStore, PruneStep, PrunedStep},
    repository::row::micros,
};

#[async_trait]
impl HistoryStore for SqliteStore {
    async fn prune_history(&self, step: PruneStep) -> Result<PrunedStep, Error> {
        let work = async {
            let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
            let row = prune(&mut transaction, step).await?;
            if step.is_trial {
                transaction.rollback().await?;
            } else {
                transaction.commit().await?;
            }
            Ok(row)
        };
        self.within("pruning the history", work).await
    }
}

async fn prune(
    connection: &mut SqliteConnection,
    step: PruneStep,
) -> Result<PrunedStep, sqlx::Error> {
    let older_than = micros(step.older_than);
    let next: Option<i64> = sqlx::query_scalar(include_str!("sql/prune_history_next.sql"))
        .bind(older_than)
        .bind(step.after)
        .bind(step.most)
        .fetch_one(&mut *connection)
        .await?;
    // While this is on, the triggers let rows of the history be removed.
    sqlx::query("UPDATE catalog_pruning SET is_on = 1")
        .execute(&mut *connection)
        .await?;
    let removed = sqlx::query(include_str!("sql/prune_history.sql"))
        .bind(older_than)
        .bind(step.after)
        .bind(step.most)
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE catalog_pruning SET is_on = 0")
        .execute(connection)
        .await?;
    Ok(PrunedStep {
        removed: removed.rows_affected(),
        next,
    })
}
