use super::{desk::BatchDesk, import::MISSING, result::EXPIRED};
use crate::{
    domain::{Error, FailureKind, NewBatch, NotedBatch, TipSubject},
    tips::ledger::Reserve,
};

/// A batch that repeats orders of another one, and the money for it.
pub(super) struct Repeat {
    pub(super) batch: NewBatch,
    pub(super) reserve: Reserve,
}

impl BatchDesk {
    /// The batch that repeats what failed for a reason that may pass: once, for the challenges as
    /// they are now, if there is money for it.
    pub(super) async fn repeat(&self, noted: &NotedBatch) -> Result<Option<Repeat>, Error> {
        if noted.batch.repeats.is_some() {
            return Ok(None);
        }
        let mut orders = self.parts.store.orders(noted.batch.id).await?;
        orders.retain(|order| order.outcome.as_deref().is_some_and(is_worth_repeating));
        let challenges = self.challenges_of(&orders).await?;
        let (locale, persona) = (&noted.batch.locale, &noted.batch.persona);
        let again = challenges.values().map(TipSubject::from);
        let again = again.map(|subject| self.order_for(&subject, locale, persona));
        let again: Vec<_> = again.collect();
        let most = again.iter().fold(0_u64, |sum, order| {
            sum.saturating_add(self.most_cost_of(order))
        });
        let Some(batch) = self.new_batch(again.iter(), Some(noted.batch.id), most) else {
            return Ok(None);
        };
        let Ok(reserve) = self.core.budget.reserve(most).await else {
            tracing::warn!(batch = %noted.batch.id, orders = again.len(), "the day has no money to repeat what failed");
            return Ok(None);
        };
        Ok(Some(Repeat { batch, reserve }))
    }
}

/// Whether an order that ended so may end otherwise: its turn never came, or the provider was at
/// fault. One that is invalid or refused stays that.
fn is_worth_repeating(outcome: &str) -> bool {
    let mut kinds = FailureKind::ALL.iter();
    let kind = kinds.find(|kind| kind.as_str() == outcome);
    [EXPIRED, MISSING].contains(&outcome) || kind.is_some_and(|kind| kind.is_worth_retrying())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_repeated_and_what_is_wrong_is_not() {
        for outcome in ["expired", "missing", "server_fault", "overloaded", "empty"] {
            assert!(is_worth_repeating(outcome), "{outcome}");
        }
        for outcome in [
            "success", "rejected", "refused", "cut_off", "rules", "canceled", "changed",
        ] {
            assert!(!is_worth_repeating(outcome), "{outcome}");
        }
    }
}
