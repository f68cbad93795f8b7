//! Purges one edge of what is in its queue, until it succeeds.
use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep, sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    metrics::EdgeMetrics,
    purge_queue::{PurgeQueue, Round},
};
use crate::{
    domain::{EdgeCache, EdgeFailure, EdgeProof, Tag, Version},
    telemetry::{Failing, FailureLog},
};

/// After each request of a round there is so much time, so that a flood of commits costs an edge about 5 requests a second.
const GAP: Duration = Duration::from_millis(200);
/// About so many tags go into one request.
const TAGS_PER_REQUEST: usize = 100;
/// After the first round that failed; twice as long after each further one, up to the second.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How long a replica that leaves may take to purge what is left.
const FAREWELL: Duration = Duration::from_millis(900);
/// Between two questions for a proof; twice as long each time, up to the second.
const ASK_AGAIN: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(160));

/// One edge, and what it is still to be purged of.
pub(super) struct EdgeWorker {
    pub(super) edge: Arc<dyn EdgeCache>,
    queue: Mutex<PurgeQueue>,
    /// Notified when there is more in the queue.
    added: Notify,
    /// Notified when somebody waits for a purge.
    awaited: Notify,
    pub(super) metrics: EdgeMetrics,
    outage: FailureLog,
}

impl EdgeWorker {
    pub(super) fn new(edge: Arc<dyn EdgeCache>) -> Self {
        Self {
            edge,
            queue: Mutex::default(),
            added: Notify::new(),
            awaited: Notify::new(),
            metrics: EdgeMetrics::default(),
            outage: FailureLog::default(),
        }
    }

    /// Purges soon.
    pub(super) fn purge(&self, tags: &[Tag], hard: bool) {
        self.queue.lock().add(tags, hard);
        self.added.notify_one();
    }

    /// Purges `after` that time.
    pub(super) fn purge_later(&self, tags: &[Tag], hard: bool, after: Duration) {
        let due = Instant::now() + after;
        self.queue.lock().add_later(tags, hard, due);
        self.added.notify_one();
    }

    /// How many tags are to be purged now.
    pub(super) fn waiting_tags(&self) -> usize {
        self.queue.lock().waiting_tags()
    }

    /// Waits until what is in the queue now has been purged, then asks until the edge shows `committed`; both up to
    /// `until`.
    pub(super) async fn prove(
        &self,
        tags: &[Tag],
        committed: Version,
        until: Instant,
    ) -> EdgeProof {
        let missing = self.missing(tags, committed, until).await;
        match missing {
            None => self.metrics.proven.add(1),
            Some(_) => self.metrics.unproven.add(1),
        }
        EdgeProof {
            edge: self.edge.name().to_owned(),
            missing,
        }
    }

    async fn missing(&self, tags: &[Tag], committed: Version, until: Instant) -> Option<String> {
        let (waiter, purged) = oneshot::channel();
        self.queue.lock().await_next(waiter);
        self.awaited.notify_one();
        match timeout_at(until, purged).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(failure))) => return Some(format!("not purged yet: {failure}")),
            Ok(Err(_)) => return Some("not purged: the replica is shutting down".to_owned()),
            Err(_) => return Some("not purged yet: the purge takes too long".to_owned()),
        }
        let mut last = "purged, and there was no time to ask it".to_owned();
        let mut pause = ASK_AGAIN.0;
        loop {
            match timeout_at(until, self.edge.reached(tags, committed)).await {
                Ok(Ok(())) => return None,
                Ok(Err(failure)) => last = format!("purged, but {failure}"),
                Err(_) => return Some(last),
            }
            if Instant::now() + pause >= until {
                return Some(last);
            }
            sleep(pause).await;
            pause = (pause * 2).min(ASK_AGAIN.1);
        }
    }

    /// Works until `stop`, and then tries for a moment to leave nothing behind.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut failures = 0;
        while !stop.is_cancelled() {
            tokio::select! {
                () = self.work_is_due() => {}
                () = stop.cancelled() => break,
            }
            let round = self.queue.lock().take(Some(Instant::now()));
            let pause = match self.purge_round(round, &stop).await {
                Ok(requests) => {
                    failures = 0;
                    GAP * requests
                }
                Err(failure) => {
                    let pause = (RETRY.0 * 2_u32.saturating_pow(failures)).min(RETRY.1);
                    let pause = pause.mul_f64(rand::random_range(0.8..1.2));
                    failures += 1;
                    pause.max(failure.retry_after.unwrap_or_default())
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.awaited.notified() => {}
                () = stop.cancelled() => {}
            }
        }
        let rest = self.queue.lock().take(None);
        // It is tried for the last time: deputies and the next start purge as well.
        let _ = self.purge_round(rest, &stop).await;
    }

    /// Waits until there is something to purge, or somebody waits for it.
    async fn work_is_due(&self) {
        loop {
            let due = self.queue.lock().next(Instant::now());
            let due = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => return,
                () = self.added.notified() => {}
                () = self.awaited.notified() => {}
            }
        }
    }

    /// Purges what the round has, and tells its waiters; about how many requests that took. What failed is put back.
    async fn purge_round(
        &self,
        round: Round,
        stop: &CancellationToken,
    ) -> Result<u32, EdgeFailure> {
        let Round { tags, waiters } = round;
        let purges = tags.purges();
        let began = Instant::now();
        let purging = async {
            for (tags, hard) in &purges {
                self.edge.purge(tags, *hard).await?;
            }
            Ok(())
        };
        let farewell = async {
            stop.cancelled().await;
            sleep(FAREWELL).await;
        };
        let outcome = tokio::select! {
            outcome = purging => outcome,
            () = farewell => Err(EdgeFailure::new("the replica is shutting down")),
        };
        for waiter in waiters {
            // Who waited may have gone away.
            let _ = waiter.send(outcome.clone());
        }
        if purges.is_empty() {
            return Ok(0);
        }
        self.metrics.purge_time.record_time(began.elapsed());
        self.note(&outcome);
        if outcome.is_err() {
            self.queue.lock().put_back(tags);
        }
        let requests = purges
            .iter()
            .map(|(tags, _)| tags.len().div_ceil(TAGS_PER_REQUEST));
        outcome.map(|()| u32::try_from(requests.sum::<usize>()).unwrap_or(1))
    }

    fn note(&self, purged: &Result<(), EdgeFailure>) {
        let edge = self.edge.name();
        match purged {
            Ok(()) => {
                self.metrics.purged.add(1);
                if let Some(Failing { failures, lasted }) = self.outage.worked() {
                    tracing::info!(
                        component = "edges",
                        edge,
                        failures,
                        ?lasted,
                        "the edge cache was purged of all that it missed"
                    );
                }
            }
            Err(failure) => {
                self.metrics.failed.add(1);
                if let Some(Failing { failures, lasted }) = self.outage.failed() {
                    tracing::warn!(
                        component = "edges", edge, error = %failure, failures, ?lasted,
                        "the edge cache cannot be purged: it may serve answers from before a commit until it can, or until they expire"
                    );
                }
            }
        }
    }
}
