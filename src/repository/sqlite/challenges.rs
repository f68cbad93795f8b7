use async_trait::async_trait;
use sqlx::{Sqlite, query::QueryAs, sqlite::SqliteArguments};

use super::SqliteStore;
use crate::{
    domain::{
        Challenge, ChallengeId, ChallengePage, ChallengeRepository, Error, ListQuery, NewChallenge,
        Stamped,
    },
    repository::{
        challenge_row::{self, PageRead, PageRow, StampedRow},
        range::Range,
        row::signed,
    },
};

/// A statement that reads rows.
pub(super) type Query<R> = QueryAs<'static, Sqlite, R, SqliteArguments>;

/// The statement that reads a page, and counts where the total is not given.
pub(super) fn list(range: &Range, total_count: Option<u64>) -> Query<PageRow> {
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

/// The statement that reads challenges by their ids, which are an array in JSON.
pub(super) fn find_many(ids: String) -> Query<StampedRow> {
    sqlx::query_as(include_str!("sql/find_many.sql")).bind(ids)
}

#[async_trait]
impl ChallengeRepository for SqliteStore {
    async fn read_page(
        &self,
        query: &ListQuery,
        total_count: Option<u64>,
    ) -> Result<Stamped<ChallengePage>, Error> {
        let mut range = Range::from(query);
        loop {
            let read = list(&range, total_count);
            let rows = self.fetch(&self.pool, "listing challenges", read).await?;
            match challenge_row::page(rows, query.page_size.get().into(), range.limit)? {
                PageRead::Whole(page, odd) => {
                    self.odd.note_challenges(odd);
                    return Ok(page);
                }
                PageRead::Wider(limit) => range.limit = limit,
            }
        }
    }

    async fn find_many(&self, ids: &[ChallengeId]) -> Result<Stamped<Vec<Challenge>>, Error> {
        let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
        let context = "finding challenges";
        let ids = serde_json::to_string(&ids).map_err(|error| Error::internal(context, error))?;
        let rows = self.fetch(&self.pool, context, find_many(ids)).await?;
        let Stamped { version, value } = challenge_row::read(rows)?;
        self.odd.note_challenges(value.odd);
        Ok(Stamped {
            version,
            value: value.challenges,
        })
    }

    async fn insert_missing(&self, challenges: &[NewChallenge]) -> Result<u64, Error> {
        let insert = async {
            // Immediate: a transaction that reads first and writes then fails when another one wrote in between.
            let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
            let mut added = 0;
            for new in challenges {
                let done = sqlx::query(include_str!("sql/insert_missing.sql"))
                    .bind(new.id.uuid().hyphenated())
                    .bind(new.difficulty.as_str())
                    .bind(new.title.as_str())
                    .bind(new.description.as_str())
                    .bind(new.points)
                    .bind(new.tips.as_deref())
                    .execute(&mut *transaction)
                    .await?;
                added += done.rows_affected();
            }
            transaction.commit().await?;
            Ok(added)
        };
        let added = self.within("adding challenges", insert).await?;
        self.changed.notify_one();
        Ok(added)
    }
}
