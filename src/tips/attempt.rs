use std::{sync::Arc, time::Duration};

use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout},
};

use super::{
    breaker::{Change, Outcome, Permit},
    budget::{Budget, NoMoney},
    generation_request::GenerationRequest,
    ledger::Reserve,
    provider::{Provider, input_guess, output_guess},
    refused,
    retry_policy::AdmissionError,
    service::{Core, STORE_TIMEOUT},
};
use crate::{
    domain::{AttemptRecord, Epoch, FailureKind, Flag, RunBudget, Usage, WriteFailure},
    telemetry::LineLimit,
};

/// Money that is held for other orders is asked for again after this.
const NO_MONEY_PAUSE: Duration = Duration::from_secs(5);
/// Lines about money that nobody grants.
static NOT_GRANTED: LineLimit = LineLimit::new();
static HELD: LineLimit = LineLimit::new();
/// Lines about attempts that could not be recorded in the attempt ledger.
static UNRECORDED: LineLimit = LineLimit::new();

/// An order that was let through, from the moment that it may be sent to its record in the attempt ledger.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) index: usize,
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

/// How an attempt ended, for the attempt ledger.
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
        index: usize,
        provider: &Provider,
        request: &GenerationRequest,
        epoch: Epoch,
    ) -> Result<Attempt, AdmissionError> {
        if !self.settings.switches.is_on(Flag::AiTips) {
            return Err(AdmissionError::SwitchedOff);
        }
        // It is never closed.
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| AdmissionError::SwitchedOff)?;
        let permit = provider.breaker.enter().map_err(AdmissionError::Unwell)?;
        let most = provider.most_cost(&request.prompt);
        let share = RunShare::take(request.account.as_ref(), most).ok_or(AdmissionError::Budget)?;
        let reserve = match self.budget.reserve(most).await {
            Ok(reserve) => reserve,
            Err(NoMoney::Spent) => {
                self.stats.over_budget.add(1);
                return Err(AdmissionError::Budget);
            }
            Err(NoMoney::NobodyGrants) => {
                self.stats.over_budget.add(1);
                if let Some(left_out) = NOT_GRANTED.admit() {
                    tracing::warn!(
                        provider = provider.name,
                        left_out,
                        "Redis grants no money of the day's budget: this replica orders no tip until it does, and readers get other texts"
                    );
                }
                return Err(AdmissionError::Budget);
            }
            Err(NoMoney::NoneNow) => {
                self.stats.limited.add(1);
                if let Some(left_out) = HELD.admit() {
                    tracing::warn!(
                        provider = provider.name,
                        left_out,
                        "what is left of the day's budget is held for requests under way, or Redis lost its books and waits for \
                         all replicas to tell: callers wait"
                    );
                }
                return Err(AdmissionError::Limited(NO_MONEY_PAUSE));
            }
        };
        let wants = provider.wants(&request.prompt);
        if let Err(wait) = self.limiter.take(&provider.name, &wants).await {
            self.stats.limited.add(1);
            return Err(AdmissionError::Limited(wait));
        }
        share.keep();
        provider.retries.deposit();
        self.stats.attempts.add(1);
        Ok(Attempt {
            index,
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

    /// Tells everybody how it went, and records it in the attempt ledger. Nobody waits in here, so nothing is left out when
    /// whoever calls is stopped.
    pub(super) fn close(
        &self,
        attempt: Attempt,
        provider: &Provider,
        request: &GenerationRequest,
        ended: &Ended<'_>,
    ) {
        let (outcome, usage, word) = match ended {
            Ended::Well(usage) => (Outcome::Success, *usage, "success"),
            Ended::Badly(failure) => (
                refused::outcome(failure.kind),
                failure.usage,
                failure.kind.as_str(),
            ),
            Ended::Aborted => (Outcome::Neutral, attempt.guess(request), "aborted"),
        };
        let change = attempt.permit.report(outcome);
        if change == Change::Opened {
            self.stats.breaker_opened.add(1);
        }
        provider.tell(outcome, change, ended.failure());
        let cost = provider.price.of(usage.input_tokens, usage.output_tokens);
        if let Some(account) = &request.account {
            account.record(attempt.most, usage, cost);
        }
        Budget::settle(attempt.reserve, cost);
        self.count(ended, usage, cost);
        provider.metrics.ended(word, attempt.began.elapsed(), usage);
        let route = provider.writer.route();
        tracing::info!(
            gen_ai.operation.name = "chat",
            gen_ai.provider.name = route.provider,
            gen_ai.request.model = route.model,
            gen_ai.usage.input_tokens = usage.input_tokens,
            gen_ai.usage.output_tokens = usage.output_tokens,
            error.r#type = (word != "success").then_some(word),
            tip = %request.key,
            epoch = attempt.epoch.0,
            cost_micro_usd = cost,
            estimated = usage.is_estimated,
            took = ?attempt.began.elapsed(),
            "tip attempt ended"
        );
        let record = AttemptRecord {
            key: request.key,
            epoch: attempt.epoch,
            provider: route.provider.clone(),
            model: route.model.clone(),
            outcome: word.to_owned(),
            usage,
            cost_micro_usd: cost,
            ended_at: self.clock.now(),
        };
        // Nobody waits for the attempt ledger; it is bounded by its time limit.
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
    account: Option<&'a RunBudget>,
    amount: u64,
}

impl<'a> RunShare<'a> {
    fn take(account: Option<&'a Arc<RunBudget>>, amount: u64) -> Option<Self> {
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
    pub(super) fn text(&mut self, piece: &str, provider: &Provider) {
        if self.text_bytes == 0 {
            provider.metrics.first_text(self.began.elapsed());
        }
        self.text_bytes += piece.len();
    }

    /// What it cost so far, as far as can be told from here.
    pub(super) fn guess(&self, request: &GenerationRequest) -> Usage {
        let input = match self.usage.input_tokens {
            0 => input_guess(&request.prompt),
            told => told,
        };
        Usage {
            input_tokens: input,
            output_tokens: output_guess(self.text_bytes).max(self.usage.output_tokens),
            is_estimated: true,
        }
    }

    /// A failure that was noticed here.
    pub(super) fn failure(&self, kind: FailureKind, request: &GenerationRequest) -> WriteFailure {
        WriteFailure {
            usage: self.guess(request),
            ..WriteFailure::new(kind)
        }
    }
}
