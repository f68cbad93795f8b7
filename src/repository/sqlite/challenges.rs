//! The port [`ChallengeRepository`]: reads pages and single challenges, and adds missing ones.
use async_trait::async_trait;

use super::{SqliteStore, challenge_writes, store::Query};
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
pub(super) fn list(range: &ListRange, total_count: Option<u64>) -> Query<PageRow> {
    let (rank, points, title, id) = range.after.clone();
    sqlx::query_as(include_str!("sql/list.sql"))
        .bind(range.ranks.0)
        .bind(range.ranks.1)
        .bind(rank)
        .bind(points)
        .bind(title)
        .bind(id.hyphenated())
        .bind(range.limit)
        .bind(total_count.map(signed))
}

/// The statement that reads challenges by their ids, a JSON array.
pub(super) fn find_many(ids: &[String]) -> Query<StampedRow> {
    let ids = serde_json::json!(ids).to_string();
    sqlx::query_as(include_str!("sql/find_many.sql")).bind(ids)
}

#[async_trait]
impl ChallengeRepository for SqliteStore {
    async fn read_page(
        &self,
        query: &ListQuery,
        total_count: Option<u64>,
    ) -> Result<Stamped<ChallengePage>, Error> {
        let fetch = |range| async move {
            let read = list(&range, total_count);
            self.fetch(&self.pool, "listing challenges", read).await
        };
        challenge_row::read_page(query, &self.invalid_rows, fetch).await
    }

    async fn find_many(&self, ids: &[ChallengeId]) -> Result<Stamped<Vec<Challenge>>, Error> {
        let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
        let read = find_many(&ids);
        let rows = self.fetch(&self.pool, "finding challenges", read).await?;
        challenge_row::valid(rows, &self.invalid_rows)
    }

    async fn insert_missing(&self, challenges: &[NewChallenge]) -> Result<u64, Error> {
        let insert = async |connection: &mut _| {
            let mut added = 0;
            for new in challenges {
                let insert = challenge_writes::insert_missing(new);
                let done = insert.execute(&mut *connection).await?;
                added += done.rows_affected();
            }
            Ok(added)
        };
        let added = self.write("adding challenges", insert).await?;
        self.changed.notify_one();
        Ok(added)
    }
}
