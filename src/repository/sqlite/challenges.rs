use tonic::async_trait;

use super::SqliteStore;
use crate::{
    domain::{
        Challenge, ChallengeId, ChallengeRepository, Error, ListQuery, NewChallenge, Page, Stamped,
    },
    repository::{range::Range, row},
};

#[async_trait]
impl ChallengeRepository for SqliteStore {
    async fn list(&self, query: &ListQuery) -> Result<Stamped<Page>, Error> {
        let range = Range::from(query);
        let (rank, points, title, id) = range.after;
        let read = sqlx::query_as(include_str!("sql/list.sql"))
            .bind(range.ranks.0)
            .bind(range.ranks.1)
            .bind(rank)
            .bind(points)
            .bind(title)
            .bind(id.hyphenated())
            .bind(range.limit);
        let rows = self.fetch(&self.pool, "listing challenges", read).await?;
        row::page(rows, query.page_size.get().into())
    }

    async fn find_many(&self, ids: &[ChallengeId]) -> Result<Stamped<Vec<Challenge>>, Error> {
        let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
        let context = "finding challenges";
        let ids = serde_json::to_string(&ids).map_err(|error| Error::internal(context, error))?;
        let read = sqlx::query_as(include_str!("sql/find_many.sql")).bind(ids);
        row::challenges(self.fetch(&self.pool, context, read).await?)
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
