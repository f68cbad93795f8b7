use super::desk::BatchDesk;
use crate::{
    domain::{
        AttemptRecord, BatchOutcome, Ending, Error, FailureKind, NotedBatch, NotedOrder,
        SettledOrder, Tip, TipOrigin, UnixMicros, Usage,
    },
    tips::{
        keep_time::keep_time,
        key::sha256,
        rules::{Breach, Rules, is_blank},
    },
};

/// The word for an order that brought a tip.
pub(super) const SUCCESS: &str = "success";
/// The word for one whose turn never came.
pub(super) const EXPIRED: &str = "expired";
const CANCELED: &str = "canceled";

impl BatchDesk {
    /// Takes one result over: the tip first, then the books. Taken again it changes nothing, because
    /// epoch and time are those that were noted before.
    pub(super) async fn take(
        &self,
        noted: &NotedBatch,
        ended_at: UnixMicros,
        order: &NotedOrder,
        outcome: BatchOutcome,
    ) -> Result<SettledOrder, Error> {
        let (word, usage) = match outcome {
            BatchOutcome::Written(text, ending) => {
                let usage = ending.usage;
                let word = match self.checked(&text) {
                    Ok(text) => self.keep(noted, ended_at, order, text, ending).await?,
                    Err(word) => word,
                };
                (word, usage)
            }
            BatchOutcome::Failed(failure) => (failure.kind.as_str(), failure.usage),
            BatchOutcome::Expired => (EXPIRED, Usage::default()),
            BatchOutcome::Canceled => (CANCELED, Usage::default()),
        };
        let price = self.parts.price;
        let cost = price.of(usage.input_tokens, usage.output_tokens);
        let record = AttemptRecord {
            key: order.order.key,
            epoch: order.order.epoch,
            provider: noted.batch.provider.clone(),
            model: noted.batch.model.clone(),
            outcome: word.to_owned(),
            usage,
            cost_micro_usd: cost,
            ended_at,
        };
        self.core.store.record(&record).await?;
        let stats = &self.core.stats;
        stats.attempts.add(1);
        stats.input_tokens.add(usage.input_tokens);
        stats.output_tokens.add(usage.output_tokens);
        stats.cost_micro_usd.add(cost);
        Ok(SettledOrder {
            number: order.number,
            outcome: word.to_owned(),
            usage,
            cost_micro_usd: cost,
        })
    }

    /// The text as it is kept, or the word for why it is not.
    fn checked(&self, text: &str) -> Result<String, &'static str> {
        let mut rules = Rules::new(self.core.settings.max_bytes);
        let checked = rules
            .read(text)
            .and_then(|text| Ok(text + &rules.finish()?));
        match checked {
            Ok(text) if is_blank(&text) => Err(FailureKind::Empty.as_str()),
            Ok(text) => Ok(text),
            Err(breach) => {
                self.core.stats.breaches.add(1);
                Err(match breach {
                    Breach::TooLong => FailureKind::CutOff.as_str(),
                    Breach::Link
                    | Breach::Markup
                    | Breach::Contact
                    | Breach::Phone
                    | Breach::Control => "rules",
                })
            }
        }
    }

    /// Keeps a tip under the name that it was ordered by: if the challenge has changed meanwhile, it
    /// is a tip for texts that are gone, and shows nowhere.
    async fn keep(
        &self,
        noted: &NotedBatch,
        ended_at: UnixMicros,
        order: &NotedOrder,
        text: String,
        ending: Ending,
    ) -> Result<&'static str, Error> {
        let batch = &noted.batch;
        let keep = keep_time(&text, self.core.settings.ttl);
        let tip = Tip {
            key: order.order.key,
            epoch: order.order.epoch,
            sha256: sha256(&text),
            text,
            provider: batch.provider.clone(),
            model: ending.model,
            stop: ending.stop,
            usage: ending.usage,
            created_at: ended_at,
            expires_at: ended_at.plus(keep),
        };
        let origin = TipOrigin {
            challenge: order.order.challenge,
            content: order.order.content,
            locale: batch.locale.clone(),
            persona: batch.persona.clone(),
            edition: batch.edition.clone(),
            shown: batch.shown,
        };
        if self.core.store.save(&tip, &origin).await? {
            if origin.shown {
                self.core.show_soon();
            }
            self.replace_older(tip).await;
        }
        Ok(SUCCESS)
    }

    /// Readers look in memory and in Redis first; there, too, the new tip takes the place of an old
    /// one. Where none is, the store is asked.
    async fn replace_older(&self, tip: Tip) {
        if let Some(fanout) = &self.core.fanout {
            let names = fanout.names(tip.key);
            let older = fanout.done(&names).await;
            if older.is_some_and(|older| older.epoch < tip.epoch) {
                fanout.replace(&names, &tip, self.core.clock.now()).await;
            }
        }
        self.core.memory.keep(tip.into());
    }
}
