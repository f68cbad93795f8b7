use uuid::Uuid;

use super::desk::BatchDesk;
use crate::{
    domain::{BatchId, BatchesOrdered, Epoch, Error, NewBatch, NewOrder, Shortage, UnixMicros},
    tips::order::Order,
};

/// The most orders in a batch. The API takes 100 000 or 256 MB, whichever comes first
/// (platform.claude.com/docs/en/build-with-claude/batch-processing); smaller ones come back sooner.
const MOST_ORDERS: usize = 10_000;
/// The most text in a batch, in bytes; as JSON it may be several times as long.
const MOST_BYTES: usize = 32 << 20;

impl BatchDesk {
    /// Notes the first of `orders`, as many as there is money for.
    pub(super) async fn note(
        &self,
        mut orders: Vec<Order>,
        budget_micro_usd: Option<u64>,
    ) -> Result<BatchesOrdered, Error> {
        let affordable = self.affordable(&orders, budget_micro_usd);
        let mut shortage = (affordable < orders.len()).then_some(Shortage::Run);
        orders.truncate(affordable);
        let (mut batches, mut ordered) = (Vec::new(), 0);
        while let Some(rest) = orders.get(ordered..).filter(|rest| !rest.is_empty()) {
            let Some((batch, count)) = self.note_one(rest).await? else {
                shortage = Some(Shortage::Day);
                break;
            };
            batches.push(batch);
            ordered += count;
        }
        Ok(BatchesOrdered {
            batches,
            ordered,
            shortage,
        })
    }

    /// How many of `orders` a run of this budget may make.
    fn affordable(&self, orders: &[Order], budget_micro_usd: Option<u64>) -> usize {
        let Some(mut left) = budget_micro_usd else {
            return orders.len();
        };
        let fits = |order: &&Order| {
            let rest = left.checked_sub(self.most_cost_of(order));
            rest.is_some_and(|rest| {
                left = rest;
                true
            })
        };
        orders.iter().take_while(fits).count()
    }

    /// Notes one batch of the first of `orders`, and tells how many; nothing without money.
    async fn note_one(&self, orders: &[Order]) -> Result<Option<(BatchId, usize)>, Error> {
        let mut count = one_batch(orders);
        // Nobody tells how much is left in a day, so less and less is asked for.
        let (reserve, reserved) = loop {
            let chosen = orders.iter().take(count);
            let most = chosen.fold(0_u64, |sum, order| {
                sum.saturating_add(self.most_cost_of(order))
            });
            match self.core.budget.reserve(most).await {
                Ok(reserve) => break (reserve, most),
                Err(_) if count <= 1 => return Ok(None),
                Err(_) => count /= 2,
            }
        };
        let chosen = orders.iter().take(count);
        let Some(batch) = self.new_batch(chosen, None, reserved) else {
            return Ok(None);
        };
        self.parts.store.note(&batch).await?;
        reserve.keep();
        tracing::info!(batch = %batch.id, orders = count, "a batch of tips is noted");
        Ok(Some((batch.id, count)))
    }

    /// A batch of these orders, which are all in one language and voice.
    pub(super) fn new_batch<'a>(
        &self,
        orders: impl Iterator<Item = &'a Order> + Clone,
        repeats: Option<BatchId>,
        reserved_micro_usd: u64,
    ) -> Option<NewBatch> {
        let route = self.parts.writer.route();
        let origin = orders.clone().next()?.origin.clone();
        let created_at = self.core.clock.now();
        let epoch = epoch_at(created_at);
        let order = |order: &Order| NewOrder {
            key: order.key,
            challenge: order.origin.challenge,
            content: order.origin.content,
            epoch,
        };
        Some(NewBatch {
            id: BatchId(Uuid::new_v4()),
            provider: route.provider.clone(),
            model: route.model.clone(),
            locale: origin.locale,
            persona: origin.persona,
            edition: origin.edition,
            shown: origin.shown,
            repeats,
            reserved_micro_usd,
            created_at,
            orders: orders.map(order).collect(),
        })
    }
}

/// All epochs come from a clock, in milliseconds, so a later generation has a higher one.
fn epoch_at(now: UnixMicros) -> Epoch {
    Epoch(u64::try_from(now.0.div_euclid(1_000)).unwrap_or(0))
}

/// How many of `orders` go into one batch.
fn one_batch(orders: &[Order]) -> usize {
    let mut bytes = 0;
    let fits = |order: &&Order| {
        bytes += order.prompt.system.len() + order.prompt.user.len();
        bytes <= MOST_BYTES
    };
    orders
        .iter()
        .take(MOST_ORDERS)
        .take_while(fits)
        .count()
        .max(1)
}
