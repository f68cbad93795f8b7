use std::{
    error::Error as _,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    CacheStats, Knowledge, ReplicaHeartbeat,
    fault::{self, Fault},
    table::Applied,
};
use crate::domain::{ChangeFeed, Error, FeedPage, ReplicaReport, Tell};

/// Keeps [`Knowledge`] up to date: polls on a beat, and soon on a hint.
///
/// Start, normal work and catching up after a lost connection are the same statement, which also
/// takes along what the replica tells the fleet.
pub struct FeedTask {
    feed: Arc<dyn ChangeFeed>,
    knowledge: Arc<Knowledge>,
    heartbeat: Arc<ReplicaHeartbeat>,
    interval: Duration,
    stats: Arc<CacheStats>,
}

/// A poll that takes longer than this has failed.
const POLL_TIMEOUT: Duration = Duration::from_millis(500);
/// Callers that wait for a poll share it when they come closer together than this.
const LEAST_GAP: Duration = Duration::from_millis(1);
/// A poll after a hint begins so long after the one before; under hints without a pause, [`STEADY_GAP`].
const HINT_GAP: Duration = Duration::from_millis(20);
/// So a commit costs the database no more than 20 polls a second of each replica, however many there are.
const STEADY_GAP: Duration = Duration::from_millis(45);
/// One of the writers announces what several do: those that had not committed yet are looked for so much later.
const FOLLOW_UP: Duration = Duration::from_millis(30);
/// After the first poll that failed; twice as long after each further one, up to the interval.
const RETRY: Duration = Duration::from_millis(25);
/// Old changes are pruned about this often, by every replica: it costs one statement.
const PRUNE_INTERVAL: Duration = Duration::from_mins(1);
/// And after so many commits, so that a flood of them is bounded too.
const PRUNE_COMMITS: u64 = 5_000;

/// How a poll went, for when the next one is due.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Polled {
    /// Nothing more is to be expected before the next beat.
    Done,
    /// Others may have committed unannounced.
    MoreMayFollow,
    /// There is more, or somebody waits to be told.
    Continue,
    /// The database did not answer.
    Failed,
}

impl FeedTask {
    /// Polls `feed` every `interval`, a tenth more or less, with what `heartbeat` has to tell; counts in `stats`.
    #[must_use]
    pub fn new(
        feed: Arc<dyn ChangeFeed>,
        knowledge: Arc<Knowledge>,
        heartbeat: Arc<ReplicaHeartbeat>,
        interval: Duration,
        stats: Arc<CacheStats>,
    ) -> Self {
        Self {
            feed,
            knowledge,
            heartbeat,
            interval,
            stats,
        }
    }

    /// Starts polling on `tasks`, until `stop`.
    pub fn start(self, tasks: &TaskTracker, stop: &CancellationToken) {
        let flood = Arc::new(Notify::new());
        let prune = prune(Arc::clone(&self.feed), Arc::clone(&flood));
        tasks.spawn(stop.clone().run_until_cancelled_owned(prune));
        tasks.spawn(stop.clone().run_until_cancelled_owned(self.poll(flood)));
    }

    async fn poll(self, flood: Arc<Notify>) {
        let (mut failures, mut acknowledges, mut gap) = (0, false, HINT_GAP);
        let mut pruned_at = self.knowledge.version().stamp.seq;
        loop {
            let sent = Instant::now();
            let polled = self.poll_once(&mut acknowledges).await;
            let head = self.knowledge.version().stamp.seq;
            if head.saturating_sub(pruned_at) > PRUNE_COMMITS {
                pruned_at = head;
                flood.notify_one();
            }
            failures = if polled == Polled::Failed {
                failures + 1
            } else {
                0
            };
            if polled == Polled::Continue {
                continue;
            }
            sleep(LEAST_GAP).await;
            gap = self.wait(sent, self.beat(polled, failures), gap).await;
        }
    }

    /// Waits until the next poll is due: after `beat`, when a caller wants one, or `gap` after the last
    /// one was sent when there was a hint. Gives the gap that the next hint has to keep.
    async fn wait(&self, sent: Instant, beat: Duration, gap: Duration) -> Duration {
        tokio::select! {
            () = sleep(beat) => HINT_GAP,
            () = self.knowledge.poll_wanted() => HINT_GAP,
            () = self.feed.hint() => {
                let due = sent + gap;
                if Instant::now() >= due {
                    return HINT_GAP;
                }
                // Whichever comes first.
                tokio::select! {
                    () = sleep_until(due) => {}
                    () = self.knowledge.poll_wanted() => {}
                }
                STEADY_GAP
            }
        }
    }

    /// How long to wait for a hint. A poll that failed for once, as the first after the process
    /// was stopped does, is made up for soon.
    fn beat(&self, polled: Polled, failures: u32) -> Duration {
        let beat = match polled {
            Polled::Done | Polled::Continue => self.interval,
            Polled::MoreMayFollow => FOLLOW_UP.min(self.interval),
            Polled::Failed => {
                let before = failures.saturating_sub(1);
                (RETRY * 2_u32.saturating_pow(before)).min(self.interval)
            }
        };
        let beat = beat.mul_f64(rand::random_range(0.9..1.1));
        if fault::is(Fault::NotifyOnly) {
            beat * 1_000
        } else {
            beat
        }
    }

    /// One poll, which tells what is due, or acknowledges what somebody waits for.
    async fn poll_once(&self, acknowledges: &mut bool) -> Polled {
        let sent = Instant::now();
        let applied = self.knowledge.version();
        let report: Option<ReplicaReport> = self.heartbeat.take_report(applied);
        let tell = match &report {
            Some(report) => Tell::Status(report),
            None if *acknowledges => Tell::Applied(applied),
            None => Tell::Nothing,
        };
        let poll = self.feed.poll(applied.stamp.seq, self.heartbeat.id(), tell);
        let answer = timeout(POLL_TIMEOUT, poll).await;
        let answer = answer.unwrap_or_else(|_| Err(Error::datastore("the poll timed out")));
        self.stats.polls.add(1);
        match answer {
            Ok(page) => {
                *acknowledges = page.is_awaited;
                let took_us = u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX);
                self.stats.poll_us.store(took_us, Relaxed);
                match self.take_in(&page, sent) {
                    // It is registered now, and vouched for by the next poll.
                    Polled::Done if !page.registered && report.is_some() => Polled::Continue,
                    polled @ (Polled::Done
                    | Polled::MoreMayFollow
                    | Polled::Continue
                    | Polled::Failed) => polled,
                }
            }
            Err(error) => {
                self.stats.polls_failed.add(1);
                if self.knowledge.lose() {
                    let cause = error.source().map(ToString::to_string);
                    tracing::warn!(
                        component = "database",
                        %error,
                        cause,
                        "the database is lost: nothing is called fresh, and copies are served as stale, until it is back"
                    );
                }
                Polled::Failed
            }
        }
    }

    fn take_in(&self, page: &FeedPage, sent: Instant) -> Polled {
        let was_lost = self.knowledge.is_lost();
        let before = self.knowledge.version();
        match self.knowledge.apply(page, sent) {
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
            tracing::info!(
                component = "database",
                "the database is back: answers are fresh again"
            );
        }
        if page.is_awaited || !page.is_whole {
            Polled::Continue
        } else if page.others_write && page.head != before.stamp {
            Polled::MoreMayFollow
        } else {
            Polled::Done
        }
    }
}

/// Prunes now and then, and when a flood of commits has come in; as often as there is something left.
async fn prune(feed: Arc<dyn ChangeFeed>, flood: Arc<Notify>) {
    loop {
        let pause = PRUNE_INTERVAL.mul_f64(rand::random_range(0.5..1.5));
        // Whichever comes first.
        let _ = timeout(pause, flood.notified()).await;
        loop {
            match feed.prune().await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::debug!(%error, "old changes were not pruned");
                    break;
                }
            }
        }
    }
}
