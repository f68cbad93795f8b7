use std::{collections::HashMap, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{custom_id::number_in, desk::BatchDesk};
use crate::domain::{
    BatchResult, Error, FailureKind, NotedBatch, NotedOrder, SettledOrder, UnixMicros, Usage,
    WriteFailure,
};

/// So many results are read before they are taken over, and settled together.
const CHUNK: usize = 100;
/// So many of them are taken over at once.
const AT_ONCE: usize = 8;
/// After so long a result that does not come is no more waited for.
const PATIENCE: Duration = Duration::from_hours(1);
/// The provider is done, and said nothing of this order.
pub(super) const MISSING: &str = "missing";

impl BatchDesk {
    /// Takes over what a batch brought, whichever results were taken over before, and closes it.
    pub(super) async fn import(&self, noted: &NotedBatch) -> Result<(), Error> {
        let (Some(provider_id), Some(ended_at)) = (&noted.provider_id, noted.ended_at) else {
            return Ok(());
        };
        let orders = self.parts.store.orders(noted.batch.id).await?;
        let open = orders.into_iter().filter(|order| order.outcome.is_none());
        let mut open: HashMap<_, _> = open.map(|order| (order.number, order)).collect();
        if !open.is_empty() {
            let mut chunks = self.parts.writer.results(provider_id).ready_chunks(CHUNK);
            while let Some(chunk) = chunks.next().await {
                let failure = self.take_all(noted, ended_at, &mut open, chunk).await?;
                match failure {
                    None => {}
                    // It had them once; nobody has them now.
                    Some(failure) if failure.kind == FailureKind::Rejected => {
                        return self.give_up(noted, "its results are gone").await;
                    }
                    Some(failure) => {
                        self.put_off(noted, "import", &failure).await;
                        return Ok(());
                    }
                }
            }
        }
        if !open.is_empty() && self.core.clock.now() < ended_at.plus(PATIENCE) {
            // Every order has a result, so a body without it was cut off.
            let cut_off = WriteFailure::new(FailureKind::Truncated);
            self.put_off(noted, "import", &cut_off).await;
            return Ok(());
        }
        let missing = open.into_keys().map(|number| SettledOrder {
            number,
            outcome: MISSING.to_owned(),
            usage: Usage::default(),
            cost_micro_usd: 0,
        });
        let missing: Vec<_> = missing.collect();
        if !missing.is_empty() {
            self.parts.store.settle(noted.batch.id, &missing).await?;
        }
        self.close(noted).await
    }

    /// Takes over the results of one chunk; tells the failure that ended it, if one did.
    async fn take_all(
        &self,
        noted: &NotedBatch,
        ended_at: UnixMicros,
        open: &mut HashMap<u32, NotedOrder>,
        chunk: Vec<Result<BatchResult, WriteFailure>>,
    ) -> Result<Option<WriteFailure>, Error> {
        let (mut failure, mut ours) = (None, Vec::new());
        for result in chunk {
            match result {
                Ok(BatchResult { custom_id, outcome }) => {
                    let number = number_in(noted.batch.id, &custom_id);
                    // What nobody ordered, or what came before, is nothing.
                    let order = number.and_then(|number| open.remove(&number));
                    ours.extend(order.map(|order| (order, outcome)));
                }
                Err(told) => failure = Some(told),
            }
        }
        let taken = stream::iter(ours).map(|(order, outcome)| async move {
            self.take(noted, ended_at, &order, outcome).await
        });
        let settled: Vec<_> = taken.buffer_unordered(AT_ONCE).try_collect().await?;
        if !settled.is_empty() {
            self.parts.store.settle(noted.batch.id, &settled).await?;
        }
        Ok(failure)
    }

    /// Closes a batch of which every order is settled, and orders once more what is worth it.
    pub(super) async fn close(&self, noted: &NotedBatch) -> Result<(), Error> {
        let (id, store) = (noted.batch.id, &self.parts.store);
        let repeat = self.repeat(noted).await?;
        let new = repeat.as_ref().map(|repeat| &repeat.batch);
        let is_closed = store.close_batch(id, false, new).await;
        if matches!(is_closed, Ok(true))
            && let Some(repeat) = repeat
        {
            repeat.reserve.keep();
        }
        if !is_closed? {
            return Ok(());
        }
        self.give_back(noted).await?;
        if let Some(provider_id) = &noted.provider_id
            && let Err(failure) = self.parts.writer.delete(provider_id).await
        {
            // It forgets by itself, after 29 days.
            let kind = failure.kind.as_str();
            tracing::info!(batch = %id, kind, "a batch of tips stays at its provider for a while");
        }
        Ok(())
    }

    /// Closes a batch that no provider will bring to an end.
    pub(super) async fn give_up(&self, noted: &NotedBatch, why: &str) -> Result<(), Error> {
        let id = noted.batch.id;
        tracing::error!(batch = %id, why, "a batch of tips is lost");
        if self.parts.store.close_batch(id, true, None).await? {
            self.give_back(noted).await?;
        }
        Ok(())
    }

    /// Gives back what a closed batch did not cost of what was reserved for it.
    async fn give_back(&self, noted: &NotedBatch) -> Result<(), Error> {
        let id = noted.batch.id;
        let closed = self.parts.store.batches(&[id]).await?;
        if let Some(closed) = closed.iter().find(|closed| closed.batch.id == id) {
            let batch = &closed.batch;
            let spent = closed.spent.cost_micro_usd;
            let (taken, at) = (batch.reserved_micro_usd, batch.created_at);
            self.core.budget.correct(taken, at, spent);
            let (written, failed) = (closed.written, closed.failed);
            tracing::info!(batch = %id, written, failed, cost_micro_usd = spent, "a batch of tips is closed");
        }
        Ok(())
    }
}
