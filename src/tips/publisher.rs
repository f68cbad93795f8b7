//! Carries what a leader writes from its log to Redis, and renews the lease.
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout};

use super::{
    cluster::{AppendResult, Lease, TipCluster},
    frame::{Entry, Position},
    lease_guard::{LeaseGuard, TRUST},
    log::{Log, LogState},
    redis_keys::RedisKeys,
};
use crate::{
    domain::{Epoch, Tip, UnixMicros},
    telemetry::LineLimit,
};

/// The lease is renewed at least this often.
const BEAT: Duration = Duration::from_secs(1);
/// While no other replica follows, text goes to Redis at most so often: nobody reads it there, and
/// half of what a piece of text costs is its way to Redis (row T1 of `make bench`). Who comes to
/// follow has what there is at once, and waits so long, once, for the rest.
const ALONE: Duration = Duration::from_millis(200);
/// After Redis did not answer it is asked again so soon.
const PAUSE: Duration = Duration::from_millis(100);
/// Lines about tips that go on without Redis.
static LOST: LineLimit = LineLimit::new();

/// Carries what a leader writes from its log to Redis.
///
/// The text is in the log first, so Redis slows nobody down here. What gathered since the last
/// answer goes as one entry; so a slow Redis gets larger entries, not more of them.
pub(super) struct Publisher<'a> {
    cluster: &'a TipCluster,
    redis_keys: &'a RedisKeys,
    log: &'a Log,
    lease_guard: &'a LeaseGuard,
    lease: Lease,
    /// The last entry of ours that stands.
    at: Position,
    /// How much of the text stands.
    sent: usize,
    /// Sent without an answer: it stands or not, and goes first.
    doubtful: Option<(Position, Entry)>,
    /// How many other replicas follow.
    followers: Arc<AtomicUsize>,
    /// Since when Redis has said nothing to anything that was sent, and when that was last seen.
    silence: Option<(Instant, Instant)>,
    /// Redis forgot the log; there is nothing to append to.
    is_gone: bool,
}

/// Redis tells of a newer leader.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Demoted;

impl<'a> Publisher<'a> {
    pub(super) fn new(
        cluster: &'a TipCluster,
        redis_keys: &'a RedisKeys,
        log: &'a Log,
        lease_guard: &'a LeaseGuard,
        lease: Lease,
    ) -> Self {
        let epoch = lease.epoch;
        Self {
            cluster,
            redis_keys,
            log,
            lease_guard,
            lease,
            at: Position { epoch, number: 0 },
            sent: 0,
            doubtful: None,
            followers: Arc::default(),
            silence: None,
            is_gone: false,
        }
    }

    /// How many other replicas follow, as far as is known.
    pub(super) fn followers(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.followers)
    }

    /// Publishes what comes into the log until another leader is there.
    pub(super) async fn run(&mut self) -> Demoted {
        let mut state = self.log.watch();
        loop {
            let pending = self.next_entry(&state.borrow_and_update());
            let is_renewal = pending.is_none();
            match self.send(pending).await {
                Ok(true) if is_renewal => {
                    // A change wakes it at once, time at the next beat.
                    let _ = timeout(BEAT, state.changed()).await;
                }
                Ok(true) if self.followers.load(Relaxed) == 0 => sleep(ALONE).await,
                Ok(true) => {}
                Ok(false) => sleep(PAUSE).await,
                Err(demoted) => return demoted,
            }
        }
    }

    /// Tells the fleet the end. What was not sent yet is in it.
    pub(super) async fn whole(&mut self, tip: &Tip, now: UnixMicros) -> Result<(), Demoted> {
        let left = tip.expires_at.0.saturating_sub(now.0);
        let left = Duration::from_micros(u64::try_from(left).unwrap_or(0));
        // Tips that were written together must not be missing together.
        let keep = left.mul_f64(rand::random_range(0.9..=1.0));
        let end = Entry::Whole(Box::new(tip.clone()));
        let epoch = self.at.epoch.max(tip.epoch);
        self.close(epoch, &end, keep).await
    }

    /// Tells the fleet that no tip comes; others try again after `keep`.
    pub(super) async fn failed(&mut self, cause: &Entry, keep: Duration) -> Result<(), Demoted> {
        self.close(self.at.epoch, cause, keep).await
    }

    pub(super) async fn release(&self) {
        self.cluster.release(self.redis_keys, &self.lease).await;
    }

    async fn close(&mut self, epoch: Epoch, end: &Entry, keep: Duration) -> Result<(), Demoted> {
        // Above whatever may be on its way: nothing of this epoch follows the end.
        let number = if epoch == self.at.epoch {
            self.at.number + 2
        } else {
            1
        };
        let at = Position { epoch, number };
        for _ in 0..3 {
            let closed = self
                .cluster
                .close(self.redis_keys, &self.lease, at, end, keep);
            match closed.await {
                Some(AppendResult::Yes { .. } | AppendResult::Gone) => return Ok(()),
                Some(AppendResult::Lost) => return Err(Demoted),
                None => sleep(PAUSE).await,
            }
        }
        tracing::debug!(tip = %self.redis_keys.key(), "the end of a tip did not reach Redis");
        Ok(())
    }

    /// What is to be sent next, if anything is.
    fn next_entry(&self, state: &LogState) -> Option<(Position, Entry)> {
        if self.is_gone {
            return None;
        }
        if let Some(doubtful) = &self.doubtful
            && doubtful.0.epoch == state.epoch
        {
            return Some(doubtful.clone());
        }
        if state.epoch > self.at.epoch {
            let at = Position {
                epoch: state.epoch,
                number: 0,
            };
            return Some((at, Entry::Begin(state.began_by)));
        }
        let text = state
            .text
            .get(self.sent..)
            .filter(|text| !text.is_empty())?;
        let at = Position {
            number: self.at.number + 1,
            ..self.at
        };
        let entry = Entry::Text {
            offset: self.sent as u64,
            text: text.to_owned(),
        };
        Some((at, entry))
    }

    /// Sends an entry, or renews the lease. False when Redis did not answer.
    async fn send(&mut self, pending: Option<(Position, Entry)>) -> Result<bool, Demoted> {
        let sent_at = Instant::now();
        let epoch = pending.as_ref().map_or(self.at.epoch, |(at, _)| at.epoch);
        let entry = pending.as_ref().map(|(at, entry)| (at.number, entry));
        let appended = self
            .cluster
            .append(self.redis_keys, &self.lease, epoch, entry);
        let appended = appended.await;
        if appended.is_some() {
            self.silence = None;
        }
        match appended {
            Some(AppendResult::Yes { followers }) => {
                self.followers.store(followers, Relaxed);
                self.lease_guard.renew(sent_at);
                self.stand(pending);
                Ok(true)
            }
            Some(AppendResult::Lost) => Err(Demoted),
            Some(AppendResult::Gone) => {
                // It came back empty. Our readers have the text, and the end will be kept.
                self.is_gone = true;
                self.lease_guard.lift();
                Ok(true)
            }
            None => {
                self.doubtful = pending;
                self.hear_nothing(sent_at);
                Ok(false)
            }
        }
    }

    /// Redis did not answer what was sent at `sent_at`. When that has gone on for a while Redis is
    /// lost for everybody, and this replica may write on for its own readers.
    ///
    /// A gap in what we did ourselves proves nothing about Redis: it was we who stood still, and
    /// another leader may be at work.
    fn hear_nothing(&mut self, sent_at: Instant) {
        let now = Instant::now();
        if now - sent_at > TRUST {
            self.silence = None;
            return;
        }
        let unbroken = self.silence.filter(|(_, last)| sent_at - *last <= TRUST);
        let since = unbroken.map_or(sent_at, |(since, _)| since);
        self.silence = Some((since, now));
        if now - since > TRUST && self.lease_guard.is_needed() {
            if let Some(left_out) = LOST.admit() {
                let tip = self.redis_keys.key();
                tracing::info!(%tip, left_out, "Redis is down; this replica goes on writing the tip for its own readers");
            }
            self.lease_guard.lift();
        }
    }

    fn stand(&mut self, sent: Option<(Position, Entry)>) {
        let Some((at, entry)) = sent else { return };
        self.doubtful = None;
        self.at = at;
        self.sent = match entry {
            Entry::Text { offset, text } => usize::try_from(offset).unwrap_or(0) + text.len(),
            Entry::Begin(_) | Entry::Whole(_) | Entry::Failed(_) => 0,
        };
    }
}
