use tonic::async_trait;

use super::PostgresStore;
use crate::{
    domain::{ChangeFeed, Error, FeedPage, ReplicaId},
    repository::row::{self, KEPT, MOST_CHANGES},
};

#[async_trait]
impl ChangeFeed for PostgresStore {
    async fn poll(&self, after_seq: u64, replica: ReplicaId) -> Result<FeedPage, Error> {
        let after = i64::try_from(after_seq).unwrap_or(i64::MAX);
        let limit = i64::try_from(MOST_CHANGES + 1).unwrap_or(i64::MAX);
        let read = || {
            sqlx::query_as(include_str!("sql/poll.sql"))
                .bind(after)
                .bind(limit)
                .bind(replica.0)
        };
        let rows = self.fetch(&self.feed, "polling for changes", read).await?;
        row::feed_page(rows, after_seq)
    }

    async fn hint(&self) {
        self.changed.notified().await;
    }

    async fn prune(&self) -> Result<(), Error> {
        let prune = sqlx::query("SELECT challenges_catalog.prune(make_interval(secs => $1))")
            .bind(KEPT.as_secs_f64())
            .execute(&self.pool);
        self.write("pruning the commit log", prune).await?;
        self.prune_edit_requests().await?;
        self.prune_tips().await
    }
}
