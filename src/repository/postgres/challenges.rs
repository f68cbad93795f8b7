//! The port [`ChallengeRepository`]: reads pages and single challenges, and adds missing ones.
use async_trait::async_trait;
use sqlx::{FromRow, postgres::PgRow};
use uuid::Uuid;

use super::{
    PostgresStore, challenge_writes,
    store::{PrimaryRow, Query},
};
use crate::{
    domain::{
        Challenge, ChallengeId, ChallengePage, ChallengeRepository, Error, ListQuery, NewChallenge,
        Stamped,
    },
    repository::{
        challenge_row::{self, ListRange, PageRow, StampedRow},
        row::signed,
    },
};

/// The statement that reads a page, and counts all rows if `total_count` is not given.
pub(super) fn list<R: for<'r> FromRow<'r, PgRow>>(
    range: &ListRange,
    total_count: Option<u64>,
) -> Query<R> {
    let (rank, points, title, id) = range.after.clone();
    sqlx::query_as(include_str!("sql/list.sql"))
        .bind(range.difficulties.clone())
        .bind(range.ranks.0)
        .bind(range.ranks.1)
        .bind(rank)
        .bind(points)
        .bind(title)
        .bind(id)
        .bind(range.limit)
        .bind(total_count.map(signed))
}

/// The statement that reads challenges by their ids.
pub(super) fn find_many<R: for<'r> FromRow<'r, PgRow>>(ids: Vec<Uuid>) -> Query<R> {
    sqlx::query_as(include_str!("sql/find_many.sql")).bind(ids)
}

#[async_trait]
impl ChallengeRepository for PostgresStore {
    async fn read_page(
        &self,
        query: &ListQuery,
        total_count: Option<u64>,
    ) -> Result<Stamped<ChallengePage>, Error> {
        let fetch = |range| async move {
            let read = || list(&range, total_count);
            let has_unnumbered = |row: &PageRow| row.stamped.has_unnumbered;
            self.fetch_numbered("listing challenges", read, has_unnumbered)
                .await
        };
        challenge_row::read_page(query, &self.invalid_rows, fetch).await
    }

    async fn find_many(&self, ids: &[ChallengeId]) -> Result<Stamped<Vec<Challenge>>, Error> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
        let read = || find_many(ids.clone());
        let context = "finding challenges";
        let has_unnumbered = |row: &StampedRow| row.has_unnumbered;
        let rows = self.fetch_numbered(context, read, has_unnumbered).await?;
        challenge_row::valid(rows, &self.invalid_rows)
    }

    async fn insert_missing(&self, challenges: &[NewChallenge]) -> Result<u64, Error> {
        // Safe to retry: existing rows stay as they are.
        let insert = || challenge_writes::insert_missing(challenges);
        let added: Option<i64> = self.fetch_one("adding challenges", insert).await?;
        self.notifications.push_look();
        Ok(added.unwrap_or_default().unsigned_abs())
    }
}

/// How often a read that saw unnumbered commits is repeated.
const MAX_REPEATED_READS: u32 = 3;

impl PostgresStore {
    /// Repeats a read after numbering while it saw commits without a number: its stamp is older than what it shows, so
    /// a caller who passes the stamp on as a ticket could be shown less elsewhere. Under a flood of commits the last
    /// read counts.
    async fn fetch_numbered<R>(
        &self,
        context: &'static str,
        read: impl Fn() -> Query<PrimaryRow<R>> + Send + Sync,
        has_unnumbered: fn(&R) -> bool,
    ) -> Result<Vec<R>, Error>
    where
        R: for<'r> sqlx::FromRow<'r, PgRow> + Send + Unpin,
    {
        let mut rows = self.fetch_from_primary(&self.pool, context, &read).await?;
        for _ in 0..MAX_REPEATED_READS {
            if !rows.first().is_some_and(has_unnumbered) {
                break;
            }
            self.number(context).await?;
            rows = self.fetch_from_primary(&self.pool, context, &read).await?;
        }
        Ok(rows)
    }
}
