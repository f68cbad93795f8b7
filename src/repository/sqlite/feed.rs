use async_trait::async_trait;
use sqlx::FromRow;

use super::SqliteStore;
use crate::{
    domain::{ChangeFeed, Error, FeedPage, Hint, News, ReplicaId, ReplicaReport, Tell},
    repository::{
        fault::Broken,
        row::{self, FeedCommit, FeedHead, KEPT, MOST_COMMITS, signed},
    },
};

/// A change, with what is known of the whole list; no change where nothing happened.
#[derive(FromRow)]
struct FeedRow {
    #[sqlx(flatten)]
    head: FeedHead,
    seq: Option<i64>,
    tag: Option<String>,
    hard: Option<bool>,
    is_awaited: Option<bool>,
}

impl FeedRow {
    fn commit(self) -> Option<FeedCommit> {
        Some(FeedCommit {
            seq: self.seq?,
            tags: vec![self.tag?],
            hard: self.hard.unwrap_or(false),
            is_awaited: self.is_awaited.unwrap_or(false),
        })
    }
}

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
        self.follow_file().await?;
        let read = || {
            sqlx::query_as(include_str!("sql/poll.sql"))
                .bind(signed(after_seq))
                .bind(i64::try_from(MOST_COMMITS + 1).unwrap_or(i64::MAX))
                .bind(replica.0.hyphenated())
        };
        let mut rows: Vec<FeedRow> = self.fetch(&self.feed, context, read()).await?;
        if self.begin_history().await? {
            rows = self.fetch(&self.feed, context, read()).await?;
        }
        // Only now: a replica counts as registered when it was so before it asked.
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
        let nothing = || {
            Error::internal(
                context,
                Broken("the list of changes has no state".to_owned()),
            )
        };
        let head = rows
            .first()
            .map(|row| row.head.clone())
            .ok_or_else(nothing)?;
        let commits = rows.into_iter().filter_map(FeedRow::commit);
        row::feed_page(&head, commits.collect(), after_seq)
    }

    async fn hint(&self) -> Hint {
        self.changed.notified().await;
        Hint::Look
    }

    /// There is nothing to tell others by.
    async fn announce(&self, _: &News) -> Result<(), Error> {
        Ok(())
    }

    async fn prune(&self) -> Result<bool, Error> {
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
        self.prune_tips().await?;
        Ok(false)
    }
}

impl SqliteStore {
    /// Takes in what a replica tells, and forgets those that fell silent.
    async fn register(&self, report: &ReplicaReport) -> Result<(), Error> {
        let applied = report.applied;
        let work = async {
            let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
            sqlx::query(include_str!("sql/report.sql"))
                .bind(report.id.0.hyphenated())
                .bind(report.name.as_str())
                .bind(row::database_column(applied.database))
                .bind(i64::from(applied.stamp.timeline))
                .bind(signed(applied.stamp.seq))
                .bind(report.status.as_ref())
                .execute(&mut *transaction)
                .await?;
            sqlx::query(include_str!("sql/forget_silent.sql"))
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await
        };
        self.within("reporting", work).await
    }
}
