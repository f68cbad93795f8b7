use async_trait::async_trait;
use sqlx::{Sqlite, Transaction};

use super::SqliteStore;
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

#[async_trait]
impl TipBatchStore for SqliteStore {
    async fn note(&self, batch: &NewBatch) -> Result<(), Error> {
        tip_batch_row::check(batch)?;
        let work = async {
            let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
            note(&mut transaction, batch).await?;
            transaction.commit().await
        };
        self.within("noting a batch of tips", work).await
    }

    async fn open_batches(&self) -> Result<Vec<NotedBatch>, Error> {
        self.read_batches(None).await
    }

    async fn batches(&self, ids: &[BatchId]) -> Result<Vec<NotedBatch>, Error> {
        self.read_batches(Some(ids)).await
    }

    async fn orders(&self, id: BatchId) -> Result<Vec<NotedOrder>, Error> {
        let read = sqlx::query_as(include_str!("sql/tip_batch_orders.sql")).bind(id.0.hyphenated());
        let context = "reading the orders of a batch";
        tip_batch_row::orders(self.fetch(&self.pool, context, read).await?)
    }

    async fn handed_in(&self, id: BatchId, at: Option<UnixMicros>) -> Result<(), Error> {
        let work = sqlx::query(
            "UPDATE tip_batches SET handed_in_at = $2 WHERE id = $1 AND provider_batch_id IS NULL",
        )
        .bind(id.0.hyphenated())
        .bind(at.map(|at| at.0))
        .execute(&self.pool);
        let done = self.within("handing in a batch of tips", work).await;
        done.map(drop)
    }

    async fn submitted(&self, id: BatchId, provider_id: &ProviderBatchId) -> Result<(), Error> {
        let work = sqlx::query(
            "UPDATE tip_batches SET provider_batch_id = $2 WHERE id = $1 AND provider_batch_id IS NULL",
        )
        .bind(id.0.hyphenated())
        .bind(provider_id.0.as_str())
        .execute(&self.pool);
        self.within("naming a batch of tips", work).await.map(drop)
    }

    async fn ended(&self, id: BatchId, at: UnixMicros) -> Result<(), Error> {
        let work =
            sqlx::query("UPDATE tip_batches SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL")
                .bind(id.0.hyphenated())
                .bind(at.0)
                .execute(&self.pool);
        self.within("ending a batch of tips", work).await.map(drop)
    }

    async fn settle(&self, id: BatchId, orders: &[SettledOrder]) -> Result<(), Error> {
        let work = async {
            let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
            for order in orders {
                sqlx::query(include_str!("sql/settle_tip_batch.sql"))
                    .bind(id.0.hyphenated())
                    .bind(order.number)
                    .bind(order.outcome.as_str())
                    .bind(column(order.usage.input_tokens))
                    .bind(column(order.usage.output_tokens))
                    .bind(order.usage.is_estimated)
                    .bind(column(order.cost_micro_usd))
                    .execute(&mut *transaction)
                    .await?;
            }
            transaction.commit().await
        };
        self.within("settling a batch of tips", work).await
    }

    async fn close_batch(
        &self,
        id: BatchId,
        is_lost: bool,
        repeat: Option<&NewBatch>,
    ) -> Result<bool, Error> {
        repeat.map(tip_batch_row::check).transpose()?;
        let work = async {
            let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
            let done = sqlx::query(include_str!("sql/close_tip_batch.sql"))
                .bind(id.0.hyphenated())
                .bind(is_lost)
                .execute(&mut *transaction)
                .await?;
            let is_closed = done.rows_affected() > 0;
            if let Some(repeat) = repeat.filter(|_| is_closed) {
                note(&mut transaction, repeat).await?;
            }
            transaction.commit().await?;
            Ok(is_closed)
        };
        self.within("closing a batch of tips", work).await
    }
}

impl SqliteStore {
    /// The open ones, or these.
    async fn read_batches(&self, ids: Option<&[BatchId]>) -> Result<Vec<NotedBatch>, Error> {
        let context = "reading batches of tips";
        let wanted = ids.unwrap_or_default().iter().map(ToString::to_string);
        let wanted: Vec<_> = wanted.collect();
        let most = MOST_BATCHES.max(column(2 * wanted.len() as u64));
        let wanted =
            serde_json::to_string(&wanted).map_err(|error| Error::internal(context, error))?;
        let read = sqlx::query_as(include_str!("sql/tip_batches.sql"))
            .bind(ids.is_none())
            .bind(wanted)
            .bind(most);
        let rows: Vec<BatchRow> = self.fetch(&self.pool, context, read).await?;
        tip_batch_row::batches(rows)
    }
}

async fn note(
    transaction: &mut Transaction<'_, Sqlite>,
    batch: &NewBatch,
) -> Result<(), sqlx::Error> {
    sqlx::query(include_str!("sql/forget_tip_batches.sql"))
        .execute(&mut **transaction)
        .await?;
    sqlx::query(include_str!("sql/note_tip_batch.sql"))
        .bind(batch.id.0.hyphenated())
        .bind(batch.provider.as_str())
        .bind(batch.model.as_str())
        .bind(batch.locale.as_str())
        .bind(batch.persona.as_str())
        .bind(batch.edition.as_str())
        .bind(batch.shown)
        .bind(batch.repeats.map(|id| id.0.hyphenated()))
        .bind(column(batch.reserved_micro_usd))
        .bind(batch.created_at.0)
        .execute(&mut **transaction)
        .await?;
    for (number, order) in (0_u32..).zip(&batch.orders) {
        sqlx::query(include_str!("sql/note_tip_batch_order.sql"))
            .bind(batch.id.0.hyphenated())
            .bind(number)
            .bind(order.key.0.as_slice())
            .bind(order.challenge.uuid().hyphenated())
            .bind(order.content.as_slice())
            .bind(column(order.epoch.0))
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}
