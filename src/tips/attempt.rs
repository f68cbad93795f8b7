use std::{sync::Arc, time::Duration};

use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout},
};

use super::{
    board::{Core, STORE_TIMEOUT},
    breaker::{Change, Outcome, Permit},
    budget::{Budget, NoMoney},
    ledger::Reserve,
    order::Order,
    plan::Bar,
    refused,
    supplier::{Supplier, input_guess, output_guess},
};
use crate::{
    domain::{AttemptRecord, Epoch, FailureKind, Flag, TipAccount, Usage, WriteFailure},
    telemetry::LineLimit,
};

/// Money that is held for other orders is asked for again after this.
const NO_MONEY_PAUSE: Duration = Duration::from_secs(5);
/// Lines about money that nobody grants.
static NOT_GRANTED: LineLimit = LineLimit::new();
static HELD: LineLimit = LineLimit::new();
/// Lines about attempts that could not be entered in the books.
static UNRECORDED: LineLimit = LineLimit::new();

/// An order that was let through, from the moment that it may be sent to the entry in the books.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) provider: usize,
    epoch: Epoch,
    permit: Permit,
    _place: OwnedSemaphorePermit,
    reserve: Reserve,
    /// The most that it may cost.
    most: u64,
    began: Instant,
    /// What the provider told so far.
    pub(super) usage: Usage,
    /// How much text it brought.
    text_bytes: usize,
}

/// How an attempt ended, for the books.
pub(super) enum Ended<'a> {
    Well(Usage),
    Badly(&'a WriteFailure),
    /// It was we who ended it.
    Aborted,
}

impl<'a> Ended<'a> {
    fn failure(&self) -> Option<&'a WriteFailure> {
        match self {
            Ended::Badly(failure) => Some(failure),
            Ended::Well(_) | Ended::Aborted => None,
        }
    }
}

impl Core {
    /// Asks all who may object to an attempt: its provider's health, the money, the limits.
    pub(super) async fn admit(
        &self,
        provider: usize,
        supplier: &Supplier,
        order: &Order,
        epoch: Epoch,
    ) -> Result<Attempt, Bar> {
        if !self.settings.switches.is_on(Flag::AiTips) {
            return Err(Bar::SwitchedOff);
        }
        // It is never closed.
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| Bar::SwitchedOff)?;
        let permit = supplier.breaker.enter().map_err(Bar::Unwell)?;
        let most = supplier.most_cost(&order.prompt);
        let share = RunShare::take(order.account.as_ref(), most).ok_or(Bar::Budget)?;
        let reserve = match self.budget.reserve(most).await {
            Ok(reserve) => reserve,
            Err(NoMoney::Spent) => {
                self.stats.over_budget.add(1);
                return Err(Bar::Budget);
            }
            Err(NoMoney::NobodyGrants) => {
                self.stats.over_budget.add(1);
                if let Some(left_out) = NOT_GRANTED.admit() {
                    tracing::warn!(
                        provider = supplier.name,
                        left_out,
                        "Redis grants no money of the day's budget: this replica orders no tip until it does, and readers get other texts"
                    );
                }
                return Err(Bar::Budget);
            }
            Err(NoMoney::NoneNow) => {
                self.stats.limited.add(1);
                if let Some(left_out) = HELD.admit() {
                    tracing::warn!(
                        provider = supplier.name,
                        left_out,
                        "what is left of the day's budget is held for orders under way, or Redis lost its books and waits for \
                         all replicas to tell: callers wait"
                    );
                }
                return Err(Bar::Limited(NO_MONEY_PAUSE));
            }
        };
        let wants = supplier.wants(&order.prompt);
        if let Err(wait) = self.limiter.take(&supplier.name, &wants).await {
            self.stats.limited.add(1);
            return Err(Bar::Limited(wait));
        }
        share.keep();
        supplier.retries.deposit();
        self.stats.attempts.add(1);
        Ok(Attempt {
            provider,
            epoch,
            permit,
            _place: place,
            reserve,
            most,
            began: Instant::now(),
            usage: Usage::default(),
            text_bytes: 0,
        })
    }

    /// Tells everybody how it went, and enters it in the books. Nobody waits in here, so nothing is left out when
    /// whoever calls is stopped.
    pub(super) fn close(
        &self,
        attempt: Attempt,
        supplier: &Supplier,
        order: &Order,
        ended: &Ended<'_>,
    ) {
        let (outcome, usage, word) = match ended {
            Ended::Well(usage) => (Outcome::Success, *usage, "success"),
            Ended::Badly(failure) => (
                refused::outcome(failure.kind),
                failure.usage,
                failure.kind.as_str(),
            ),
            Ended::Aborted => (Outcome::Neutral, attempt.guess(order), "aborted"),
        };
        let change = attempt.permit.report(outcome);
        if change == Change::Opened {
            self.stats.breaker_opened.add(1);
        }
        supplier.tell(outcome, change, ended.failure());
        let cost = supplier.price.of(usage.input_tokens, usage.output_tokens);
        if let Some(account) = &order.account {
            account.enter(attempt.most, usage, cost);
        }
        Budget::settle(attempt.reserve, cost);
        self.count(ended, usage, cost);
        supplier.figures.ended(word, attempt.began.elapsed(), usage);
        let route = supplier.writer.route();
        tracing::info!(
            gen_ai.operation.name = "chat",
            gen_ai.provider.name = route.provider,
            gen_ai.request.model = route.model,
            gen_ai.usage.input_tokens = usage.input_tokens,
            gen_ai.usage.output_tokens = usage.output_tokens,
            error.r#type = (word != "success").then_some(word),
            tip = %order.key,
            epoch = attempt.epoch.0,
            cost_micro_usd = cost,
            estimated = usage.is_estimated,
            took = ?attempt.began.elapsed(),
            "tip attempt ended"
        );
        let record = AttemptRecord {
            key: order.key,
            epoch: attempt.epoch,
            provider: route.provider.clone(),
            model: route.model.clone(),
            outcome: word.to_owned(),
            usage,
            cost_micro_usd: cost,
            ended_at: self.clock.now(),
        };
        // Nobody waits for the books; it is bounded by its time limit.
        let (store, stats) = (self.store.clone(), self.stats.clone());
        self.tasks.spawn(async move {
            let recorded = timeout(STORE_TIMEOUT, store.record(&record)).await;
            if !matches!(recorded, Ok(Ok(()))) {
                stats.store_errors.add(1);
                if let Some(left_out) = UNRECORDED.admit() {
                    let (tip, cost) = (record.key, record.cost_micro_usd);
                    tracing::warn!(%tip, cost, left_out, "an attempt is missing in the books");
                }
            }
        });
    }

    fn count(&self, ended: &Ended<'_>, usage: Usage, cost: u64) {
        match ended {
            Ended::Well(_) => self.stats.attempts_succeeded.add(1),
            Ended::Badly(failure) => self.stats.count_failure(failure.kind),
            Ended::Aborted => self.stats.aborted.add(1),
        }
        self.stats.input_tokens.add(usage.input_tokens);
        self.stats.output_tokens.add(usage.output_tokens);
        self.stats.cost_micro_usd.add(cost);
    }
}

/// What is taken from the money of a run of many tips; given back when it is dropped.
struct RunShare<'a> {
    account: Option<&'a TipAccount>,
    amount: u64,
}

impl<'a> RunShare<'a> {
    fn take(account: Option<&'a Arc<TipAccount>>, amount: u64) -> Option<Self> {
        let account = account.map(AsRef::as_ref);
        let is_taken = account.is_none_or(|account| account.reserve(amount));
        is_taken.then_some(Self { account, amount })
    }

    /// The order is made, and will be entered.
    fn keep(mut self) {
        self.account = None;
    }
}

impl Drop for RunShare<'_> {
    fn drop(&mut self) {
        if let Some(account) = self.account {
            account.give_back(self.amount);
        }
    }
}

impl Attempt {
    /// Takes in a piece of text; the first one shows how long the provider took to begin.
    pub(super) fn text(&mut self, piece: &str, supplier: &Supplier) {
        if self.text_bytes == 0 {
            supplier.figures.first_text(self.began.elapsed());
        }
        self.text_bytes += piece.len();
    }

    /// What it cost so far, as far as can be told from here.
    pub(super) fn guess(&self, order: &Order) -> Usage {
        let input = match self.usage.input_tokens {
            0 => input_guess(&order.prompt),
            told => told,
        };
        Usage {
            input_tokens: input,
            output_tokens: output_guess(self.text_bytes).max(self.usage.output_tokens),
            is_estimated: true,
        }
    }

    /// A failure that was noticed here.
    pub(super) fn failure(&self, kind: FailureKind, order: &Order) -> WriteFailure {
        WriteFailure {
            usage: self.guess(order),
            ..WriteFailure::new(kind)
        }
    }
}
