use std::{collections::HashMap, time::Duration};

use futures_util::StreamExt;

use super::{
    custom_id::{custom_id, number_in},
    desk::BatchDesk,
};
use crate::domain::{
    BatchOrder, BatchStatus, Challenge, ChallengeId, Error, FailureKind, Flag, NotedBatch,
    NotedOrder, ProviderBatchId, SettledOrder, TipSubject, Usage, WriteFailure,
};

/// From then on a hand-in whose answer was lost has either arrived or never will: longer than it may
/// take, with the time that a provider needs to list it.
const ARRIVED_AFTER: Duration = Duration::from_mins(5);

impl BatchDesk {
    /// Hands a batch in. From the note before to the note after it nobody here knows whether the
    /// provider has it; see [`Self::find_again`].
    pub(super) async fn hand_in(&self, noted: &NotedBatch) -> Result<(), Error> {
        // It stays noted until operators have tips written again.
        if !self.core.settings.switches.is_on(Flag::AiTips) {
            return Ok(());
        }
        let (id, store) = (noted.batch.id, &self.parts.store);
        let orders = self.orders_to_hand_in(noted).await?;
        if orders.is_empty() {
            return self.close(noted).await;
        }
        store.handed_in(id, Some(self.core.clock.now())).await?;
        let failure = match self.parts.writer.submit(&orders).await {
            Ok(status) => return self.name(noted, &status).await,
            Err(failure) => failure,
        };
        match failure.kind {
            // It was read, and not taken.
            FailureKind::RateLimited | FailureKind::SpendLimit | FailureKind::Overloaded => {
                store.handed_in(id, None).await?;
            }
            // It will never be taken as it is.
            FailureKind::Rejected | FailureKind::NotFound | FailureKind::Denied => {
                self.give_up(noted, failure.kind.as_str()).await?;
            }
            // Who knows?
            FailureKind::Connect
            | FailureKind::TooSlow
            | FailureKind::ServerFault
            | FailureKind::Truncated
            | FailureKind::Malformed
            | FailureKind::Refused
            | FailureKind::Empty
            | FailureKind::CutOff => {}
        }
        self.put_off(noted, "hand in", &failure).await;
        Ok(())
    }

    /// Looks for a batch at the provider that was handed in, and of which nothing was heard: after a
    /// crash, or an answer that was lost. It must not be paid twice, and not be lost either.
    ///
    /// A list of batches tells how many orders each has, and only the results tell whose they are.
    /// So one of the right size is waited for until it has ended.
    pub(super) async fn find_again(&self, noted: &NotedBatch) -> Result<(), Error> {
        let newest = match self.parts.writer.newest().await {
            Ok(newest) => newest,
            Err(failure) => {
                self.put_off(noted, "find again", &failure).await;
                return Ok(());
            }
        };
        let open = self.parts.store.open_batches().await?;
        let known = |id: &ProviderBatchId| {
            open.iter()
                .any(|other| other.provider_id.as_ref() == Some(id))
        };
        let size = noted.orders.saturating_sub(noted.written + noted.failed);
        let candidates = newest.into_iter();
        let mut may_be_there = false;
        for status in candidates.filter(|status| status.orders == size && !known(&status.id)) {
            if !status.has_ended {
                may_be_there = true;
                continue;
            }
            match self.is_of(noted, &status.id).await {
                Ok(true) => return self.name(noted, &status).await,
                Ok(false) => {}
                Err(failure) => {
                    self.put_off(noted, "find again", &failure).await;
                    return Ok(());
                }
            }
        }
        let since = noted.handed_in_at.unwrap_or(noted.batch.created_at);
        if !may_be_there && since.plus(ARRIVED_AFTER) <= self.core.clock.now() {
            let batch = noted.batch.id;
            tracing::warn!(%batch, "the provider never got a batch of tips; it is handed in again");
            self.parts.store.handed_in(batch, None).await?;
        }
        Ok(())
    }

    /// Asks how a batch does.
    pub(super) async fn look(&self, noted: &NotedBatch) -> Result<(), Error> {
        let Some(provider_id) = &noted.provider_id else {
            return Ok(());
        };
        match self.parts.writer.status(provider_id).await {
            Ok(Some(status)) if status.has_ended => {
                let at = status.ended_at.unwrap_or_else(|| self.core.clock.now());
                let id = noted.batch.id;
                self.parts.store.ended(id, at).await?;
                // As it is noted now: somebody else may have been first, with another time.
                let noted = self.parts.store.batches(&[id]).await?;
                match noted.first() {
                    Some(noted) => self.import(noted).await,
                    None => Ok(()),
                }
            }
            Ok(Some(_)) => Ok(()),
            Ok(None) => self.give_up(noted, "unknown to the provider").await,
            Err(failure) => {
                self.put_off(noted, "look", &failure).await;
                Ok(())
            }
        }
    }

    async fn name(&self, noted: &NotedBatch, status: &BatchStatus) -> Result<(), Error> {
        let (batch, name) = (noted.batch.id, &status.id.0);
        tracing::info!(%batch, provider_batch = name, orders = status.orders, "a batch of tips is at its provider");
        self.parts.store.submitted(batch, &status.id).await
    }

    /// Whether the results of a batch are those of ours.
    async fn is_of(&self, noted: &NotedBatch, id: &ProviderBatchId) -> Result<bool, WriteFailure> {
        let mut results = self.parts.writer.results(id);
        let first = results.next().await.transpose()?;
        Ok(first.is_some_and(|result| number_in(noted.batch.id, &result.custom_id).is_some()))
    }

    /// The orders of a batch with their prompts, as the challenges are now. One whose texts have
    /// changed since would be written for texts that are gone, so it is left out and settled.
    async fn orders_to_hand_in(&self, noted: &NotedBatch) -> Result<Vec<BatchOrder>, Error> {
        let id = noted.batch.id;
        let orders = self.parts.store.orders(id).await?;
        let challenges = self.challenges_of(&orders).await?;
        let (mut ready, mut changed) = (Vec::new(), Vec::new());
        for NotedOrder { number, order, .. } in orders.iter().filter(|it| it.outcome.is_none()) {
            let challenge = challenges.get(&order.challenge).map(TipSubject::from);
            let (locale, persona) = (&noted.batch.locale, &noted.batch.persona);
            let now = challenge.map(|subject| self.order_for(&subject, locale, persona));
            match now.filter(|now| now.key == order.key) {
                Some(now) => ready.push(BatchOrder {
                    custom_id: custom_id(id, *number),
                    prompt: now.prompt,
                }),
                None => changed.push(SettledOrder {
                    number: *number,
                    outcome: CHANGED.to_owned(),
                    usage: Usage::default(),
                    cost_micro_usd: 0,
                }),
            }
        }
        if !changed.is_empty() {
            self.parts.store.settle(id, &changed).await?;
        }
        Ok(ready)
    }

    /// The challenges of these orders, as they are now.
    pub(super) async fn challenges_of(
        &self,
        orders: &[NotedOrder],
    ) -> Result<HashMap<ChallengeId, Challenge>, Error> {
        let mut found = HashMap::with_capacity(orders.len());
        for some in orders.chunks(CHUNK) {
            let ids: Vec<_> = some.iter().map(|it| it.order.challenge).collect();
            let challenges = self.parts.challenges.find_many(&ids).await?.value;
            found.extend(challenges.into_iter().map(|it| (it.id, it)));
        }
        Ok(found)
    }
}

/// So many challenges are read by one statement.
const CHUNK: usize = 500;
/// The challenge is not the one any more that the tip was ordered for.
const CHANGED: &str = "changed";
