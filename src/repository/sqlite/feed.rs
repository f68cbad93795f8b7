use tonic::async_trait;

use super::SqliteStore;
use crate::{
    domain::{ChangeFeed, Error, FeedPage, ReplicaId},
    repository::row::{self, KEPT, MOST_CHANGES},
};

#[async_trait]
impl ChangeFeed for SqliteStore {
    async fn poll(&self, after_seq: u64, replica: ReplicaId) -> Result<FeedPage, Error> {
        let after = i64::try_from(after_seq).unwrap_or(i64::MAX);
        let limit = i64::try_from(MOST_CHANGES + 1).unwrap_or(i64::MAX);
        let read = sqlx::query_as(include_str!("sql/poll.sql"))
            .bind(after)
            .bind(limit)
            .bind(replica.0.hyphenated());
        let rows = self.fetch(&self.feed, "polling for changes", read).await?;
        row::feed_page(rows, after_seq)
    }

    async fn hint(&self) {
        self.changed.notified().await;
    }

    async fn prune(&self) -> Result<(), Error> {
        let keep = i64::try_from(KEPT.as_micros()).unwrap_or(i64::MAX);
        let prune = async {
            let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
            sqlx::query(include_str!("sql/prune_floor.sql"))
                .bind(keep)
                .execute(&mut *transaction)
                .await?;
            sqlx::query(
                "DELETE FROM catalog_change WHERE seq <= (SELECT floor FROM catalog_state)",
            )
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await
        };
        self.within("pruning the list of changes", prune).await?;
        self.prune_edit_requests().await?;
        self.prune_tips().await
    }
}
