use tonic::async_trait;
use uuid::Uuid;

use super::PostgresStore;
use crate::{
    domain::{
        Challenge, ChallengeId, ChallengeRepository, Error, ListQuery, NewChallenge, Page, Stamped,
    },
    repository::{range::Range, row},
};

#[async_trait]
impl ChallengeRepository for PostgresStore {
    async fn list(&self, query: &ListQuery) -> Result<Stamped<Page>, Error> {
        let range = Range::from(query);
        let read = || {
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
        };
        let rows = self.fetch(&self.pool, "listing challenges", read).await?;
        row::page(rows, query.page_size.get().into())
    }

    async fn find_many(&self, ids: &[ChallengeId]) -> Result<Stamped<Vec<Challenge>>, Error> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
        let read = || sqlx::query_as(include_str!("sql/find_many.sql")).bind(ids.clone());
        row::challenges(self.fetch(&self.pool, "finding challenges", read).await?)
    }

    async fn insert_missing(&self, challenges: &[NewChallenge]) -> Result<u64, Error> {
        let column = |of: fn(&NewChallenge) -> &str| -> Vec<String> {
            challenges.iter().map(|new| of(new).to_owned()).collect()
        };
        let ids: Vec<Uuid> = challenges.iter().map(|new| new.id.uuid()).collect();
        let points: Vec<i32> = challenges.iter().map(|new| new.points).collect();
        let tips: Vec<_> = challenges.iter().map(|new| new.tips.clone()).collect();
        let insert = sqlx::query(include_str!("sql/insert_missing.sql"))
            .bind(ids)
            .bind(column(|new| new.difficulty.as_str()))
            .bind(column(|new| &new.title))
            .bind(column(|new| &new.description))
            .bind(points)
            .bind(tips)
            .execute(&self.pool);
        let done = self.write("adding challenges", insert).await?;
        self.changed.notify_one();
        Ok(done.rows_affected())
    }
}
