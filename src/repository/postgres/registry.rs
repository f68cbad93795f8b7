use std::time::Duration;

use tonic::async_trait;

use super::PostgresStore;
use crate::{
    domain::{
        Error, Invalidator, KnownReplica, ReplicaId, ReplicaRegistry, ReplicaReport, Stamp, Tag,
    },
    repository::row::{self, ReplicaRow},
};

#[async_trait]
impl ReplicaRegistry for PostgresStore {
    async fn report(&self, report: &ReplicaReport) -> Result<(), Error> {
        let (timeline, seq) = row::columns(report.applied);
        let call = sqlx::query("SELECT challenges_catalog.report($1, $2, $3, $4, $5)")
            .bind(report.id.0)
            .bind(report.name.as_str())
            .bind(timeline)
            .bind(seq)
            .bind(report.status.as_ref())
            .execute(&self.pool);
        self.write("reporting", call).await.map(drop)
    }

    async fn acknowledge(&self, replica: ReplicaId, applied: Stamp) -> Result<(), Error> {
        let (timeline, seq) = row::columns(applied);
        let call = sqlx::query("SELECT challenges_catalog.acknowledge($1, $2, $3)")
            .bind(replica.0)
            .bind(timeline)
            .bind(seq)
            .execute(&self.pool);
        self.write("acknowledging", call).await.map(drop)
    }

    async fn leave(&self, replica: ReplicaId) -> Result<(), Error> {
        let call = sqlx::query("SELECT challenges_catalog.leave($1)")
            .bind(replica.0)
            .execute(&self.pool);
        self.write("leaving the registry", call).await.map(drop)
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
        let call = sqlx::query_as(
            "SELECT challenges_catalog.take_task($1, $2, make_interval(secs => $3))",
        )
        .bind(name)
        .bind(holder.0)
        .bind(ttl.as_secs_f64())
        .fetch_one(&self.pool);
        let (taken,): (bool,) = self.write("taking a task", call).await?;
        Ok(taken)
    }

    async fn drop_task(&self, name: &'static str, holder: ReplicaId) -> Result<(), Error> {
        let call = sqlx::query("SELECT challenges_catalog.drop_task($1, $2)")
            .bind(name)
            .bind(holder.0)
            .execute(&self.pool);
        self.write("giving a task back", call).await.map(drop)
    }
}

#[async_trait]
impl Invalidator for PostgresStore {
    async fn invalidate(&self, tags: &[Tag], hard: bool) -> Result<Stamp, Error> {
        let context = "invalidating";
        let tags: Vec<String> = tags.iter().map(ToString::to_string).collect();
        let call = sqlx::query_as("SELECT challenges_catalog.invalidate($1, $2)")
            .bind(tags)
            .bind(hard)
            .fetch_one(&self.pool);
        let (entry,): (i64,) = self.write(context, call).await?;
        // The number is given while the transaction commits, so only another statement sees it.
        let read = || sqlx::query_as(include_str!("sql/sealed.sql")).bind(entry);
        let rows: Vec<(i64, i64)> = self.fetch(&self.pool, context, read).await?;
        let sealed = rows.first().copied();
        let (timeline, seq) =
            sealed.ok_or_else(|| row::broken(format!("commit {entry} has no number")))?;
        row::stamp(timeline, seq)
    }
}
