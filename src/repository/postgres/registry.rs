use std::time::Duration;

use tonic::async_trait;

use super::{PostgresStore, store::Query};
use crate::{
    domain::{
        Error, Invalidator, KnownReplica, ReplicaId, ReplicaRegistry, ReplicaReport, Stamp, Tag,
    },
    repository::row::{self, ReplicaRow},
};

// Every call here does no harm when it is made twice, so none fails for a dead connection in the pool.

#[async_trait]
impl ReplicaRegistry for PostgresStore {
    async fn report(&self, report: &ReplicaReport) -> Result<(), Error> {
        row::check_report(report)?;
        let (timeline, seq) = row::columns(report.applied);
        let call = || {
            sqlx::query_as("SELECT challenges_catalog.report($1, $2, $3, $4, $5)")
                .bind(report.id.0)
                .bind(report.name.clone())
                .bind(timeline)
                .bind(seq)
                .bind(report.status.to_vec())
        };
        self.call("reporting", call).await
    }

    async fn acknowledge(&self, replica: ReplicaId, applied: Stamp) -> Result<(), Error> {
        let (timeline, seq) = row::columns(applied);
        let call = || {
            sqlx::query_as("SELECT challenges_catalog.acknowledge($1, $2, $3)")
                .bind(replica.0)
                .bind(timeline)
                .bind(seq)
        };
        self.call("acknowledging", call).await
    }

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
        let rows: Vec<(bool,)> = self.fetch(&self.pool, "taking a task", call).await?;
        Ok(rows.iter().any(|(taken,)| *taken))
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
    async fn invalidate(&self, tags: &[Tag], hard: bool) -> Result<Stamp, Error> {
        let context = "invalidating";
        let tags = row::texts(tags)?;
        let call = || {
            sqlx::query_as("SELECT challenges_catalog.invalidate($1, $2)")
                .bind(tags.clone())
                .bind(hard)
        };
        let rows: Vec<(i64,)> = self.fetch(&self.pool, context, call).await?;
        self.changed.notify_one();
        let entry = rows.first().map(|(entry,)| *entry);
        self.sealed(context, entry.unwrap_or_default()).await
    }
}

impl PostgresStore {
    /// Calls a function that gives nothing.
    pub(super) async fn call(
        &self,
        context: &'static str,
        call: impl Fn() -> Query<()> + Send + Sync,
    ) -> Result<(), Error> {
        self.fetch(&self.pool, context, call).await.map(drop)
    }
}
