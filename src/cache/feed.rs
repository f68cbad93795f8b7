//! Polls the feed of changes: on a schedule, and soon after a notification.
use std::{
    error::Error as _,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    CacheStats, InvalidationState, ReplicaHeartbeat,
    poll_schedule::PollSchedule,
    tag_versions::{ApplyOutcome, MergeOutcome},
};
use crate::{
    domain::{
        Announcement, ChangeFeed, Changes, CommitWatcher, Error, FeedPage, LearntCommits,
        Notification, ReplicaReport, Tell, Version,
    },
    telemetry::{Failing, FailureLog},
};

/// Keeps [`InvalidationState`] up to date: polls at an interval, and soon after a notification.
///
/// Start, normal work and catching up after a lost connection are the same statement, which also
/// takes along what the replica reports.
pub struct FeedTask {
    feed: Arc<dyn ChangeFeed>,
    invalidation: Arc<InvalidationState>,
    heartbeat: Arc<ReplicaHeartbeat>,
    interval: Duration,
    stats: Arc<CacheStats>,
    outage: FailureLog,
    watcher: Option<Arc<dyn CommitWatcher>>,
}

/// Callers that wait for a poll share it when they come closer together than this.
const LEAST_GAP: Duration = Duration::from_millis(1);
/// How long after a notification to poll once more: one writer notifies for several, and some may not have committed yet.
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
    /// Nothing more is to be expected before the next interval.
    Done,
    /// Others may have committed unannounced.
    MoreMayFollow,
    /// There is more, or somebody waits for an acknowledgement.
    Continue,
    /// The database did not answer.
    Failed,
}

/// What polls leave for the next one.
struct PollState {
    schedule: PollSchedule,
    /// Whether somebody waits for the acknowledgement of what the replica has applied.
    acknowledges: bool,
    /// Takes what is to be announced to the other replicas.
    found: mpsc::Sender<Announcement>,
}

impl FeedTask {
    /// Polls `feed` every `interval`, a tenth more or less, with the reports of `heartbeat`; counts in `stats`.
    #[must_use]
    pub fn new(
        feed: Arc<dyn ChangeFeed>,
        invalidation: Arc<InvalidationState>,
        heartbeat: Arc<ReplicaHeartbeat>,
        interval: Duration,
        stats: Arc<CacheStats>,
    ) -> Self {
        Self {
            feed,
            invalidation,
            heartbeat,
            interval,
            stats,
            outage: FailureLog::default(),
            watcher: None,
        }
    }

    /// Tells `watcher` of all commits that it learns of.
    #[must_use]
    pub fn watched_by(self, watcher: Option<Arc<dyn CommitWatcher>>) -> Self {
        Self { watcher, ..self }
    }

    /// Starts polling on `tasks`, until `stop`.
    pub fn start(self, tasks: &TaskTracker, stop: &CancellationToken) {
        let flood = Arc::new(Notify::new());
        let prune = prune(Arc::clone(&self.feed), Arc::clone(&flood));
        let (found, to_announce) = mpsc::channel(1);
        let announce = announce(Arc::clone(&self.feed), to_announce);
        tasks.spawn(stop.clone().run_until_cancelled_owned(prune));
        tasks.spawn(stop.clone().run_until_cancelled_owned(announce));
        tasks.spawn(
            stop.clone()
                .run_until_cancelled_owned(self.poll(flood, found)),
        );
    }

    async fn poll(self, flood: Arc<Notify>, found: mpsc::Sender<Announcement>) {
        let mut failures = 0;
        let mut state = PollState {
            schedule: PollSchedule::new(Instant::now()),
            acknowledges: false,
            found,
        };
        let mut pruned_at = self.invalidation.version().stamp.seq;
        loop {
            state.schedule.record_poll(Instant::now());
            let polled = self.poll_once(&mut state).await;
            let head = self.invalidation.version().stamp.seq;
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
            self.wait(self.pause(polled, failures), &mut state).await;
        }
    }

    /// Waits until the next poll is due: after `pause`, when a caller wants one, or after a notification as
    /// [`PollSchedule`] has it.
    async fn wait(&self, pause: Duration, state: &mut PollState) {
        let schedule = &mut state.schedule;
        let latest = Instant::now() + pause;
        loop {
            let due = schedule.due().map_or(latest, |due| due.min(latest));
            // The timer rounds up to its next millisecond.
            if due <= Instant::now() {
                return;
            }
            let notification = tokio::select! {
                () = sleep_until(due) => return,
                () = self.invalidation.poll_wanted() => return,
                notification = self.feed.notified() => notification,
            };
            let now = Instant::now();
            let announcement = match notification {
                Notification::Commit => {
                    schedule.notified(now);
                    continue;
                }
                Notification::Announced(announcement) => announcement,
            };
            match self.invalidation.merge_announcement(&announcement) {
                MergeOutcome::Changes => {
                    self.stats.announcements.add(1);
                    self.learnt(LearntCommits::Announced {
                        changes: &announcement.changes,
                        is_deputy: schedule.is_among_first(),
                    });
                    schedule.record_poll(now);
                    if announcement.is_awaited {
                        state.acknowledges = true;
                        return;
                    }
                }
                MergeOutcome::Gap => schedule.hurry(now),
                MergeOutcome::Nothing => {}
            }
        }
    }

    /// How long to wait for a notification. A poll that failed for once, as the first after the process
    /// was stopped does, is made up for soon.
    fn pause(&self, polled: Polled, failures: u32) -> Duration {
        let pause = match polled {
            Polled::Done | Polled::Continue => self.interval,
            Polled::MoreMayFollow => FOLLOW_UP.min(self.interval),
            Polled::Failed => {
                let before = failures.saturating_sub(1);
                (RETRY * 2_u32.saturating_pow(before)).min(self.interval)
            }
        };
        pause.mul_f64(rand::random_range(0.9..1.1))
    }

    /// One poll, which reports what is due, or acknowledges what somebody waits for.
    async fn poll_once(&self, state: &mut PollState) -> Polled {
        let sent = Instant::now();
        let applied = self.invalidation.version();
        let report: Option<ReplicaReport> = self.heartbeat.take_report(applied);
        let tell = match &report {
            Some(report) => Tell::Status(report),
            None if state.acknowledges => Tell::Applied(applied),
            None => Tell::Nothing,
        };
        let poll = self.feed.poll(applied.stamp.seq, self.heartbeat.id(), tell);
        // The poll has a shorter timeout, with a better error; past `max_staleness` an answer confirms nothing.
        let answer = timeout(self.invalidation.max_staleness(), poll).await;
        let answer = answer.unwrap_or_else(|_| Err(Error::datastore("the poll timed out")));
        self.stats.polls.add(1);
        match answer {
            Ok(page) => {
                state.acknowledges = page.is_awaited;
                let took_us = u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX);
                self.stats.poll_us.store(took_us, Relaxed);
                if let Some(place) = page.place {
                    state.schedule.set_place(place);
                }
                let polled = self.apply(&page, sent);
                // This poll registered the replica; only the next one can vouch for it.
                let is_new_here = !page.registered && report.is_some();
                if state.schedule.has_others()
                    && let Some(announcement) = announcement(applied, page)
                {
                    // Replicas that miss this message poll for themselves.
                    let _ = state.found.try_send(announcement);
                }
                if is_new_here && polled == Polled::Done {
                    Polled::Continue
                } else {
                    polled
                }
            }
            Err(error) => {
                self.stats.polls_failed.add(1);
                self.invalidation.mark_disconnected();
                if let Some(Failing { failures, lasted }) = self.outage.failed() {
                    let cause = error.source().map(ToString::to_string);
                    tracing::warn!(
                        component = "database",
                        %error,
                        cause,
                        failures,
                        ?lasted,
                        "a poll of the database failed: cached answers stay fresh for up to {:?}; after that they are marked stale, \
                         or refused if stale_while_unavailable is off",
                        self.invalidation.max_staleness()
                    );
                }
                Polled::Failed
            }
        }
    }

    fn apply(&self, page: &FeedPage, sent: Instant) -> Polled {
        let before = self.invalidation.version();
        match self.invalidation.apply(page, sent) {
            ApplyOutcome::InOrder => match &page.changes {
                Changes::All(changes) if !changes.is_empty() => {
                    self.learnt(LearntCommits::Found(changes));
                }
                Changes::All(_) | Changes::Lost => {}
            },
            ApplyOutcome::Resynced => {
                self.stats.resyncs.add(1);
                self.learnt(LearntCommits::Unknown { is_first: false });
                tracing::info!(head = %page.head, "feed resynchronised");
            }
            ApplyOutcome::NewEra => {
                self.stats.eras.add(1);
                let is_first = before == Version::default();
                self.learnt(LearntCommits::Unknown { is_first });
                tracing::info!(database = %page.database, head = %page.head, "feed begins");
            }
        }
        if let Some(Failing { failures, lasted }) = self.outage.worked() {
            tracing::info!(
                component = "database",
                failures,
                ?lasted,
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

    fn learnt(&self, commits: LearntCommits<'_>) {
        if let Some(watcher) = &self.watcher {
            watcher.learnt(commits);
        }
    }
}

/// What a replica that had applied `before` can announce of `page`; nothing where nothing happened, or not
/// all of it is known.
fn announcement(before: Version, page: FeedPage) -> Option<Announcement> {
    let head = Version {
        database: page.database,
        stamp: page.head,
    };
    match page.changes {
        Changes::All(changes)
            if head.database == before.database
                && head.stamp.timeline == before.stamp.timeline
                && head.stamp.seq > before.stamp.seq =>
        {
            Some(Announcement {
                head,
                after_seq: before.stamp.seq,
                changes,
                is_awaited: page.is_awaited,
            })
        }
        Changes::All(_) | Changes::Lost => None,
    }
}

/// Announces to the other replicas what polls found.
async fn announce(feed: Arc<dyn ChangeFeed>, mut to_announce: mpsc::Receiver<Announcement>) {
    while let Some(announcement) = to_announce.recv().await {
        if let Err(error) = feed.announce(&announcement).await {
            tracing::debug!(%error, "the other replicas were not notified of a commit; each finds it by its own poll");
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
