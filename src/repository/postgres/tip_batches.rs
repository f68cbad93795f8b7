use async_trait::async_trait;
use uuid::Uuid;

use super::{PostgresStore, store::Query};
use crate::{
    domain::{
        BatchId, Error, NewBatch, NotedBatch, NotedOrder, ProviderBatchId, SettledOrder,
        TipBatchStore, UnixMicros,
    },
    repository::{
        tip_batch_row::{self, BatchRow, MOST_BATCHES},
        tip_row::column,
    },
};

// Every call here does no harm when it is made twice, so none fails for a dead connection in the pool.

#[async_trait]
impl TipBatchStore for PostgresStore {
    async fn note(&self, batch: &NewBatch) -> Result<(), Error> {
        tip_batch_row::check(batch)?;
        let call = || noting(include_str!("sql/note_tip_batch.sql"), batch);
        self.call("noting a batch of tips", call).await
    }

    async fn open_batches(&self) -> Result<Vec<NotedBatch>, Error> {
        self.read_batches(None).await
    }

    async fn batches(&self, ids: &[BatchId]) -> Result<Vec<NotedBatch>, Error> {
        self.read_batches(Some(ids)).await
    }

    async fn orders(&self, id: BatchId) -> Result<Vec<NotedOrder>, Error> {
        let read = || sqlx::query_as(include_str!("sql/tip_batch_orders.sql")).bind(id.0);
        let context = "reading the orders of a batch";
        tip_batch_row::orders(self.fetch(&self.pool, context, read).await?)
    }

    async fn handed_in(&self, id: BatchId, at: Option<UnixMicros>) -> Result<(), Error> {
        let call = || {
            let call = "SELECT challenges_catalog.hand_in_tip_batch(
                $1, timestamptz 'epoch' + $2::bigint * interval '1 microsecond')";
            sqlx::query_as(call).bind(id.0).bind(at.map(|at| at.0))
        };
        self.call("handing in a batch of tips", call).await
    }

    async fn submitted(&self, id: BatchId, provider_id: &ProviderBatchId) -> Result<(), Error> {
        let call = || {
            sqlx::query_as("SELECT challenges_catalog.name_tip_batch($1, $2)")
                .bind(id.0)
                .bind(provider_id.0.clone())
        };
        self.call("naming a batch of tips", call).await
    }

    async fn ended(&self, id: BatchId, at: UnixMicros) -> Result<(), Error> {
        let call = || {
            let call = "SELECT challenges_catalog.end_tip_batch(
                $1, timestamptz 'epoch' + $2 * interval '1 microsecond')";
            sqlx::query_as(call).bind(id.0).bind(at.0)
        };
        self.call("ending a batch of tips", call).await
    }

    async fn settle(&self, id: BatchId, orders: &[SettledOrder]) -> Result<(), Error> {
        let count = |of: fn(&SettledOrder) -> u64| -> Vec<i64> {
            orders.iter().map(|order| column(of(order))).collect()
        };
        let numbers = orders.iter().map(|order| order.number);
        let numbers: Vec<i32> = numbers
            .map(|number| i32::try_from(number).unwrap_or(i32::MAX))
            .collect();
        let outcomes: Vec<_> = orders.iter().map(|order| order.outcome.clone()).collect();
        let estimates: Vec<_> = orders
            .iter()
            .map(|order| order.usage.is_estimated)
            .collect();
        let call = || {
            let call = "SELECT challenges_catalog.settle_tip_batch($1, $2, $3, $4, $5, $6, $7)";
            sqlx::query_as(call)
                .bind(id.0)
                .bind(numbers.clone())
                .bind(outcomes.clone())
                .bind(count(|order| order.usage.input_tokens))
                .bind(count(|order| order.usage.output_tokens))
                .bind(estimates.clone())
                .bind(count(|order| order.cost_micro_usd))
        };
        self.call("settling a batch of tips", call).await
    }

    async fn close_batch(
        &self,
        id: BatchId,
        is_lost: bool,
        repeat: Option<&NewBatch>,
    ) -> Result<bool, Error> {
        repeat.map(tip_batch_row::check).transpose()?;
        let call = || match repeat {
            Some(repeat) => {
                let call = include_str!("sql/close_and_repeat_tip_batch.sql");
                noting(call, repeat).bind(id.0).bind(is_lost)
            }
            None => sqlx::query_as("SELECT challenges_catalog.close_tip_batch($1, $2)")
                .bind(id.0)
                .bind(is_lost),
        };
        let context = "closing a batch of tips";
        let rows: Vec<(bool,)> = self.fetch(&self.pool, context, call).await?;
        Ok(rows.iter().any(|(closed,)| *closed))
    }
}

impl PostgresStore {
    /// The open ones, or these.
    async fn read_batches(&self, ids: Option<&[BatchId]>) -> Result<Vec<NotedBatch>, Error> {
        let wanted = ids.unwrap_or_default().iter().map(|id| id.0);
        let wanted: Vec<Uuid> = wanted.collect();
        let read = || {
            sqlx::query_as(include_str!("sql/tip_batches.sql"))
                .bind(ids.is_none())
                .bind(wanted.clone())
                .bind(MOST_BATCHES.max(column(2 * wanted.len() as u64)))
        };
        let context = "reading batches of tips";
        let rows: Vec<BatchRow> = self.fetch(&self.pool, context, read).await?;
        tip_batch_row::batches(rows)
    }
}

/// A statement with a new batch as its first 14 arguments.
fn noting<R>(statement: &'static str, batch: &NewBatch) -> Query<R>
where
    R: for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow>,
{
    let orders = batch.orders.iter();
    let keys: Vec<_> = orders.clone().map(|order| order.key.0.to_vec()).collect();
    let challenges: Vec<Uuid> = orders.clone().map(|order| order.challenge.uuid()).collect();
    let contents: Vec<_> = orders.clone().map(|order| order.content.to_vec()).collect();
    let epochs: Vec<_> = orders.map(|order| column(order.epoch.0)).collect();
    sqlx::query_as(statement)
        .bind(batch.id.0)
        .bind(batch.provider.clone())
        .bind(batch.model.clone())
        .bind(batch.locale.to_string())
        .bind(batch.persona.to_string())
        .bind(batch.edition.clone())
        .bind(batch.shown)
        .bind(batch.repeats.map(|id| id.0))
        .bind(column(batch.reserved_micro_usd))
        .bind(batch.created_at.0)
        .bind(keys)
        .bind(challenges)
        .bind(contents)
        .bind(epochs)
}
