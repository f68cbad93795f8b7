//! Batches of tips as both engines keep them.
use uuid::Uuid;

use super::{
    fault::Broken,
    row::{broken, unsigned},
};
use crate::domain::{
    BatchId, BatchState, ChallengeId, Epoch, Error, NewBatch, NewOrder, NotedBatch, NotedOrder,
    ProviderBatchId, Spent, TipKey, UnixMicros, Usage,
};

/// The most open batches that are told at once.
pub(super) const MOST_BATCHES: i64 = 100;

/// A batch as both engines give it.
#[derive(sqlx::FromRow)]
pub(super) struct BatchRow {
    id: String,
    provider: String,
    model: String,
    locale: String,
    persona: String,
    edition: String,
    is_shown: bool,
    repeats: Option<String>,
    reserved_micro_usd: i64,
    created_at: i64,
    handed_in_at: Option<i64>,
    provider_batch_id: Option<String>,
    ended_at: Option<i64>,
    closed_as: Option<String>,
    orders: i64,
    settled: i64,
    written: i64,
    input_tokens: i64,
    output_tokens: i64,
    is_estimated: bool,
    cost_micro_usd: i64,
}

/// An order as both engines give it.
#[derive(sqlx::FromRow)]
pub(super) struct OrderRow {
    number: i32,
    key: Vec<u8>,
    challenge: String,
    content: Vec<u8>,
    epoch: i64,
    outcome: Option<String>,
}

/// The batches of these rows.
pub(super) fn batches(rows: Vec<BatchRow>) -> Result<Vec<NotedBatch>, Error> {
    rows.into_iter().map(batch).collect()
}

fn batch(row: BatchRow) -> Result<NotedBatch, Error> {
    let id = batch_id(&row.id)?;
    let state = match (row.closed_as.as_deref(), row.ended_at) {
        (Some("imported"), _) => BatchState::Imported,
        (Some(_), _) => BatchState::Lost,
        (None, Some(_)) => BatchState::Ended,
        (None, None) if row.provider_batch_id.is_some() => BatchState::Submitted,
        (None, None) => BatchState::Noted,
    };
    let odd = |what: &'static str| move |problem| broken(format!("batch: {what} {problem}"));
    let settled = unsigned(row.settled)?;
    let written = unsigned(row.written)?;
    Ok(NotedBatch {
        batch: NewBatch {
            id,
            provider: row.provider,
            model: row.model,
            locale: row.locale.parse().map_err(odd("locale"))?,
            persona: row.persona.parse().map_err(odd("persona"))?,
            edition: row.edition,
            shown: row.is_shown,
            repeats: row.repeats.as_deref().map(batch_id).transpose()?,
            reserved_micro_usd: unsigned(row.reserved_micro_usd)?,
            created_at: UnixMicros(row.created_at),
            orders: Vec::new(),
        },
        state,
        provider_id: row.provider_batch_id.map(ProviderBatchId),
        handed_in_at: row.handed_in_at.map(UnixMicros),
        ended_at: row.ended_at.map(UnixMicros),
        orders: unsigned(row.orders)?,
        written,
        failed: settled.saturating_sub(written),
        spent: Spent {
            attempts: settled,
            usage: Usage {
                input_tokens: unsigned(row.input_tokens)?,
                output_tokens: unsigned(row.output_tokens)?,
                is_estimated: row.is_estimated,
            },
            cost_micro_usd: unsigned(row.cost_micro_usd)?,
        },
    })
}

fn batch_id(text: &str) -> Result<BatchId, Error> {
    let id = Uuid::try_parse(text).map_err(|_| broken(format!("batch {text:?}")))?;
    Ok(BatchId(id))
}

/// The orders of these rows.
pub(super) fn orders(rows: Vec<OrderRow>) -> Result<Vec<NotedOrder>, Error> {
    rows.into_iter().map(order).collect()
}

fn order(row: OrderRow) -> Result<NotedOrder, Error> {
    let hash = |bytes: Vec<u8>| {
        let length = bytes.len();
        <[u8; 32]>::try_from(bytes).map_err(|_| broken(format!("a hash of {length} bytes")))
    };
    let number = u32::try_from(row.number);
    Ok(NotedOrder {
        number: number.map_err(|_| broken(format!("order {}", row.number)))?,
        order: NewOrder {
            key: TipKey(hash(row.key)?),
            challenge: ChallengeId::parse(&row.challenge).map_err(broken)?,
            content: hash(row.content)?,
            epoch: Epoch(unsigned(row.epoch)?),
        },
        outcome: row.outcome,
    })
}

/// Refuses the one character that PostgreSQL cannot hold.
pub(super) fn check(batch: &NewBatch) -> Result<(), Error> {
    if [&batch.provider, &batch.model, &batch.edition]
        .iter()
        .any(|text| text.contains('\0'))
    {
        let problem = Broken("a text with NUL".to_owned());
        return Err(Error::internal("noting a batch of tips", problem));
    }
    Ok(())
}
