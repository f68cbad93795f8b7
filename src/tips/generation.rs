use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    attempt::{Attempt, Ended},
    board::Core,
    fence::Fence,
    keep_time::keep_time,
    key::sha256,
    log::Log,
    order::Order,
    plan::{Plan, Setback, Situation, Step},
    refused::Refused,
    rules::{Breach, Rules, is_blank},
    supplier::{SHORT_PAUSE, Supplier},
};
use crate::{
    domain::{Ending, Epoch, FailureKind, ResetCause, Tip, TipPhase, WriteFailure, Writing},
    telemetry::LineLimit,
};

/// Lines about texts that break the rules.
static BREACHES: LineLimit = LineLimit::new();
/// Lines about orders that brought no tip.
static FAILED: LineLimit = LineLimit::new();

/// Has one tip written: attempt by attempt, until one ends well or no more may be made.
///
/// What it writes goes into the log at once. The first byte there is the point of no return:
/// before it a failure costs readers nothing but time, after it they are told to forget the text.
pub(super) struct Generation<'a> {
    core: &'a Core,
    order: &'a Order,
    log: &'a Log,
    fence: &'a Fence,
    epoch: Epoch,
    plan: Plan,
    deadline: Instant,
    /// The one that is under way.
    attempt: Option<Attempt>,
}

impl<'a> Generation<'a> {
    pub(super) fn new(
        core: &'a Core,
        order: &'a Order,
        log: &'a Log,
        fence: &'a Fence,
        epoch: Epoch,
    ) -> Self {
        Self {
            core,
            order,
            log,
            fence,
            epoch,
            plan: Plan::new(core.suppliers.len()),
            deadline: Instant::now() + core.settings.time_limit,
            attempt: None,
        }
    }

    /// Ends with the tip, its whole text in the log, or with the last setback.
    pub(super) async fn run(&mut self) -> Result<Tip, Setback> {
        loop {
            let core = self.core;
            let Some(supplier) = core.suppliers.get(self.plan.provider()) else {
                return Err(Setback::TimedOut);
            };
            let setback = match self.try_once(supplier).await {
                Ok(ending) => return Ok(self.tip(supplier, ending).await),
                Err(setback) => setback,
            };
            let now = Situation {
                is_published: self.log.length() > 0,
                time_left: self.deadline.saturating_duration_since(Instant::now()),
                may_retry: supplier.retries.has_one(),
                jitter: rand::random(),
            };
            let step = self.plan.after(&setback, now);
            self.tell(supplier, &setback, step);
            match step {
                Step::GiveUp => return Err(setback),
                Step::Next => {}
                Step::Wait { after } => self.pause(after).await,
                Step::Again { after } => {
                    supplier.retries.spend();
                    self.pause(after).await;
                }
            }
            self.begin_again();
        }
    }

    /// Enters the attempt that is under way, if there is one, in the books; it was cut off.
    pub(super) fn abandon(&mut self) {
        if let Some(attempt) = self.attempt.take()
            && let Some(supplier) = self.core.suppliers.get(attempt.provider)
        {
            self.core
                .close(attempt, supplier, self.order, &Ended::Aborted);
        }
    }

    /// Says why an order brought no tip, and what comes of it.
    fn tell(&self, supplier: &Supplier, setback: &Setback, step: Step) {
        let timed_out;
        let failure = match setback {
            Setback::Write(failure) => failure,
            Setback::TimedOut => {
                timed_out = WriteFailure::new(FailureKind::TooSlow);
                &timed_out
            }
            // A text that breaks the rules has a line of its own; whoever was barred ordered nothing.
            Setback::Breach(_) | Setback::Barred(_) => {
                tracing::debug!(tip = %self.order.key, cause = setback.cause().as_str(), "tip set back");
                return;
            }
        };
        let Some(left_out) = FAILED.admit() else {
            return;
        };
        let (pause, then) = match step {
            Step::Again { after } | Step::Wait { after } => {
                (Some(after), "the order goes out again")
            }
            Step::Next => (None, "the next provider is asked"),
            Step::GiveUp => (None, "readers get another text"),
        };
        tracing::warn!(
            provider = supplier.name,
            failure = %failure,
            request_id = failure.attempt_id,
            attempt = self.plan.attempts(),
            told_to_wait = failure.retry_after.map(tracing::field::debug),
            pause = pause.map(tracing::field::debug),
            then,
            tip = %self.order.key,
            left_out,
            "a provider brought no tip"
        );
    }

    async fn pause(&self, pause: Duration) {
        self.log.set_phase(TipPhase::Queued);
        sleep(pause).await;
    }

    /// Text that readers have is void once another attempt is made, or its writer takes it back.
    fn begin_again(&mut self) {
        if self.log.length() > 0 {
            self.epoch = Epoch(self.epoch.0 + 1);
            let epoch = self.epoch;
            self.log
                .write(|page| page.begin(epoch, true, ResetCause::Restart));
        }
    }

    async fn try_once(&mut self, supplier: &Supplier) -> Result<Ending, Setback> {
        let provider = self.plan.provider();
        let admitted = self.core.admit(provider, supplier, self.order, self.epoch);
        let attempt = timeout_at(self.deadline, admitted).await;
        let attempt = attempt.map_err(|_| Setback::TimedOut)?;
        self.attempt = Some(attempt.map_err(Setback::Barred)?);
        self.plan.count_attempt();
        self.log.set_phase(TipPhase::Connecting);
        let written = timeout_at(self.deadline, self.write(supplier)).await;
        let written = written.unwrap_or(Err(Setback::TimedOut));
        if let Some(attempt) = self.attempt.take() {
            let timed_out;
            let ended = match &written {
                Ok(ending) => Ended::Well(ending.usage),
                Err(Setback::Write(failure)) => Ended::Badly(failure),
                Err(Setback::TimedOut) => {
                    timed_out = attempt.failure(FailureKind::TooSlow, self.order);
                    Ended::Badly(&timed_out)
                }
                Err(Setback::Breach(_) | Setback::Barred(_)) => Ended::Aborted,
            };
            self.core.close(attempt, supplier, self.order, &ended);
        }
        if let Err(Setback::Write(failure)) = &written {
            self.warn_others(supplier, failure).await;
        }
        written
    }

    /// Reads one attempt to its end; its text goes through the rules into the log.
    async fn write(&mut self, supplier: &Supplier) -> Result<Ending, Setback> {
        let mut rules = Rules::new(self.core.settings.max_bytes);
        let mut writing = supplier.writer.write(&self.order.prompt);
        while let Some(next) = writing.next().await {
            match next.map_err(Setback::Write)? {
                Writing::Accepted { usage, .. } => {
                    if let Some(attempt) = &mut self.attempt {
                        attempt.usage = usage;
                    }
                }
                Writing::Alive => {}
                Writing::TakenBack => {
                    self.begin_again();
                    rules = Rules::new(self.core.settings.max_bytes);
                }
                Writing::Text(piece) => {
                    if let Some(attempt) = &mut self.attempt {
                        attempt.text(&piece, supplier);
                    }
                    self.publish(rules.read(&piece)).await?;
                }
                Writing::Ended(ending) => {
                    self.publish(rules.finish()).await?;
                    if is_blank(&self.log.text()) {
                        return Err(self.noticed(FailureKind::Empty));
                    }
                    return Ok(ending);
                }
            }
        }
        // The port promises another end; without it nothing says that the text is whole.
        Err(self.noticed(FailureKind::Truncated))
    }

    /// Gives text that passed the rules to all readers.
    async fn publish(&self, checked: Result<String, Breach>) -> Result<(), Setback> {
        let text = checked.map_err(|breach| {
            self.core.stats.breaches.add(1);
            if let Some(left_out) = BREACHES.admit() {
                let (tip, breach) = (self.order.key, breach.as_str());
                tracing::warn!(%tip, breach, left_out, "tip breaks the rules");
            }
            Setback::Breach(breach)
        })?;
        if !text.is_empty() {
            self.fence.pass().await;
            self.log.append(&text);
        }
        Ok(())
    }

    fn noticed(&self, kind: FailureKind) -> Setback {
        let failure = self.attempt.as_ref();
        Setback::Write(failure.map_or_else(
            || WriteFailure::new(kind),
            |attempt| attempt.failure(kind, self.order),
        ))
    }

    /// What a provider says of its limits holds for the whole fleet; so does that the money is spent.
    async fn warn_others(&self, supplier: &Supplier, failure: &WriteFailure) {
        let spent = Refused::by(failure.kind) == Some(Refused::Money);
        let spent = spent.then(|| Refused::Money.pause());
        let Some(pause) = spent.or(failure.retry_after) else {
            return;
        };
        let limiter = &self.core.limiter;
        let is_told = limiter.paused(&supplier.name) > SHORT_PAUSE;
        limiter.pause(&supplier.name, pause).await;
        if pause > SHORT_PAUSE && !is_told {
            tracing::warn!(
                provider = supplier.name,
                ?pause,
                failure = %failure,
                "a provider asks for a long pause: no replica orders from it until then, or until `admin tips resume`"
            );
        }
    }

    async fn tip(&self, supplier: &Supplier, ending: Ending) -> Tip {
        self.fence.pass().await;
        let text = self.log.text();
        let keep = keep_time(&text, self.core.settings.ttl);
        let now = self.core.clock.now();
        Tip {
            key: self.order.key,
            epoch: self.epoch,
            sha256: sha256(&text),
            text,
            provider: supplier.writer.route().provider.clone(),
            model: ending.model,
            stop: ending.stop,
            usage: ending.usage,
            created_at: now,
            expires_at: now.plus(keep),
        }
    }
}
