//! Copies what a leader writes from its log to Redis, renews the lease, and stops a leader whose lease may have expired.
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use super::{
    cluster::{AppendResult, ClusterTip, LeaderLease},
    frame::{Position, StreamEntry},
    log::{Log, LogState},
};
use crate::{
    domain::{Epoch, Tip, UnixMicros},
    telemetry::LineLimit,
};

/// A leader that has not renewed its lease for this long stops publishing.
const LEASE_TRUST_LIMIT: Duration = Duration::from_secs(2);
/// The lease is renewed at least this often.
const RENEWAL: Duration = Duration::from_secs(1);
/// Time between two appends while no other replica follows: no replica reads the text in Redis, and half of the cost of a
/// piece of text is its way to Redis (row T1 of `make bench`). A new follower reads the text so far at once, and waits
/// this long, once, for the rest.
const APPEND_INTERVAL_WITHOUT_FOLLOWERS: Duration = Duration::from_millis(200);
/// Time between a command that Redis did not answer and the next one.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// Lines about tips that go on without Redis.
static LOST_REDIS_LINES: LineLimit = LineLimit::new();

/// Copies what a leader writes from its log to Redis.
///
/// The text is in the log first, so Redis slows no reader down here. All text since the last
/// answer goes as one entry; so a slow Redis gets larger entries, not more of them.
pub(super) struct Publisher<'a> {
    tip: &'a ClusterTip,
    log: &'a Log,
    lease_guard: &'a LeaseGuard,
    lease: LeaderLease,
    /// The last entry that Redis confirmed.
    at: Position,
    /// How much of the text Redis confirmed, in bytes.
    sent: usize,
    /// An append whose outcome is unknown; retried before anything else.
    unconfirmed: Option<(Position, StreamEntry)>,
    /// How many other replicas follow.
    followers: Arc<AtomicUsize>,
    /// Since when Redis has answered nothing, and when that was last noticed.
    silence: Option<(Instant, Instant)>,
    /// Redis lost the stream; there is nothing to append to.
    is_gone: bool,
}

/// Redis has a newer leader.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Demoted;

impl<'a> Publisher<'a> {
    pub(super) fn new(
        tip: &'a ClusterTip,
        log: &'a Log,
        lease_guard: &'a LeaseGuard,
        lease: LeaderLease,
    ) -> Self {
        let epoch = lease.epoch;
        Self {
            tip,
            log,
            lease_guard,
            lease,
            at: Position { epoch, number: 0 },
            sent: 0,
            unconfirmed: None,
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
                    // A change wakes it at once, time at the next renewal.
                    let _ = timeout(RENEWAL, state.changed()).await;
                }
                Ok(true) if self.followers.load(Relaxed) == 0 => {
                    sleep(APPEND_INTERVAL_WITHOUT_FOLLOWERS).await;
                }
                Ok(true) => {}
                Ok(false) => sleep(RETRY_PAUSE).await,
                Err(demoted) => return demoted,
            }
        }
    }

    /// Publishes the tip to the fleet, with all text that was not sent yet.
    pub(super) async fn whole(&mut self, tip: &Tip, now: UnixMicros) -> Result<(), Demoted> {
        let left = tip.expires_at.0.saturating_sub(now.0);
        let left = Duration::from_micros(u64::try_from(left).unwrap_or(0));
        // Tips that were written together must not be missing together.
        let keep = left.mul_f64(rand::random_range(0.9..=1.0));
        let end = StreamEntry::Whole(Box::new(tip.clone()));
        let epoch = self.at.epoch.max(tip.epoch);
        self.close(epoch, &end, keep).await
    }

    /// Publishes to the fleet that no tip comes; other replicas try again after `keep`.
    pub(super) async fn failed(
        &mut self,
        cause: &StreamEntry,
        keep: Duration,
    ) -> Result<(), Demoted> {
        self.close(self.at.epoch, cause, keep).await
    }

    pub(super) async fn release(&self) {
        self.tip.release(&self.lease).await;
    }

    async fn close(
        &mut self,
        epoch: Epoch,
        end: &StreamEntry,
        keep: Duration,
    ) -> Result<(), Demoted> {
        // Above whatever may be on its way: nothing of this epoch follows the end.
        let number = if epoch == self.at.epoch {
            self.at.number + 2
        } else {
            1
        };
        let at = Position { epoch, number };
        for _ in 0..3 {
            match self.tip.close(&self.lease, at, end, keep).await {
                Some(AppendResult::Yes { .. } | AppendResult::Gone) => return Ok(()),
                Some(AppendResult::Lost) => return Err(Demoted),
                None => sleep(RETRY_PAUSE).await,
            }
        }
        tracing::debug!(tip = %self.tip.redis_keys.key, "the end of a tip did not reach Redis");
        Ok(())
    }

    /// What is to be sent next, if anything is.
    fn next_entry(&self, state: &LogState) -> Option<(Position, StreamEntry)> {
        if self.is_gone {
            return None;
        }
        if let Some(unconfirmed) = &self.unconfirmed
            && unconfirmed.0.epoch == state.epoch
        {
            return Some(unconfirmed.clone());
        }
        if state.epoch > self.at.epoch {
            let at = Position {
                epoch: state.epoch,
                number: 0,
            };
            return Some((at, StreamEntry::Begin(state.began_by)));
        }
        let text = state
            .text
            .get(self.sent..)
            .filter(|text| !text.is_empty())?;
        let at = Position {
            number: self.at.number + 1,
            ..self.at
        };
        let entry = StreamEntry::Text {
            offset: self.sent as u64,
            text: text.to_owned(),
        };
        Some((at, entry))
    }

    /// Sends an entry, or renews the lease. False when Redis did not answer.
    async fn send(&mut self, pending: Option<(Position, StreamEntry)>) -> Result<bool, Demoted> {
        let sent_at = Instant::now();
        let epoch = pending.as_ref().map_or(self.at.epoch, |(at, _)| at.epoch);
        let entry = pending.as_ref().map(|(at, entry)| (at.number, entry));
        let appended = self.tip.append(&self.lease, epoch, entry).await;
        if appended.is_some() {
            self.silence = None;
        }
        match appended {
            Some(AppendResult::Yes { followers }) => {
                self.followers.store(followers, Relaxed);
                self.lease_guard.renew(sent_at);
                self.confirm(pending);
                Ok(true)
            }
            Some(AppendResult::Lost) => Err(Demoted),
            Some(AppendResult::Gone) => {
                // Redis came back empty. Readers here have the text, and the end will be kept.
                self.is_gone = true;
                self.lease_guard.lift();
                Ok(true)
            }
            None => {
                self.unconfirmed = pending;
                self.note_silence(sent_at);
                Ok(false)
            }
        }
    }

    /// Redis did not answer what was sent at `sent_at`. When that has gone on for a while Redis is
    /// lost for everybody, and this replica may write on for its own readers.
    ///
    /// A gap in what we did ourselves proves nothing about Redis: it was we who stood still, and
    /// another leader may be at work.
    fn note_silence(&mut self, sent_at: Instant) {
        let now = Instant::now();
        if now - sent_at > LEASE_TRUST_LIMIT {
            self.silence = None;
            return;
        }
        let unbroken = self
            .silence
            .filter(|(_, last)| sent_at - *last <= LEASE_TRUST_LIMIT);
        let since = unbroken.map_or(sent_at, |(since, _)| since);
        self.silence = Some((since, now));
        if now - since > LEASE_TRUST_LIMIT && self.lease_guard.is_needed() {
            if let Some(left_out) = LOST_REDIS_LINES.admit() {
                let tip = self.tip.redis_keys.key;
                tracing::info!(%tip, left_out, "Redis is down; this replica goes on writing the tip for its own readers");
            }
            self.lease_guard.lift();
        }
    }

    fn confirm(&mut self, sent: Option<(Position, StreamEntry)>) {
        let Some((at, entry)) = sent else { return };
        self.unconfirmed = None;
        self.at = at;
        self.sent = match entry {
            StreamEntry::Text { offset, text } => usize::try_from(offset).unwrap_or(0) + text.len(),
            StreamEntry::Begin(_) | StreamEntry::Whole(_) | StreamEntry::Failed(_) => 0,
        };
    }
}

/// Whether a leader may publish.
///
/// A process can stand still for any time between two of its instructions, so a leader must
/// read its own clock before it publishes: with a lease that it has not renewed for
/// [`LEASE_TRUST_LIMIT`], which is shorter than any lease lasts, it must ask first whether it still has it.
#[derive(Debug)]
pub(super) struct LeaseGuard(watch::Sender<LeaseState>);

#[derive(Clone, Copy, Debug)]
enum LeaseState {
    /// Redis confirmed the lease to a request that was sent at this time.
    Held(Instant),
    /// Redis is not there: each replica publishes for its own readers.
    Open,
}

impl LeaseGuard {
    /// For a leader whose lease was requested at `requested_at`.
    pub(super) fn held(requested_at: Instant) -> Self {
        Self(watch::Sender::new(LeaseState::Held(requested_at)))
    }

    /// For a leader that needs no lease.
    pub(super) fn open() -> Self {
        Self(watch::Sender::new(LeaseState::Open))
    }

    /// The lease was renewed by a request that was sent at `sent`.
    pub(super) fn renew(&self, sent: Instant) {
        self.0.send_replace(LeaseState::Held(sent));
    }

    /// Redis is lost: publishing needs no lease.
    pub(super) fn lift(&self) {
        self.0.send_replace(LeaseState::Open);
    }

    /// Whether a lease is needed.
    pub(super) fn is_needed(&self) -> bool {
        match *self.0.borrow() {
            LeaseState::Held(_) => true,
            LeaseState::Open => false,
        }
    }

    /// Waits until it is certain that publishing is allowed.
    pub(super) async fn pass(&self) {
        let mut state = self.0.subscribe();
        let is_certain = |state: &LeaseState| match state {
            LeaseState::Held(renewed) => renewed.elapsed() < LEASE_TRUST_LIMIT,
            LeaseState::Open => true,
        };
        // The sender is here, so there is no other end to this.
        let _ = state.wait_for(is_certain).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_was_not_renewed_in_time_stops_the_leader_until_it_is() {
        let lease_guard = LeaseGuard::held(Instant::now());
        lease_guard.pass().await;
        advance(LEASE_TRUST_LIMIT).await;
        let brief = Duration::from_millis(1);
        assert!(timeout(brief, lease_guard.pass()).await.is_err());
        let (passed, ()) = tokio::join!(timeout(brief, lease_guard.pass()), async {
            lease_guard.renew(Instant::now());
        });
        assert!(passed.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn without_redis_nothing_stops_it() {
        let lease_guard = LeaseGuard::held(Instant::now());
        advance(LEASE_TRUST_LIMIT).await;
        lease_guard.lift();
        lease_guard.pass().await;
    }
}
