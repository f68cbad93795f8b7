//! The port [`ChangeFeed`]: polls, and the pruning of the change log.
use async_trait::async_trait;

use super::SqliteStore;
use crate::{
    domain::{
        Announcement, ChangeFeed, Error, FeedPage, Notification, ReplicaId, ReplicaReport, Tell,
    },
    repository::row::{self, CHANGES_KEPT, FeedRow, MAX_COMMITS, micros, signed},
};

#[async_trait]
impl ChangeFeed for SqliteStore {
    async fn poll(
        &self,
        after_seq: u64,
        replica: ReplicaId,
        tell: Tell<'_>,
    ) -> Result<FeedPage, Error> {
        let context = "polling for changes";
        if let Tell::Status(report) = tell {
            row::check_report(report)?;
        }
        self.reopen_moved_file().await?;
        let read = || {
            sqlx::query_as(include_str!("sql/poll.sql"))
                .bind(signed(after_seq))
                .bind(i64::try_from(MAX_COMMITS + 1).unwrap_or(i64::MAX))
                .bind(replica.0.hyphenated())
        };
        let mut rows: Vec<FeedRow<String>> = self.fetch(&self.feed, context, read()).await?;
        if self.begin_history().await? {
            rows = self.fetch(&self.feed, context, read()).await?;
        }
        // After the poll: a replica counts as registered only if it was so before it polled.
        match tell {
            Tell::Nothing => {}
            Tell::Applied(applied) => {
                let work = sqlx::query(include_str!("sql/acknowledge.sql"))
                    .bind(replica.0.hyphenated())
                    .bind(row::database_column(applied.database))
                    .bind(signed(after_seq))
                    .execute(&self.pool);
                self.within("acknowledging", work).await?;
            }
            Tell::Status(report) => self.register(report).await?,
        }
        row::feed_page(rows, after_seq, |tag| vec![tag])
    }

    async fn notified(&self) -> Notification {
        self.changed.notified().await;
        Notification::Commit
    }

    /// Does nothing: there are no other replicas.
    async fn announce(&self, _: &Announcement) -> Result<(), Error> {
        Ok(())
    }

    async fn prune(&self) -> Result<bool, Error> {
        let prune = async |connection: &mut _| {
            sqlx::query(include_str!("sql/prune_floor.sql"))
                .bind(micros(CHANGES_KEPT))
                .execute(&mut *connection)
                .await?;
            let delete =
                "DELETE FROM catalog_change WHERE seq <= (SELECT floor FROM catalog_state)";
            sqlx::query(delete).execute(connection).await
        };
        self.write("pruning the change log", prune).await?;
        self.prune_edit_requests().await?;
        self.prune_tips().await?;
        Ok(false)
    }
}

impl SqliteStore {
    /// Stores the report of a replica, and removes replicas without a heartbeat.
    async fn register(&self, report: &ReplicaReport) -> Result<(), Error> {
        let applied = report.applied;
        let work = async |connection: &mut _| {
            sqlx::query(include_str!("sql/report.sql"))
                .bind(report.id.0.hyphenated())
                .bind(report.name.as_str())
                .bind(row::database_column(applied.database))
                .bind(i64::from(applied.stamp.timeline))
                .bind(signed(applied.stamp.seq))
                .bind(report.status.as_ref())
                .execute(&mut *connection)
                .await?;
            let forget = sqlx::query(include_str!("sql/forget_silent.sql"));
            forget.execute(connection).await
        };
        self.write("reporting", work).await.map(drop)
    }
}
