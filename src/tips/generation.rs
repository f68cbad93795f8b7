use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    attempt::{Attempt, Ended},
    generation_request::GenerationRequest,
    keep_time::keep_time,
    key::sha256,
    lease_guard::LeaseGuard,
    log::Log,
    policy::{ContentPolicy, PolicyViolation, is_blank},
    provider::{Provider, SHORT_PAUSE},
    refused::Refused,
    retry_policy::{AttemptError, RetryContext, RetryPolicy, RetryStep},
    service::Core,
};
use crate::{
    domain::{
        Completion, Epoch, FailureKind, ResetCause, StreamEvent, Tip, TipPhase, WriteFailure,
    },
    telemetry::LineLimit,
};

/// Lines about texts that break the content policy.
static BREACHES: LineLimit = LineLimit::new();
/// Lines about orders that brought no tip.
static FAILED: LineLimit = LineLimit::new();

/// Has one tip written: attempt by attempt, until one ends well or no more may be made.
///
/// What it writes goes into the log at once. The first byte there is the point of no return:
/// before it a failure costs readers nothing but time, after it they are told to forget the text.
pub(super) struct Generation<'a> {
    core: &'a Core,
    request: &'a GenerationRequest,
    log: &'a Log,
    lease_guard: &'a LeaseGuard,
    epoch: Epoch,
    retry_policy: RetryPolicy,
    deadline: Instant,
    /// The one that is under way.
    attempt: Option<Attempt>,
}

impl<'a> Generation<'a> {
    pub(super) fn new(
        core: &'a Core,
        request: &'a GenerationRequest,
        log: &'a Log,
        lease_guard: &'a LeaseGuard,
        epoch: Epoch,
    ) -> Self {
        Self {
            core,
            request,
            log,
            lease_guard,
            epoch,
            retry_policy: RetryPolicy::new(core.providers.len()),
            deadline: Instant::now() + core.settings.time_limit,
            attempt: None,
        }
    }

    /// Ends with the tip, its whole text in the log, or with the last setback.
    pub(super) async fn run(&mut self) -> Result<Tip, AttemptError> {
        loop {
            let core = self.core;
            let Some(provider) = core.providers.get(self.retry_policy.provider()) else {
                return Err(AttemptError::TimedOut);
            };
            let error = match self.try_once(provider).await {
                Ok(ending) => return Ok(self.tip(provider, ending).await),
                Err(error) => error,
            };
            let now = RetryContext {
                is_published: self.log.length() > 0,
                time_left: self.deadline.saturating_duration_since(Instant::now()),
                may_retry: provider.retries.has_one(),
                jitter: rand::random(),
            };
            let step = self.retry_policy.after(&error, now);
            self.tell(provider, &error, step);
            match step {
                RetryStep::GiveUp => return Err(error),
                RetryStep::Next => {}
                RetryStep::Wait { after } => self.pause(after).await,
                RetryStep::Again { after } => {
                    provider.retries.spend();
                    self.pause(after).await;
                }
            }
            self.begin_again();
        }
    }

    /// Enters the attempt that is under way, if there is one, in the attempt ledger; it was cut off.
    pub(super) fn abandon(&mut self) {
        if let Some(attempt) = self.attempt.take()
            && let Some(provider) = self.core.providers.get(attempt.index)
        {
            self.core
                .close(attempt, provider, self.request, &Ended::Aborted);
        }
    }

    /// Says why an order brought no tip, and what comes of it.
    fn tell(&self, provider: &Provider, error: &AttemptError, step: RetryStep) {
        let timed_out;
        let failure = match error {
            AttemptError::Write(failure) => failure,
            AttemptError::TimedOut => {
                timed_out = WriteFailure::new(FailureKind::TooSlow);
                &timed_out
            }
            // A text that violates the content policy has a line of its own; whoever was barred ordered nothing.
            AttemptError::Violation(_) | AttemptError::NotAdmitted(_) => {
                tracing::debug!(tip = %self.request.key, cause = error.cause().as_str(), "tip set back");
                return;
            }
        };
        let Some(left_out) = FAILED.admit() else {
            return;
        };
        let (pause, then) = match step {
            RetryStep::Again { after } | RetryStep::Wait { after } => {
                (Some(after), "the order goes out again")
            }
            RetryStep::Next => (None, "the next provider is asked"),
            RetryStep::GiveUp => (None, "readers get another text"),
        };
        tracing::warn!(
            provider = provider.name,
            failure = %failure,
            request_id = failure.attempt_id,
            attempt = self.retry_policy.attempts(),
            told_to_wait = failure.retry_after.map(tracing::field::debug),
            pause = pause.map(tracing::field::debug),
            then,
            tip = %self.request.key,
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
                .write(|state| state.begin(epoch, true, ResetCause::Restart));
        }
    }

    async fn try_once(&mut self, provider: &Provider) -> Result<Completion, AttemptError> {
        let index = self.retry_policy.provider();
        let admitted = self.core.admit(index, provider, self.request, self.epoch);
        let attempt = timeout_at(self.deadline, admitted).await;
        let attempt = attempt.map_err(|_| AttemptError::TimedOut)?;
        self.attempt = Some(attempt.map_err(AttemptError::NotAdmitted)?);
        self.retry_policy.count_attempt();
        self.log.set_phase(TipPhase::Connecting);
        let written = timeout_at(self.deadline, self.write(provider)).await;
        let written = written.unwrap_or(Err(AttemptError::TimedOut));
        if let Some(attempt) = self.attempt.take() {
            let timed_out;
            let ended = match &written {
                Ok(ending) => Ended::Well(ending.usage),
                Err(AttemptError::Write(failure)) => Ended::Badly(failure),
                Err(AttemptError::TimedOut) => {
                    timed_out = attempt.failure(FailureKind::TooSlow, self.request);
                    Ended::Badly(&timed_out)
                }
                Err(AttemptError::Violation(_) | AttemptError::NotAdmitted(_)) => Ended::Aborted,
            };
            self.core.close(attempt, provider, self.request, &ended);
        }
        if let Err(AttemptError::Write(failure)) = &written {
            self.warn_others(provider, failure).await;
        }
        written
    }

    /// Reads one attempt to its end; its text goes through the content policy into the log.
    async fn write(&mut self, provider: &Provider) -> Result<Completion, AttemptError> {
        let mut policy = ContentPolicy::new(self.core.settings.max_bytes);
        let mut writing = provider.writer.write(&self.request.prompt);
        while let Some(next) = writing.next().await {
            match next.map_err(AttemptError::Write)? {
                StreamEvent::Accepted { usage, .. } => {
                    if let Some(attempt) = &mut self.attempt {
                        attempt.usage = usage;
                    }
                }
                StreamEvent::Alive => {}
                StreamEvent::TakenBack => {
                    self.begin_again();
                    policy = ContentPolicy::new(self.core.settings.max_bytes);
                }
                StreamEvent::Text(piece) => {
                    if let Some(attempt) = &mut self.attempt {
                        attempt.text(&piece, provider);
                    }
                    self.publish(policy.read(&piece)).await?;
                }
                StreamEvent::Ended(ending) => {
                    self.publish(policy.finish()).await?;
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

    /// Gives text that passed the content policy to all readers.
    async fn publish(&self, checked: Result<String, PolicyViolation>) -> Result<(), AttemptError> {
        let text = checked.map_err(|violation| {
            self.core.stats.violations.add(1);
            if let Some(left_out) = BREACHES.admit() {
                let (tip, violation) = (self.request.key, violation.as_str());
                tracing::warn!(%tip, violation, left_out, "tip breaks the rules");
            }
            AttemptError::Violation(violation)
        })?;
        if !text.is_empty() {
            self.lease_guard.pass().await;
            self.log.append(&text);
        }
        Ok(())
    }

    fn noticed(&self, kind: FailureKind) -> AttemptError {
        let failure = self.attempt.as_ref();
        AttemptError::Write(failure.map_or_else(
            || WriteFailure::new(kind),
            |attempt| attempt.failure(kind, self.request),
        ))
    }

    /// What a provider says of its limits holds for the whole fleet; so does that the money is spent.
    async fn warn_others(&self, provider: &Provider, failure: &WriteFailure) {
        let spent = Refused::by(failure.kind) == Some(Refused::Money);
        let spent = spent.then(|| Refused::Money.pause());
        let Some(pause) = spent.or(failure.retry_after) else {
            return;
        };
        let limiter = &self.core.limiter;
        let is_told = limiter.paused(&provider.name) > SHORT_PAUSE;
        limiter.pause(&provider.name, pause).await;
        if pause > SHORT_PAUSE && !is_told {
            tracing::warn!(
                provider = provider.name,
                ?pause,
                failure = %failure,
                "a provider asks for a long pause: no replica orders from it until then, or until `admin tips resume`"
            );
        }
    }

    async fn tip(&self, provider: &Provider, ending: Completion) -> Tip {
        self.lease_guard.pass().await;
        let text = self.log.text();
        let keep = keep_time(&text, self.core.settings.ttl);
        let now = self.core.clock.now();
        Tip {
            key: self.request.key,
            epoch: self.epoch,
            sha256: sha256(&text),
            text,
            provider: provider.writer.route().provider.clone(),
            model: ending.model,
            stop: ending.stop,
            usage: ending.usage,
            created_at: now,
            expires_at: now.plus(keep),
        }
    }
}
