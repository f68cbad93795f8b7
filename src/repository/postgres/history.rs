use async_trait::async_trait;
use tokio::time::timeout;

use super::{PostgresStore, codes::fault, edit_transaction::BEGIN};
use crate::{
    domain::{Error, HistoryStore, PruneStep, PrunedStep},
    repository::{
        edit_row::{self, PrunedRow},
        fault::NoAnswer,
    },
};

#[async_trait]
impl HistoryStore for PostgresStore {
    async fn prune_history(&self, step: PruneStep) -> Result<PrunedStep, Error> {
        let context = "pruning the history";
        let mut transaction = self.begin(context, BEGIN).await?;
        let work = async move {
            let row: PrunedRow = sqlx::query_as(include_str!("sql/prune_history.sql"))
                .bind(step.older_than.as_secs_f64())
                .bind(step.after)
                .bind(i32::try_from(step.most).unwrap_or(i32::MAX))
                .persistent(transaction.keeps_statements())
                .fetch_one(&mut *transaction)
                .await?;
            if step.is_trial {
                transaction.roll_back().await;
            } else {
                transaction.commit().await?;
            }
            Ok(row)
        };
        let limit = self.answer_limit(&self.editing);
        let pruned = timeout(limit, work).await;
        let pruned = pruned.map_err(|_| Error::datastore(NoAnswer(limit)))?;
        edit_row::pruned(&pruned.map_err(|error| fault(context, error))?)
    }
}
