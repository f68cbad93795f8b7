//! The ports [`ReplicaRegistry`] and [`Invalidator`]. Every call may run twice, so it is retried when a pooled connection
//! was broken.
use std::time::Duration;

use async_trait::async_trait;

use super::PostgresStore;
use crate::{
    domain::{
        Error, Invalidation, Invalidator, KnownReplica, ReplicaId, ReplicaRegistry, Tag, Version,
    },
    repository::row::{self, ReplicaRow},
};

#[async_trait]
impl ReplicaRegistry for PostgresStore {
    async fn leave(&self, replica: ReplicaId) -> Result<(), Error> {
        let call = || sqlx::query_as("SELECT challenges_catalog.leave($1)").bind(replica.0);
        self.call("leaving the registry", call).await
    }

    async fn replicas(&self) -> Result<Vec<KnownReplica>, Error> {
        let read = || sqlx::query_as(include_str!("sql/replicas.sql"));
        let rows: Vec<ReplicaRow> = self.fetch(&self.pool, "reading the registry", read).await?;
        rows.into_iter().map(row::replica).collect()
    }

    async fn take_task(
        &self,
        name: &'static str,
        holder: ReplicaId,
        ttl: Duration,
    ) -> Result<bool, Error> {
        let call = || {
            sqlx::query_as("SELECT challenges_catalog.take_task($1, $2, make_interval(secs => $3))")
                .bind(name)
                .bind(holder.0)
                .bind(ttl.as_secs_f64())
        };
        let is_taken = self.fetch_one("taking a task", call).await?;
        Ok(is_taken.unwrap_or(false))
    }

    async fn drop_task(&self, name: &'static str, holder: ReplicaId) -> Result<(), Error> {
        let call = || {
            sqlx::query_as("SELECT challenges_catalog.drop_task($1, $2)")
                .bind(name)
                .bind(holder.0)
        };
        self.call("giving a task back", call).await
    }
}

#[async_trait]
impl Invalidator for PostgresStore {
    async fn invalidate(&self, tags: &[Tag], how: Invalidation) -> Result<Version, Error> {
        let context = "invalidating";
        let tags = row::tag_texts(tags)?;
        let call = || {
            sqlx::query_as("SELECT challenges_catalog.invalidate($1, $2, $3)")
                .bind(tags.clone())
                .bind(how.hard)
                .bind(how.awaited)
        };
        let entry = self.fetch_one(context, call).await?;
        let version = self.numbered(context, entry.unwrap_or_default()).await;
        self.notifications.push_look();
        version
    }
}
