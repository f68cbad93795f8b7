//! The port [`HistoryStore`]: prunes the history step by step.
use async_trait::async_trait;
use tokio::time::timeout;

use super::{PostgresStore, error_codes::statement_error};
use crate::{
    domain::{Error, HistoryStore, PruneStep, PrunedStep},
    repository::{row, sql_error::TimedOut},
};

#[async_trait]
impl HistoryStore for PostgresStore {
    async fn prune_history(&self, step: PruneStep) -> Result<PrunedStep, Error> {
        let context = "pruning the history";
        let mut transaction = self.begin(context).await?;
        let work = async move {
            let prune = sqlx::query_as(include_str!("sql/prune_history.sql"))
                .bind(step.older_than.as_secs_f64())
                .bind(step.after)
                .bind(i32::try_from(step.most).unwrap_or(i32::MAX));
            let row: (i64, Option<i64>) = transaction.fetch_one(prune).await?;
            if step.is_trial {
                transaction.roll_back().await;
            } else {
                transaction.commit().await?;
            }
            Ok(row)
        };
        let limit = self.answer_limit(&self.editing);
        let pruned = timeout(limit, work).await;
        let pruned = pruned.map_err(|_| Error::datastore(TimedOut(limit)))?;
        let (removed, next) = pruned.map_err(statement_error(context))?;
        let removed = row::unsigned(removed)?;
        Ok(PrunedStep { removed, next })
    }
}
