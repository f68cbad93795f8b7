//! Runs a plan: generates its tips one by one, at a pace.
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    GeneratePlan, GenerateProgress, RunEnd, TipOutcome, TipsPerMinute,
    progress::RunCounts,
    verdict::{Verdict, verdict},
};
use crate::{
    domain::{
        Asker, ChallengeId, Error, FallbackCause, FleetTask, Locale, PersonaName, RunBudget,
        TipDone, TipEvent, TipEventKind, TipMode, TipRequest, TipStreams, TipSubject,
    },
    service::task_lease::TaskLease,
};

/// How many tips are generated at once: as many as a slow provider needs to keep the default pace.
const AT_ONCE: usize = 4;
/// Longer than the tip service takes for a tip, whatever happens.
const TIP_LIMIT: Duration = Duration::from_mins(3);
/// How often a tip is requested, in all; each request has retries of its own.
const TRIES: u32 = 4;
/// The pauses between them are at least 5 s, 15 s and 45 s: together longer than the tip service remembers a
/// failure, so that the last try is never answered from memory alone.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// Nobody waits longer for a provider.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// Longest time between two messages, so that a run without progress is not taken for a dead one.
pub(super) const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// Has tips written one by one, as for callers who wait, and at a pace.
pub(super) struct LiveRun {
    streams: Arc<dyn TipStreams>,
    account: Arc<RunBudget>,
    locale: Locale,
    persona: PersonaName,
    mode: TipMode,
    /// Why no more tips are requested, once that is so.
    end: OnceLock<RunEnd>,
    /// Cancelled then.
    has_ended: CancellationToken,
    /// No tip is requested before.
    resumes: Mutex<Instant>,
    current: Mutex<Option<ChallengeId>>,
}

impl LiveRun {
    pub(super) fn new(streams: Arc<dyn TipStreams>, plan: &GeneratePlan) -> Self {
        Self {
            streams,
            account: Arc::new(RunBudget::with_cap(plan.budget_micro_usd)),
            locale: plan.locale.clone(),
            persona: plan.persona.clone(),
            mode: if plan.refresh {
                TipMode::Refresh
            } else {
                TipMode::Default
            },
            end: OnceLock::new(),
            has_ended: CancellationToken::new(),
            resumes: Mutex::new(Instant::now()),
            current: Mutex::default(),
        }
    }

    /// Works through `subjects` as long as the stream is read and the lease is held.
    pub(super) fn stream(
        self,
        subjects: Vec<TipSubject>,
        pace: TipsPerMinute,
        counts: RunCounts,
        lease: TaskLease,
    ) -> BoxStream<'static, Result<GenerateProgress, Error>> {
        let run = Arc::new(self);
        let worker = Arc::clone(&run);
        let outcomes = pace
            .pace(subjects)
            .take_until(run.has_ended.clone().cancelled_owned())
            .map(move |subject| Arc::clone(&worker).write(subject))
            .buffer_unordered(AT_ONCE)
            .boxed();
        let state = Some((run, outcomes, counts, lease));
        let messages = stream::try_unfold(state, |state| async move {
            let Some((run, mut outcomes, mut counts, lease)) = state else {
                return Ok(None);
            };
            loop {
                if lease.is_lost() {
                    return Err(Error::UnderWay(FleetTask::Generating));
                }
                let next = timeout(SIGN_OF_LIFE, outcomes.next()).await;
                let last = match next {
                    Ok(Some(Some((challenge, outcome)))) => {
                        counts.count(challenge, outcome);
                        Some((challenge, outcome))
                    }
                    // Its turn did not come: it is over.
                    Ok(Some(None)) => continue,
                    Err(_) => None,
                    Ok(None) => {
                        lease.give_back().await;
                        return Ok(Some((run.summary(&counts), None)));
                    }
                };
                let message = counts.progress(run.current(), last);
                return Ok(Some((message, Some((run, outcomes, counts, lease)))));
            }
        });
        messages.boxed()
    }

    fn summary(&self, counts: &RunCounts) -> GenerateProgress {
        let end = self.end.get().copied().unwrap_or(RunEnd::Complete);
        counts.summary(end, self.account.spent(), 0)
    }

    /// Has one tip written; nothing when its turn does not come.
    async fn write(self: Arc<Self>, subject: TipSubject) -> Option<(ChallengeId, TipOutcome)> {
        let challenge = subject.challenge;
        let mut pause = FIRST_PAUSE;
        for tries_left in (0..TRIES).rev() {
            self.wait_for_provider().await;
            if self.has_ended.is_cancelled() {
                return None;
            }
            *self.current.lock() = Some(challenge);
            let (cause, wait, holds_for_all) = match self.ask(subject.clone()).await {
                Verdict::Over(outcome) => return Some((challenge, outcome)),
                Verdict::End(end) => {
                    self.end_with(end);
                    return None;
                }
                Verdict::Again(cause, wait) => (cause, wait, false),
                Verdict::Standstill(cause, wait) => (cause, wait, true),
            };
            let wait = wait.max(pause);
            if tries_left == 0 || wait > LONGEST_PAUSE {
                if holds_for_all {
                    self.end_with(RunEnd::ProviderAway);
                }
                return Some((challenge, TipOutcome::Failed(cause)));
            }
            if holds_for_all {
                self.stand_still(wait);
            } else {
                // Ended or not is asked for next.
                let _ = self.has_ended.run_until_cancelled(sleep(wait)).await;
            }
            pause *= 3;
        }
        None
    }

    /// Reads one stream to its end.
    async fn ask(&self, subject: TipSubject) -> Verdict {
        let request = TipRequest {
            subject,
            locale: self.locale.clone(),
            persona: self.persona.clone(),
            mode: self.mode,
            no_static_fallback: false,
            resume: None,
            heartbeat: None,
            asker: Asker::Run(Arc::clone(&self.account)),
            deadline: (Instant::now() + TIP_LIMIT).into_std(),
        };
        match done(self.streams.open(request)).await {
            Some(done) => verdict(&done, self.account.has_refused()),
            None => Verdict::Again(FallbackCause::TimedOut, Duration::ZERO),
        }
    }

    fn end_with(&self, end: RunEnd) {
        if self.end.set(end).is_ok() {
            self.has_ended.cancel();
            tracing::warn!(?end, "a run that generates tips ends before its time");
        }
    }

    fn stand_still(&self, wait: Duration) {
        let mut resumes = self.resumes.lock();
        let (now, before) = (Instant::now(), *resumes);
        *resumes = before.max(now + wait);
        drop(resumes);
        // Said once for all that are under way.
        if before <= now {
            tracing::info!(?wait, "a run that generates tips waits for the provider");
        }
    }

    async fn wait_for_provider(&self) {
        loop {
            let resumes = *self.resumes.lock();
            if resumes <= Instant::now() || self.has_ended.is_cancelled() {
                return;
            }
            let waiting = sleep_until(resumes);
            // Ended or not is asked for next.
            let _ = self.has_ended.run_until_cancelled(waiting).await;
        }
    }

    fn current(&self) -> Option<ChallengeId> {
        *self.current.lock()
    }
}

/// The end of a stream of events, if it comes.
async fn done(mut events: BoxStream<'static, Result<TipEvent, Error>>) -> Option<Box<TipDone>> {
    while let Some(event) = events.next().await {
        if let TipEventKind::Done(done) = event.ok()?.kind {
            return Some(done);
        }
    }
    None
}
