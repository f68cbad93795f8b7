use std::time::Duration;

use async_trait::async_trait;

use super::{PostgresStore, store::Query};
use crate::{
    domain::{
        Error, Invalidation, Invalidator, KnownReplica, ReplicaId, ReplicaRegistry, Tag, Version,
    },
    repository::{
        fault::Broken,
        row::{self, ReplicaRow},
    },
};

/// How many rows of the outbox one call numbers.
const NUMBERED_AT_ONCE: i32 = 2_000;
/// How many calls a commit of ours waits for to be numbered.
const NUMBER_ROUNDS: u32 = 100;

// Every call here does no harm when it is made twice, so none fails for a dead connection in the pool.

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
    async fn invalidate(&self, tags: &[Tag], how: Invalidation) -> Result<Version, Error> {
        let context = "invalidating";
        let tags = row::texts(tags)?;
        let call = || {
            sqlx::query_as("SELECT challenges_catalog.invalidate($1, $2, $3)")
                .bind(tags.clone())
                .bind(how.hard)
                .bind(how.awaited)
        };
        let rows: Vec<(i64,)> = self.fetch(&self.pool, context, call).await?;
        let entry = rows.first().map(|(entry,)| *entry);
        let version = self.numbered(context, entry.unwrap_or_default()).await;
        self.hints.look();
        version
    }
}

impl PostgresStore {
    /// The version of a commit that was just made, numbered here and now.
    pub(super) async fn numbered(
        &self,
        context: &'static str,
        entry: i64,
    ) -> Result<Version, Error> {
        self.number(context).await?;
        let read = || sqlx::query_as(include_str!("sql/numbered.sql")).bind(entry);
        let rows: Vec<(String, i64, i64)> = self.fetch(&self.pool, context, read).await?;
        // Another server took over in between, and lost the commit.
        let lost = || Error::datastore(Broken(format!("commit {entry} is not there")));
        let (database, timeline, seq) = rows.first().ok_or_else(lost)?;
        row::version(database, *timeline, *seq)
    }

    /// Gives numbers to all that has committed by now.
    pub(super) async fn number(&self, context: &'static str) -> Result<(), Error> {
        for _ in 0..NUMBER_ROUNDS {
            let call =
                || sqlx::query_as("SELECT challenges_catalog.number($1)").bind(NUMBERED_AT_ONCE);
            let rows: Vec<(bool,)> = self.fetch(&self.pool, context, call).await?;
            if rows.iter().all(|(is_whole,)| *is_whole) {
                return Ok(());
            }
        }
        Err(Error::datastore(Broken(
            "numbering has fallen behind".to_owned(),
        )))
    }

    /// Calls a function that gives nothing.
    pub(super) async fn call(
        &self,
        context: &'static str,
        call: impl Fn() -> Query<()> + Send + Sync,
    ) -> Result<(), Error> {
        self.fetch(&self.pool, context, call).await.map(drop)
    }
}
