//! The ports [`ReplicaRegistry`] and [`Invalidator`].
use std::time::Duration;

use async_trait::async_trait;

use super::SqliteStore;
use crate::{
    domain::{
        Error, Invalidation, Invalidator, KnownReplica, ReplicaId, ReplicaRegistry, Tag, Version,
    },
    repository::row::{self, ReplicaRow, micros},
};

#[async_trait]
impl ReplicaRegistry for SqliteStore {
    async fn leave(&self, replica: ReplicaId) -> Result<(), Error> {
        let work = sqlx::query("DELETE FROM catalog_replica WHERE id = $1")
            .bind(replica.0.hyphenated())
            .execute(&self.pool);
        self.within("leaving the registry", work).await.map(drop)
    }

    async fn replicas(&self) -> Result<Vec<KnownReplica>, Error> {
        let read = sqlx::query_as(include_str!("sql/replicas.sql"));
        let rows: Vec<ReplicaRow> = self.fetch(&self.pool, "reading the registry", read).await?;
        rows.into_iter().map(row::replica).collect()
    }

    async fn take_task(
        &self,
        name: &'static str,
        holder: ReplicaId,
        ttl: Duration,
    ) -> Result<bool, Error> {
        let work = sqlx::query(include_str!("sql/take_task.sql"))
            .bind(name)
            .bind(holder.0.hyphenated())
            .bind(micros(ttl))
            .execute(&self.pool);
        let done = self.within("taking a task", work).await?;
        Ok(done.rows_affected() > 0)
    }

    async fn drop_task(&self, name: &'static str, holder: ReplicaId) -> Result<(), Error> {
        let work = sqlx::query("DELETE FROM catalog_task WHERE name = $1 AND holder = $2")
            .bind(name)
            .bind(holder.0.hyphenated())
            .execute(&self.pool);
        self.within("giving a task back", work).await.map(drop)
    }
}

#[async_trait]
impl Invalidator for SqliteStore {
    async fn invalidate(&self, tags: &[Tag], how: Invalidation) -> Result<Version, Error> {
        let tags = row::tag_texts(tags)?;
        let work = async |connection: &mut _| {
            let mut newest = 0;
            for tag in tags {
                let insert = "INSERT INTO catalog_change (tag, hard, is_awaited) VALUES ($1, $2, $3) RETURNING seq";
                newest = sqlx::query_scalar(insert)
                    .bind(tag)
                    .bind(how.hard)
                    .bind(how.awaited)
                    .fetch_one(&mut *connection)
                    .await?;
            }
            Ok(newest)
        };
        let seq: i64 = self.write("invalidating", work).await?;
        self.changed.notify_one();
        self.version_of(Some(seq)).await
    }
}
