//! The port [`ChangeFeed`]: polls, notifications, and the pruning of the change log.
use async_trait::async_trait;

use super::PostgresStore;
use crate::{
    domain::{Announcement, ChangeFeed, Error, FeedPage, Notification, ReplicaId, Tell, Version},
    repository::row::{self, CHANGES_KEPT, FeedRow, MAX_COMMITS, MAX_PRUNED, signed},
};

#[async_trait]
impl ChangeFeed for PostgresStore {
    async fn poll(
        &self,
        after_seq: u64,
        replica: ReplicaId,
        tell: Tell<'_>,
    ) -> Result<FeedPage, Error> {
        let (report, applied) = match tell {
            Tell::Nothing => (None, Version::default()),
            Tell::Applied(applied) => (None, applied),
            Tell::Status(report) => (Some(report), report.applied),
        };
        report.map_or(Ok(()), row::check_report)?;
        let limit = i32::try_from(MAX_COMMITS + 1).unwrap_or(i32::MAX);
        let read = || {
            sqlx::query_as(include_str!("sql/poll.sql"))
                .bind(signed(after_seq))
                .bind(limit)
                .bind(replica.0)
                .bind(report.map(|report| report.name.clone()))
                .bind(row::database_column(applied.database))
                .bind(i64::from(applied.stamp.timeline))
                .bind(report.map(|report| report.status.to_vec()))
                .bind(matches!(tell, Tell::Applied(_)))
        };
        let rows: Vec<FeedRow<Vec<String>>> = self
            .fetch_from_primary(&self.feed, "polling for changes", read)
            .await?;
        row::feed_page(rows, after_seq, |tags| tags)
    }

    async fn notified(&self) -> Notification {
        self.notifications.next().await
    }

    async fn announce(&self, announcement: &Announcement) -> Result<(), Error> {
        let Some(payload) = self.notifications.payload(announcement) else {
            return Ok(());
        };
        // This transaction writes nothing. NOTIFY takes a lock of the whole cluster at the commit; held by a
        // transaction that waits for the disk or a standby, it would delay others.
        let notify = || {
            sqlx::query_as(
                "SELECT pg_notify('challenges_catalog', $1) WHERE pg_notification_queue_usage() < 0.5",
            )
            .bind(payload.clone())
        };
        self.call("telling the other replicas", notify).await
    }

    async fn prune(&self) -> Result<bool, Error> {
        let prune = || {
            sqlx::query_as("SELECT challenges_catalog.prune(make_interval(secs => $1), $2)")
                .bind(CHANGES_KEPT.as_secs_f64())
                .bind(i32::try_from(MAX_PRUNED).unwrap_or(i32::MAX))
        };
        let has_more = self.fetch_one("pruning the change log", prune).await?;
        self.prune_edit_requests().await?;
        self.prune_tips().await?;
        Ok(has_more.unwrap_or(false))
    }
}
