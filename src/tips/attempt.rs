//! One request to a provider: admitted as a reservation, sent as an attempt, and recorded whatever becomes of it.
//!
//! A [`Reservation`] that is dropped gives back all that it took. An [`ProviderAttempt`] may cost money from its first moment, so one
//! that is dropped is settled and recorded as aborted: no task that is cancelled leaves an attempt out.
use std::{sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};
use tokio_util::task::TaskTracker;

use super::{
    TipStats,
    breaker::{AttemptOutcome, BreakerChange, Permit},
    budget::{Budget, BudgetError},
    late_writes::{LateWrite, LateWrites},
    ledger::BudgetReservation,
    limiter::{Limiter, RateReservation},
    provider::{self, Provider, input_guess},
    request::GenerationRequest,
    retry_policy::AdmissionError,
    settings::STORE_TIMEOUT,
};
use crate::{
    domain::{
        AttemptRecord, Clock, Epoch, Error, FailureKind, Flag, RunReservation, Switches, TipKey,
        TipStore, Usage, WriteFailure,
    },
    telemetry::LineLimit,
};

/// A request that the rest of the budget is too small for is tried again after this.
const BUDGET_PAUSE: Duration = Duration::from_secs(5);
/// Lines about each [`BudgetError`] that is not an ordinary end of the day's budget.
static NOT_GRANTED: LineLimit = LineLimit::new();
static RESERVED: LineLimit = LineLimit::new();
static RESTORING: LineLimit = LineLimit::new();
/// Lines about attempts that the store refused.
static REFUSED: LineLimit = LineLimit::new();

/// Decides whether a request may go to a provider.
pub(super) struct ProviderAdmission {
    pub(super) switches: Arc<Switches>,
    /// Places for requests that are under way.
    pub(super) places: Arc<Semaphore>,
    pub(super) budget: Budget,
    pub(super) limiter: Arc<Limiter>,
    pub(super) recorder: Arc<AttemptRecorder>,
}

/// Records attempts in the store and in the statistics.
pub(super) struct AttemptRecorder {
    pub(super) store: Arc<dyn TipStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) stats: Arc<TipStats>,
    pub(super) late_writes: LateWrites,
    pub(super) tasks: TaskTracker,
}

/// All that one request takes. Dropped before the request is sent, it gives everything back.
#[must_use]
pub(super) struct Reservation {
    place: OwnedSemaphorePermit,
    permit: Permit,
    run: Option<RunReservation>,
    money: BudgetReservation,
    rate: RateReservation,
}

/// A request that was sent. Dropped before it is closed, it counts as aborted.
pub(super) struct ProviderAttempt {
    recorder: Arc<AttemptRecorder>,
    provider: Arc<Provider>,
    key: TipKey,
    epoch: Epoch,
    /// Taken when the attempt is closed.
    held: Option<(Permit, Option<RunReservation>, BudgetReservation)>,
    _place: OwnedSemaphorePermit,
    input_guess: u64,
    began: Instant,
    /// What the provider reported so far.
    pub(super) usage: Usage,
    /// How much text came.
    text_bytes: usize,
}

/// How an attempt ended.
pub(super) enum AttemptEnd<'a> {
    Success(Usage),
    Failure(&'a WriteFailure),
    /// This replica ended it.
    Aborted,
}

impl ProviderAdmission {
    /// Reserves all that a request takes: a place, the breaker's permit, money, and the provider's limits.
    pub(super) async fn admit(
        &self,
        provider: &Provider,
        request: &GenerationRequest,
    ) -> Result<Reservation, AdmissionError> {
        if !self.switches.is_on(Flag::AiTips) {
            return Err(AdmissionError::SwitchedOff);
        }
        // It is never closed.
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| AdmissionError::SwitchedOff)?;
        let permit = provider
            .breaker
            .enter()
            .map_err(AdmissionError::BreakerOpen)?;
        let most = provider.most_cost(&request.prompt);
        let run = request.run_budget.as_ref();
        let run = run.map(|budget| budget.reserve(most).ok_or(AdmissionError::Budget));
        let run = run.transpose()?;
        let money = self.budget.reserve(most).await;
        let money = money.map_err(|reason| self.over_budget(provider, reason))?;
        let wants = provider.wants(&request.prompt);
        let rate = self.limiter.reserve(&provider.name, wants).await;
        let rate = rate.map_err(|wait| {
            self.recorder.stats.limited.add(1);
            AdmissionError::Limited(wait)
        })?;
        Ok(Reservation {
            place,
            permit,
            run,
            money,
            rate,
        })
    }

    fn over_budget(&self, provider: &Provider, error: BudgetError) -> AdmissionError {
        let (provider, stats) = (&provider.name, &self.recorder.stats);
        let soon = AdmissionError::Limited(BUDGET_PAUSE);
        let (counter, admission, line) = match error {
            BudgetError::Spent => (&stats.over_budget, AdmissionError::Budget, None),
            BudgetError::Unavailable => {
                let text = "Redis grants no money: it does not answer, and this replica's grant of the day's budget is used up, \
                            so it requests no tips; readers get fallback texts";
                let line = Some((&NOT_GRANTED, text));
                (&stats.budget_unavailable, AdmissionError::Budget, line)
            }
            BudgetError::Reserved => {
                let text = "the rest of the day's budget is reserved by requests in progress; callers wait until one of them ends";
                (&stats.budget_reserved, soon, Some((&RESERVED, text)))
            }
            BudgetError::Restoring => {
                let text = "Redis has no totals of the day's budget, or lost some, and grants nothing until all replicas have sent theirs; callers wait";
                (&stats.budget_unavailable, soon, Some((&RESTORING, text)))
            }
        };
        counter.add(1);
        if let Some((limit, text)) = line
            && let Some(left_out) = limit.admit()
        {
            tracing::warn!(provider, left_out, "{text}");
        }
        admission
    }
}

impl Reservation {
    /// The request is sent now: what was reserved is taken for good.
    pub(super) fn begin(
        self,
        recorder: &Arc<AttemptRecorder>,
        provider: &Arc<Provider>,
        request: &GenerationRequest,
        epoch: Epoch,
    ) -> ProviderAttempt {
        self.rate.keep();
        provider.retries.deposit();
        recorder.stats.attempts.add(1);
        ProviderAttempt {
            recorder: Arc::clone(recorder),
            provider: Arc::clone(provider),
            key: request.key,
            epoch,
            held: Some((self.permit, self.run, self.money)),
            _place: self.place,
            input_guess: input_guess(&request.prompt),
            began: Instant::now(),
            usage: Usage::default(),
            text_bytes: 0,
        }
    }
}

impl ProviderAttempt {
    /// Counts a piece of text; the first one shows how long the provider took to begin.
    pub(super) fn text(&mut self, piece: &str) {
        if self.text_bytes == 0 {
            let took = self.began.elapsed();
            self.provider.metrics.first_text(took);
        }
        self.text_bytes += piece.len();
    }

    /// A failure that was noticed here.
    pub(super) fn failure(&self, kind: FailureKind) -> WriteFailure {
        WriteFailure {
            usage: self.guess(),
            ..WriteFailure::new(kind)
        }
    }

    /// Settles and records the attempt.
    pub(super) fn close(mut self, end: &AttemptEnd<'_>) {
        self.finish(end);
    }

    /// What it cost so far, by estimate.
    fn guess(&self) -> Usage {
        let mut usage = self.usage.cut_short(self.text_bytes as u64);
        if usage.input_tokens == 0 {
            usage.input_tokens = self.input_guess;
        }
        usage
    }

    /// Waits for nothing, so that it is done as a whole or not at all.
    fn finish(&mut self, end: &AttemptEnd<'_>) {
        let Some((permit, run, money)) = self.held.take() else {
            return;
        };
        let (outcome, usage, word, failure) = match end {
            AttemptEnd::Success(usage) => (AttemptOutcome::Success, *usage, "success", None),
            AttemptEnd::Failure(failure) => {
                let (kind, usage) = (failure.kind, failure.usage);
                (
                    provider::outcome(kind),
                    usage,
                    kind.as_str(),
                    Some(*failure),
                )
            }
            AttemptEnd::Aborted => (AttemptOutcome::Neutral, self.guess(), "aborted", None),
        };
        let (provider, recorder) = (&self.provider, &self.recorder);
        let change = permit.report(outcome);
        if change == BreakerChange::Opened {
            recorder.stats.breaker_opened.add(1);
        }
        provider.log_change(outcome, change, failure);
        let cost = provider.price.of(usage.input_tokens, usage.output_tokens);
        if let Some(run) = run {
            run.record(usage, cost);
        }
        money.settle(cost);
        recorder.count(end, usage, cost);
        let took = self.began.elapsed();
        provider.metrics.ended(word, took, usage);
        let route = provider.writer.route();
        tracing::info!(
            gen_ai.operation.name = "chat",
            gen_ai.provider.name = route.provider,
            gen_ai.request.model = route.model,
            gen_ai.usage.input_tokens = usage.input_tokens,
            gen_ai.usage.output_tokens = usage.output_tokens,
            error.r#type = (word != "success").then_some(word),
            tip = %self.key,
            epoch = self.epoch.0,
            cost_micro_usd = cost,
            estimated = usage.is_estimated,
            ?took,
            "tip attempt ended"
        );
        recorder.record(AttemptRecord {
            key: self.key,
            epoch: self.epoch,
            provider: route.provider.clone(),
            model: route.model.clone(),
            outcome: word.to_owned(),
            usage,
            cost_micro_usd: cost,
            ended_at: recorder.clock.now(),
        });
    }
}

impl Drop for ProviderAttempt {
    fn drop(&mut self) {
        self.finish(&AttemptEnd::Aborted);
    }
}

impl AttemptRecorder {
    /// Records an attempt in the background, later if the store is away.
    fn record(self: &Arc<Self>, record: AttemptRecord) {
        // An attempt may be dropped by a runtime that ends; nothing can be recorded then.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let recorder = Arc::clone(self);
        let recording = async move {
            if !recorder.try_record(&record).await {
                recorder.late_writes.push(LateWrite::Attempt(record));
            }
        };
        self.tasks.spawn_on(recording, &runtime);
    }

    /// Records it within the store's time limit; false when the store is away.
    pub(super) async fn try_record(&self, record: &AttemptRecord) -> bool {
        let recorded = timeout(STORE_TIMEOUT, self.store.record(record)).await;
        match recorded {
            Ok(Ok(())) => return true,
            Ok(Err(Error::Unavailable { .. })) | Err(_) => {}
            Ok(Err(error)) => {
                // Not the database is at fault but the record, which it would refuse again.
                if let Some(left_out) = REFUSED.admit() {
                    let tip = record.key;
                    tracing::error!(%tip, %error, left_out, "an attempt cannot be recorded; the ledger lacks it");
                }
                self.stats.store_errors.add(1);
                return true;
            }
        }
        self.stats.store_errors.add(1);
        false
    }

    fn count(&self, end: &AttemptEnd<'_>, usage: Usage, cost: u64) {
        match end {
            AttemptEnd::Success(_) => self.stats.attempts_succeeded.add(1),
            AttemptEnd::Failure(failure) => self.stats.count_failure(failure.kind),
            AttemptEnd::Aborted => self.stats.aborted.add(1),
        }
        self.stats.input_tokens.add(usage.input_tokens);
        self.stats.output_tokens.add(usage.output_tokens);
        self.stats.cost_micro_usd.add(cost);
    }
}
