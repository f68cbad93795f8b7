//! Generates one tip: makes attempts at providers until one succeeds or no further attempt is allowed.
use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    TipSettings, TipStats,
    attempt::{AttemptEnd, ProviderAdmission, ProviderAttempt},
    hash::sha256,
    log::Log,
    policy::{ContentPolicy, PolicyViolation, is_blank},
    provider::{Provider, Refused, SHORT_PAUSE},
    publisher::LeaseGuard,
    request::GenerationRequest,
    retry_policy::{AttemptError, RetryContext, RetryPolicy, RetryStep},
};
use crate::{
    domain::{
        Clock, Completion, Epoch, FailureKind, ResetCause, StreamEvent, Tip, TipPhase, WriteFailure,
    },
    telemetry::LineLimit,
};

/// Lines about texts that violate the content policy.
static VIOLATIONS: LineLimit = LineLimit::new();
/// Lines about requests that brought no tip.
static FAILED: LineLimit = LineLimit::new();

/// What all generations of this replica share: the providers, and what admits requests to them.
pub(super) struct Generator {
    /// In the order in which they are tried.
    pub(super) providers: Vec<Arc<Provider>>,
    pub(super) admission: ProviderAdmission,
    pub(super) settings: TipSettings,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) stats: Arc<TipStats>,
}

impl Generator {
    /// How long the pause that a provider asked for still lasts, as far as it is known here.
    pub(super) fn pause_left(&self, provider: &Provider) -> Duration {
        self.admission.limiter.paused(&provider.name)
    }
}

/// Has one tip written: attempt by attempt, until one ends well or no more may be made.
///
/// Text goes into the log at once. The first byte there is the point of no return:
/// before it a failure costs readers nothing but time, after it they get a reset event.
pub(super) struct Generation<'a> {
    generator: &'a Generator,
    request: &'a GenerationRequest,
    log: &'a Log,
    lease_guard: &'a LeaseGuard,
    epoch: Epoch,
    retry_policy: RetryPolicy,
    deadline: Instant,
    /// The attempt that is under way.
    attempt: Option<ProviderAttempt>,
}

impl<'a> Generation<'a> {
    pub(super) fn new(
        generator: &'a Generator,
        request: &'a GenerationRequest,
        log: &'a Log,
        lease_guard: &'a LeaseGuard,
        epoch: Epoch,
    ) -> Self {
        Self {
            generator,
            request,
            log,
            lease_guard,
            epoch,
            retry_policy: RetryPolicy::new(generator.providers.len()),
            deadline: Instant::now() + generator.settings.time_limit,
            attempt: None,
        }
    }

    /// Ends with the tip, its whole text in the log, or with the error of the last attempt.
    pub(super) async fn run(&mut self) -> Result<Tip, AttemptError> {
        loop {
            let generator = self.generator;
            let Some(provider) = generator.providers.get(self.retry_policy.provider()) else {
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
            self.log_failure(provider, &error, step);
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

    /// Logs why a request brought no tip, and what follows.
    fn log_failure(&self, provider: &Provider, error: &AttemptError, step: RetryStep) {
        let timed_out;
        let failure = match error {
            AttemptError::Write(failure) => failure,
            AttemptError::TimedOut => {
                timed_out = WriteFailure::new(FailureKind::TooSlow);
                &timed_out
            }
            // A text that violates the content policy has a line of its own; a request that was not admitted was never sent.
            AttemptError::Violation(_) | AttemptError::NotAdmitted(_) => {
                tracing::debug!(tip = %self.request.key, cause = error.cause().as_str(), "attempt rejected before or after the provider");
                return;
            }
        };
        let Some(left_out) = FAILED.admit() else {
            return;
        };
        let (pause, then) = match step {
            RetryStep::Again { after } | RetryStep::Wait { after } => {
                (Some(after), "the request is sent again")
            }
            RetryStep::Next => (None, "the next provider is asked"),
            RetryStep::GiveUp => (None, "readers get a fallback text"),
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
            "a request to a provider brought no tip"
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

    async fn try_once(&mut self, provider: &Arc<Provider>) -> Result<Completion, AttemptError> {
        let admission = &self.generator.admission;
        let admitted = admission.admit(provider, self.request);
        let reservation = timeout_at(self.deadline, admitted).await;
        let reservation = reservation.map_err(|_| AttemptError::TimedOut)?;
        let reservation = reservation.map_err(AttemptError::NotAdmitted)?;
        let recorder = &admission.recorder;
        self.attempt = Some(reservation.begin(recorder, provider, self.request, self.epoch));
        self.retry_policy.count_attempt();
        self.log.set_phase(TipPhase::Connecting);
        let written = timeout_at(self.deadline, self.write(provider)).await;
        let written = written.unwrap_or(Err(AttemptError::TimedOut));
        if let Some(attempt) = self.attempt.take() {
            let timed_out;
            let ended = match &written {
                Ok(ending) => AttemptEnd::Success(ending.usage),
                Err(AttemptError::Write(failure)) => AttemptEnd::Failure(failure),
                Err(AttemptError::TimedOut) => {
                    timed_out = attempt.failure(FailureKind::TooSlow);
                    AttemptEnd::Failure(&timed_out)
                }
                Err(AttemptError::Violation(_) | AttemptError::NotAdmitted(_)) => {
                    AttemptEnd::Aborted
                }
            };
            attempt.close(&ended);
        }
        if let Err(AttemptError::Write(failure)) = &written {
            self.pause_provider_for_fleet(provider, failure).await;
        }
        written
    }

    /// Reads one attempt to its end; its text goes through the content policy into the log.
    async fn write(&mut self, provider: &Provider) -> Result<Completion, AttemptError> {
        let mut policy = ContentPolicy::new(self.generator.settings.max_bytes);
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
                    policy = ContentPolicy::new(self.generator.settings.max_bytes);
                }
                StreamEvent::Text(piece) => {
                    if let Some(attempt) = &mut self.attempt {
                        attempt.text(&piece);
                    }
                    self.publish(policy.read(&piece)).await?;
                }
                StreamEvent::Ended(ending) => {
                    self.publish(policy.finish()).await?;
                    if is_blank(&self.log.text()) {
                        return Err(self.failure(FailureKind::Empty));
                    }
                    return Ok(ending);
                }
            }
        }
        // The port promises another end; without it nothing says that the text is whole.
        Err(self.failure(FailureKind::Truncated))
    }

    /// Gives text that passed the content policy to all readers.
    async fn publish(&self, checked: Result<String, PolicyViolation>) -> Result<(), AttemptError> {
        let text = checked.map_err(|violation| {
            self.generator.stats.violations.add(1);
            if let Some(left_out) = VIOLATIONS.admit() {
                let (tip, violation) = (self.request.key, violation.as_str());
                tracing::warn!(%tip, violation, left_out, "a provider's text violates the content policy");
            }
            AttemptError::Violation(violation)
        })?;
        if !text.is_empty() {
            self.lease_guard.pass().await;
            self.log.append(&text);
        }
        Ok(())
    }

    fn failure(&self, kind: FailureKind) -> AttemptError {
        let attempt = self.attempt.as_ref();
        let failure = attempt.map(|attempt| attempt.failure(kind));
        AttemptError::Write(failure.unwrap_or_else(|| WriteFailure::new(kind)))
    }

    /// Pauses the provider on all replicas if it asked for a pause or its account is empty.
    async fn pause_provider_for_fleet(&self, provider: &Provider, failure: &WriteFailure) {
        let spent = Refused::by(failure.kind) == Some(Refused::Money);
        let spent = spent.then(|| Refused::Money.pause());
        let Some(pause) = spent.or(failure.retry_after) else {
            return;
        };
        let limiter = &self.generator.admission.limiter;
        let was_paused = self.generator.pause_left(provider) > SHORT_PAUSE;
        limiter.pause(&provider.name, pause).await;
        if pause > SHORT_PAUSE && !was_paused {
            tracing::warn!(
                provider = provider.name,
                ?pause,
                failure = %failure,
                "a provider asks for a long pause: no replica sends it requests until it is over, or until `admin tips resume`"
            );
        }
    }

    async fn tip(&self, provider: &Provider, ending: Completion) -> Tip {
        self.lease_guard.pass().await;
        let text = self.log.text();
        let keep = keep_time(&text, self.generator.settings.ttl);
        let now = self.generator.clock.now();
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

/// How long a tip is kept that seems to lack its end: long enough that its readers do not all request
/// another, and no longer. Some gateways call an answer whole that was cut on its way to them.
const UNFINISHED: Duration = Duration::from_mins(10);

/// How long a tip is current: `ttl`, unless its text ends in the middle of a sentence.
fn keep_time(text: &str, ttl: Duration) -> Duration {
    if ends_a_sentence(text) {
        ttl
    } else {
        ttl.min(UNFINISHED)
    }
}

/// Whether a text may end so. Items of a list need no full stop, if the one before has none.
fn ends_a_sentence(text: &str) -> bool {
    let mut lines = text.lines().rev().filter(|line| !line.trim().is_empty());
    let Some(last) = lines.next() else {
        return true;
    };
    let before = lines.next().unwrap_or_default();
    let is_listed = is_item(last) && is_item(before) && !is_closed(before);
    is_closed(last) || is_listed
}

/// Letters, digits and marks that lead on leave a line open. Thai and Lao have no full stop.
fn is_closed(line: &str) -> bool {
    let Some(last) = line.trim_end().chars().next_back() else {
        return true;
    };
    let leads_on = ",;:-–—([{&/¿¡、，；：،".contains(last);
    let is_without_stops = matches!(last, '\u{E00}'..='\u{EFF}');
    !leads_on && (is_without_stops || !last.is_alphanumeric())
}

fn is_item(line: &str) -> bool {
    let line = line.trim_start();
    let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_numbered = number.len() < line.len() && number.starts_with(['.', ')']);
    is_numbered || ["- ", "* ", "• "].iter().any(|mark| line.starts_with(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEEK: Duration = Duration::from_hours(7 * 24);

    #[test]
    fn a_text_that_ends_is_kept_for_long() {
        for text in [
            "Say hello.",
            "Say hello!\n",
            "Ask: \"How are you?\"",
            "Say hello. 🙂",
            "Smile (a little)",
            "**Smile.**",
            "対話を始めましょう。",
            "नमस्ते कहो।",
            "ยิ้มแล้วทักทาย",
            "Try this:\n- Smile\n- Say hello",
            "1. Smile\n2) Say hello",
        ] {
            assert_eq!(keep_time(text, WEEK), WEEK, "{text}");
        }
    }

    #[test]
    fn a_text_that_ends_in_the_middle_of_a_sentence_is_kept_for_minutes() {
        for text in [
            "Say hel",
            "Say hello,",
            "Say hello. Then",
            "Do this:",
            "- Smile.\n- Say hel",
            "- Smile",
            "Wait 3",
            "対話を始め",
            "Grüß",
        ] {
            assert_eq!(keep_time(text, WEEK), UNFINISHED, "{text}");
        }
        let short = Duration::from_secs(5);
        assert_eq!(keep_time("Say hel", short), short);
    }
}
