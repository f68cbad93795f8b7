use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    domain::{
        BatchState, BatchesOrdered, ChallengeRepository, Error, Locale, NotedBatch, PersonaName,
        TipBatchStore, TipBatchWriter, TipBatches, TipSubject, WriteFailure,
    },
    telemetry::LineLimit,
    tips::{
        Board, Price,
        board::Core,
        order::Order,
        supplier::{most_input, provider_name},
    },
};

/// A provider that says no, and not for how long, is left alone for so long.
const PAUSE: Duration = Duration::from_secs(10);
/// Lines about batches whose provider says no.
static WAITING: LineLimit = LineLimit::new();

/// What a desk for batches is made of, beside the board.
pub struct BatchParts {
    /// Who writes.
    pub writer: Arc<dyn TipBatchWriter>,
    /// What it takes for that.
    pub price: Price,
    /// Where batches are noted.
    pub store: Arc<dyn TipBatchStore>,
    /// What the tips are about.
    pub challenges: Arc<dyn ChallengeRepository>,
}

/// Orders tips together, and takes them over as those of the board.
///
/// Nothing that matters is in memory: every step begins with what is noted, and may be taken again.
pub struct BatchDesk {
    pub(super) core: Arc<Core>,
    pub(super) parts: BatchParts,
    /// Names the provider's batches among the limits. They have limits of their own there
    /// (platform.claude.com/docs/en/api/rate-limits), so a pause holds nothing else up.
    name: String,
}

impl BatchDesk {
    /// Writes for `board`, whose first provider must be the one of `parts`.
    #[must_use]
    pub fn new(board: &Board, parts: BatchParts) -> Self {
        Self {
            core: board.core(),
            name: format!("batches of {}", provider_name(parts.writer.route())),
            parts,
        }
    }

    pub(super) fn order_for(
        &self,
        subject: &TipSubject,
        locale: &Locale,
        persona: &PersonaName,
    ) -> Order {
        let route = Some(self.parts.writer.route());
        Order::new(&*self.core.book, route, subject, locale, persona)
    }

    pub(super) fn most_cost_of(&self, order: &Order) -> u64 {
        let output = self.parts.writer.route().max_output_tokens;
        self.parts
            .price
            .of(most_input(&order.prompt), output.into())
    }

    /// What a provider said against a step is no error of ours: the step is taken again later.
    pub(super) async fn put_off(&self, batch: &NotedBatch, step: &str, failure: &WriteFailure) {
        let pause = failure.retry_after.unwrap_or(PAUSE);
        let (batch, kind) = (batch.batch.id, failure.kind.as_str());
        if let Some(left_out) = WAITING.admit() {
            let detail = &failure.detail;
            tracing::warn!(%batch, step, kind, detail, ?pause, left_out, "a batch of tips waits for its provider");
        }
        self.core.limiter.pause(&self.name, pause).await;
    }
}

#[async_trait]
impl TipBatches for BatchDesk {
    fn most_cost(&self, subject: &TipSubject, locale: &Locale, persona: &PersonaName) -> u64 {
        self.most_cost_of(&self.order_for(subject, locale, persona))
    }

    async fn order(
        &self,
        subjects: &[TipSubject],
        locale: &Locale,
        persona: &PersonaName,
        budget_micro_usd: Option<u64>,
    ) -> Result<BatchesOrdered, Error> {
        let orders = subjects.iter();
        let orders = orders.map(|subject| self.order_for(subject, locale, persona));
        self.note(orders.collect(), budget_micro_usd).await
    }

    async fn advance(&self, batch: &NotedBatch) -> Result<(), Error> {
        if self.core.limiter.take(&self.name, &[]).await.is_err() {
            return Ok(());
        }
        match batch.state {
            BatchState::Noted if batch.handed_in_at.is_none() => self.hand_in(batch).await,
            BatchState::Noted => self.find_again(batch).await,
            BatchState::Submitted => self.look(batch).await,
            BatchState::Ended => self.import(batch).await,
            BatchState::Imported | BatchState::Lost => Ok(()),
        }
    }
}
