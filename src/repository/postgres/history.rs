use tonic::async_trait;

use super::{PostgresStore, edit_transaction::BEGIN};
use crate::{
    domain::{Error, HistoryStore, PruneStep, PrunedStep},
    repository::edit_row::{self, PrunedRow},
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
                .fetch_one(&mut *transaction)
                .await?;
            if step.is_trial {
                transaction.rollback().await?;
            } else {
                transaction.commit().await?;
            }
            Ok(row)
        };
        edit_row::pruned(&self.write(context, work).await?)
    }
}
