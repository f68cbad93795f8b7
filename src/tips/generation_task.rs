//! Fills one log: leads, follows, takes over, or does without Redis.
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    Abandoned,
    cluster::{ClusterTip, JoinOutcome, LeaderLease},
    follower::{Followed, Follower},
    frame::{NO_EPOCH, StreamEntry},
    generation::{Generation, Generator},
    log::{ActiveLogGuard, Failed, LogEnd},
    publisher::{Demoted, LeaseGuard, Publisher},
    request::GenerationRequest,
    retry_policy::AttemptError,
    tiers::TipTiers,
};
use crate::{
    domain::{Epoch, FallbackCause, ResetCause, Tip, TipSource},
    telemetry::LineLimit,
};

/// Spreads the requests of followers whose leader vanished.
const JITTER: Duration = Duration::from_millis(250);
/// Lines about tips that were not written.
static UNWRITTEN: LineLimit = LineLimit::new();

/// Fills one log, whatever it takes: leads, follows, takes over, or does without Redis.
/// It belongs to the replica and not to any caller.
pub(super) struct GenerationTask {
    pub(super) generator: Arc<Generator>,
    pub(super) tiers: Arc<TipTiers>,
    /// `None` for a replica without Redis.
    pub(super) cluster_tip: Option<ClusterTip>,
    pub(super) request: GenerationRequest,
    pub(super) log_guard: ActiveLogGuard,
    pub(super) is_refresh: bool,
    pub(super) stop: CancellationToken,
}

/// What ends the writing of a leader.
enum LeadEnd {
    Ended(Box<Result<Tip, AttemptError>>),
    Demoted,
    Deserted,
    Stopped,
}

impl GenerationTask {
    /// Works until the log has its end, or no reader is left.
    pub(super) async fn run(self) {
        // Twice the time of one generation: a takeover may come late.
        let limit = Instant::now() + 2 * self.generator.settings.time_limit;
        let mut floor = if self.is_refresh { NO_EPOCH } else { Epoch(0) };
        while Instant::now() < limit {
            let Some(tip) = &self.cluster_tip else {
                return self.lead_alone().await;
            };
            match tip.join(floor).await {
                None => return self.lead_alone().await,
                Some(JoinOutcome::Done(tip)) => {
                    self.generator.stats.shared_hits.add(1);
                    let tip = self.tiers.keep_shared(*tip, &self.request.origin);
                    return self.replay(tip);
                }
                Some(JoinOutcome::Recent(cause)) => {
                    return self.fail(Failed::new(cause), None).await;
                }
                Some(JoinOutcome::TooManyTakeovers) => {
                    return self.fail(Failed::new(FallbackCause::Recent), None).await;
                }
                Some(JoinOutcome::Lead(lease)) => {
                    floor = self.floor(lease.epoch);
                    match self.lead(Some((tip, lease))).await {
                        Ok(()) => return,
                        Err(Demoted) => self.generator.stats.demotions.add(1),
                    }
                }
                Some(JoinOutcome::Follow) => {
                    let mut follower = Follower::new(tip, &self.log_guard.log);
                    let end = tokio::select! {
                        end = follower.run() => end,
                        () = self.stop.cancelled() => Followed::Failed(FallbackCause::Abandoned),
                    };
                    floor = follower.epoch().map_or(floor, |epoch| self.floor(epoch));
                    match end {
                        Followed::Whole(tip) => {
                            self.tiers.keep_shared(tip, &self.request.origin);
                            return;
                        }
                        Followed::Failed(cause) => {
                            return self.fail(Failed::new(cause), None).await;
                        }
                        Followed::RedisLost => return self.lead_alone().await,
                        Followed::Deserted if self.log_guard.close_if_deserted() => return,
                        Followed::Deserted => {}
                        Followed::LeaderLost => sleep(JITTER.mul_f64(rand::random())).await,
                    }
                }
            }
        }
        self.fail(Failed::new(FallbackCause::TimedOut), None).await;
    }

    /// A tip that is older than the generation that was asked for will not do.
    fn floor(&self, epoch: Epoch) -> Epoch {
        if self.is_refresh { epoch } else { Epoch(0) }
    }

    async fn lead_alone(&self) {
        // Without a lease there is no other leader.
        let _ = self.lead(None).await;
    }

    /// Fills the log to its end, with the lease or, without Redis, for this replica alone.
    async fn lead(&self, lease: Option<(&ClusterTip, LeaderLease)>) -> Result<(), Demoted> {
        let log = &self.log_guard.log;
        let epoch = lease
            .as_ref()
            .map_or_else(|| self.epoch_alone(), |(_, lease)| lease.epoch);
        let lease_guard = lease.as_ref().map_or_else(LeaseGuard::open, |(_, lease)| {
            LeaseGuard::held(lease.requested_at)
        });
        let mut publisher = lease.map(|(tip, lease)| Publisher::new(tip, log, &lease_guard, lease));
        if !self.is_refresh
            && let Some(tip) = self.tiers.in_store(self.request.key).await
        {
            if let Some(publisher) = &mut publisher {
                publisher.whole(&tip, self.generator.clock.now()).await?;
            }
            self.replay(self.tiers.keep(tip));
            return Ok(());
        }
        self.generator.stats.generations.add(1);
        // A takeover before any text is not counted: no reader sees it.
        if log.length() > 0 {
            self.generator.stats.takeovers.add(1);
        }
        log.write(|state| state.begin(epoch, true, ResetCause::Takeover));
        let mut generation =
            Generation::new(&self.generator, &self.request, log, &lease_guard, epoch);
        let writing = self.write(&mut generation, publisher.as_mut()).await;
        match writing {
            LeadEnd::Ended(result) => match *result {
                Ok(tip) => self.keep(tip, publisher).await,
                Err(error) => self.give_up(&error, publisher).await,
            },
            LeadEnd::Demoted => {
                drop(generation);
                return Err(Demoted);
            }
            LeadEnd::Deserted | LeadEnd::Stopped => {
                drop(generation);
                if let Some(publisher) = publisher {
                    publisher.release().await;
                }
                self.fail(Failed::new(FallbackCause::Abandoned), None).await;
            }
        }
        Ok(())
    }

    async fn write(
        &self,
        generation: &mut Generation<'_>,
        publisher: Option<&mut Publisher<'_>>,
    ) -> LeadEnd {
        let followers = publisher.as_ref().map(|publisher| publisher.followers());
        let demotion = async {
            match publisher {
                Some(publisher) => publisher.run().await,
                None => std::future::pending::<Demoted>().await,
            }
        };
        tokio::select! {
            ended = generation.run() => LeadEnd::Ended(Box::new(ended)),
            Demoted = demotion => LeadEnd::Demoted,
            () = self.deserted(followers) => LeadEnd::Deserted,
            () = self.stop.cancelled() => LeadEnd::Stopped,
        }
    }

    /// Waits until the tip has had no reader for a while, if that is to end the generation.
    async fn deserted(&self, followers: Option<Arc<AtomicUsize>>) {
        let ends = self.is_refresh || self.generator.settings.abandoned == Abandoned::Abort;
        if !ends {
            return std::future::pending().await;
        }
        let has_followers = || {
            let count = followers.as_ref();
            count.is_some_and(|count| count.load(Relaxed) > 0)
        };
        loop {
            self.log_guard.log.deserted().await;
            sleep(self.generator.settings.linger).await;
            if !has_followers() && self.log_guard.close_if_deserted() {
                return;
            }
        }
    }

    /// Without Redis epochs come from the clock, as they do there.
    fn epoch_alone(&self) -> Epoch {
        let now = self.generator.clock.now().0.div_euclid(1_000);
        let before = self.log_guard.log.epoch();
        Epoch(u64::try_from(now).unwrap_or(0).max(before.0 + 1))
    }

    fn replay(&self, tip: Arc<Tip>) {
        let source = TipSource::Cache;
        self.log_guard.log.end(LogEnd::Whole { tip, source });
    }

    /// Readers first, then the fleet, then for good.
    async fn keep(&self, tip: Tip, publisher: Option<Publisher<'_>>) {
        let tip = self.tiers.keep(tip);
        let end = LogEnd::Whole {
            tip: Arc::clone(&tip),
            source: TipSource::Ai,
        };
        self.log_guard.log.end(end);
        if let Some(mut publisher) = publisher
            && publisher
                .whole(&tip, self.generator.clock.now())
                .await
                .is_err()
        {
            // The store takes it only if no later epoch is there, so it may still be offered.
            tracing::debug!(tip = %tip.key, "another replica leads; its tip will be the one");
        }
        self.tiers.save(&tip, &self.request.origin).await;
    }

    async fn give_up(&self, error: &AttemptError, publisher: Option<Publisher<'_>>) {
        let pause = if error.cost_an_attempt() {
            TipTiers::failure_pause()
        } else {
            Duration::ZERO
        };
        let mut failed = Failed::new(error.cause());
        failed.retry_after = error.retry_after().unwrap_or(failed.retry_after).max(pause);
        let cause = failed.cause;
        if let Some(left_out) = UNWRITTEN.admit() {
            tracing::warn!(
                tip = %self.request.key,
                challenge = %self.request.origin.challenge,
                cause = cause.as_str(),
                left_out,
                "no tip was written; readers get a fallback text"
            );
        }
        self.generator.stats.count_fallback(cause);
        self.fail(failed, Some(pause)).await;
        if let Some(mut publisher) = publisher {
            // A newer leader, if there is one, has its own end.
            let _ = publisher.failed(&StreamEntry::Failed(cause), pause).await;
        }
    }

    /// Ends the log without a tip; an older one may stand in. The failure is remembered for `pause`.
    async fn fail(&self, mut failed: Failed, pause: Option<Duration>) {
        failed.stale = self.tiers.newest(&self.request.origin).await;
        if let Some(pause) = pause.filter(|pause| !pause.is_zero()) {
            self.tiers
                .keep_failure(self.request.key, failed.clone(), pause);
        }
        self.log_guard.log.end(LogEnd::Failed(failed));
    }
}
