use std::{error::Error as _, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    CacheStats, Knowledge,
    fault::{self, Fault},
    table::Applied,
};
use crate::domain::{ChangeFeed, Error, ReplicaId};

/// Keeps [`Knowledge`] up to date: polls on a beat, and at once on a hint.
///
/// Start, normal work and catching up after a lost connection are the same statement.
pub struct FeedTask {
    feed: Arc<dyn ChangeFeed>,
    knowledge: Arc<Knowledge>,
    own: ReplicaId,
    interval: Duration,
    stats: Arc<CacheStats>,
}

/// A poll that takes longer than this has failed.
const POLL_TIMEOUT: Duration = Duration::from_millis(500);
/// Hints that come thicker than this share a poll.
const LEAST_GAP: Duration = Duration::from_millis(1);
/// After the first poll that failed; twice as long after each further one, up to the interval.
const RETRY: Duration = Duration::from_millis(25);
/// Old changes are pruned about this often, by every replica: it costs one statement.
const PRUNE_INTERVAL: Duration = Duration::from_mins(10);

impl FeedTask {
    /// Polls `feed` for the replica `own` every `interval`, a tenth more or less; counts in `stats`.
    #[must_use]
    pub fn new(
        feed: Arc<dyn ChangeFeed>,
        knowledge: Arc<Knowledge>,
        own: ReplicaId,
        interval: Duration,
        stats: Arc<CacheStats>,
    ) -> Self {
        Self {
            feed,
            knowledge,
            own,
            interval,
            stats,
        }
    }

    /// Starts polling on `tasks`, until `stop`.
    pub fn start(self, tasks: &TaskTracker, stop: &CancellationToken) {
        let (feed, knowledge) = (Arc::clone(&self.feed), Arc::clone(&self.knowledge));
        let hints = async move {
            loop {
                feed.hint().await;
                knowledge.want_poll();
            }
        };
        let prune = prune(Arc::clone(&self.feed));
        tasks.spawn(stop.clone().run_until_cancelled_owned(hints));
        tasks.spawn(stop.clone().run_until_cancelled_owned(prune));
        tasks.spawn(stop.clone().run_until_cancelled_owned(self.poll()));
    }

    async fn poll(self) {
        let mut failures = 0;
        loop {
            failures = if self.poll_once().await {
                0
            } else {
                failures + 1
            };
            sleep(LEAST_GAP).await;
            let beat = self.beat(failures);
            let beat = if fault::is(Fault::NotifyOnly) {
                beat * 1_000
            } else {
                beat
            };
            // Whichever comes first; a hint that came during the poll is kept by the Notify.
            let _ = timeout(beat, self.knowledge.poll_wanted()).await;
        }
    }

    /// How long to wait for a hint. A poll that failed for once, as the first after the process
    /// was stopped does, is made up for soon.
    fn beat(&self, failures: u32) -> Duration {
        let beat = match failures.checked_sub(1) {
            None => self.interval,
            Some(before) => (RETRY * 2_u32.saturating_pow(before)).min(self.interval),
        };
        beat.mul_f64(rand::random_range(0.9..1.1))
    }

    /// Tells whether the database answered.
    async fn poll_once(&self) -> bool {
        let sent = Instant::now();
        let after = self.knowledge.version().stamp.seq;
        let answer = timeout(POLL_TIMEOUT, self.feed.poll(after, self.own)).await;
        let answer = answer.unwrap_or_else(|_| Err(Error::datastore("the poll timed out")));
        self.stats.polls.add(1);
        match answer {
            Ok(page) => {
                let was_lost = self.knowledge.is_lost();
                let applied = self.knowledge.apply(&page, sent);
                match applied {
                    Applied::InOrder => {}
                    Applied::Resynced => {
                        self.stats.resyncs.add(1);
                        tracing::info!(head = %page.head, "feed resynchronised");
                    }
                    Applied::NewEra => {
                        self.stats.eras.add(1);
                        tracing::info!(database = %page.database, head = %page.head, "feed begins");
                    }
                }
                if was_lost {
                    tracing::info!("database is back");
                }
                true
            }
            Err(error) => {
                self.stats.polls_failed.add(1);
                if self.knowledge.lose() {
                    let cause = error.source().map(ToString::to_string);
                    tracing::warn!(%error, cause, "database is lost; answers will be marked stale");
                }
                false
            }
        }
    }
}

async fn prune(feed: Arc<dyn ChangeFeed>) {
    loop {
        sleep(PRUNE_INTERVAL.mul_f64(rand::random_range(0.5..1.5))).await;
        if let Err(error) = feed.prune().await {
            tracing::debug!(%error, "old changes were not pruned");
        }
    }
}
