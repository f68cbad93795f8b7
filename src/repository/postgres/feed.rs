use async_trait::async_trait;
use sqlx::FromRow;

use super::PostgresStore;
use crate::{
    domain::{ChangeFeed, Error, FeedPage, Hint, News, ReplicaId, Tell, Version},
    repository::{
        fault::Broken,
        row::{self, FeedCommit, FeedHead, KEPT, MOST_COMMITS, signed},
        tip_row::MOST_PRUNED,
    },
};

/// A commit, with what is known of the whole log; no commit where nothing happened.
#[derive(FromRow)]
struct FeedRow {
    #[sqlx(flatten)]
    head: FeedHead,
    seq: Option<i64>,
    tags: Option<Vec<String>>,
    hard: Option<bool>,
    is_awaited: Option<bool>,
}

impl FeedRow {
    fn commit(self) -> Option<FeedCommit> {
        Some(FeedCommit {
            seq: self.seq?,
            tags: self.tags?,
            hard: self.hard.unwrap_or(false),
            is_awaited: self.is_awaited.unwrap_or(false),
        })
    }
}

#[async_trait]
impl ChangeFeed for PostgresStore {
    async fn poll(
        &self,
        after_seq: u64,
        replica: ReplicaId,
        tell: Tell<'_>,
    ) -> Result<FeedPage, Error> {
        let context = "polling for changes";
        let (report, applied) = match tell {
            Tell::Nothing => (None, Version::default()),
            Tell::Applied(applied) => (None, applied),
            Tell::Status(report) => (Some(report), report.applied),
        };
        report.map_or(Ok(()), row::check_report)?;
        let limit = i32::try_from(MOST_COMMITS + 1).unwrap_or(i32::MAX);
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
        let rows: Vec<FeedRow> = self.fetch_current(&self.feed, context, read).await?;
        let nothing = || Error::internal(context, Broken("the commit log has no state".to_owned()));
        let mut rows = rows.into_iter();
        let first = rows.next().ok_or_else(nothing)?;
        let FeedRow { ref head, .. } = first;
        let head = head.clone();
        let commits = std::iter::once(first).chain(rows);
        row::feed_page(
            &head,
            commits.filter_map(FeedRow::commit).collect(),
            after_seq,
        )
    }

    async fn hint(&self) -> Hint {
        self.hints.next().await
    }

    async fn announce(&self, news: &News) -> Result<(), Error> {
        let Some(payload) = self.hints.write(news) else {
            return Ok(());
        };
        // In a transaction that writes nothing, so nobody waits for the disk, or for a standby, behind
        // the lock that NOTIFY takes.
        let notify = || {
            sqlx::query_as(
                "SELECT pg_notify('challenges_catalog', $1) WHERE pg_notification_queue_usage() < 0.5",
            )
            .bind(payload.clone())
        };
        let sent: Result<Vec<((),)>, Error> = self
            .fetch(&self.pool, "telling the other replicas", notify)
            .await;
        sent.map(drop)
    }

    async fn prune(&self) -> Result<bool, Error> {
        let prune = || {
            sqlx::query_as("SELECT challenges_catalog.prune(make_interval(secs => $1), $2)")
                .bind(KEPT.as_secs_f64())
                .bind(i32::try_from(MOST_PRUNED).unwrap_or(i32::MAX))
        };
        let rows: Vec<(bool,)> = self
            .fetch(&self.pool, "pruning the commit log", prune)
            .await?;
        self.prune_edit_requests().await?;
        self.prune_tips().await?;
        Ok(rows.iter().any(|(more,)| *more))
    }
}
