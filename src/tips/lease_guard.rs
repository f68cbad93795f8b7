//! Stops a leader from publishing when its lease may have expired.
use std::time::Duration;

use tokio::{sync::watch, time::Instant};

/// A leader that could not renew its lease for so long stops publishing.
pub(super) const TRUST: Duration = Duration::from_secs(2);

/// Whether a leader may publish.
///
/// A process can stand still for any time between two of its instructions, so a leader must
/// look at its own clock before it publishes: with a lease that it has not renewed for
/// [`TRUST`], which is shorter than any lease lasts, it must ask first whether it still has it.
#[derive(Debug)]
pub(super) struct LeaseGuard(watch::Sender<State>);

#[derive(Clone, Copy, Debug)]
enum State {
    /// The lease was ours when this was sent to Redis.
    Held(Instant),
    /// There is no Redis to have a lease from: everybody publishes for themselves.
    Open,
}

impl LeaseGuard {
    /// For a leader whose lease was asked for at `asked`.
    pub(super) fn held(asked: Instant) -> Self {
        Self(watch::Sender::new(State::Held(asked)))
    }

    /// For one that needs no lease.
    pub(super) fn open() -> Self {
        Self(watch::Sender::new(State::Open))
    }

    /// The lease was renewed by what was sent at `sent`.
    pub(super) fn renew(&self, sent: Instant) {
        self.0.send_replace(State::Held(sent));
    }

    /// Redis is lost: publishing needs no lease.
    pub(super) fn lift(&self) {
        self.0.send_replace(State::Open);
    }

    /// Whether a lease is needed.
    pub(super) fn is_needed(&self) -> bool {
        match *self.0.borrow() {
            State::Held(_) => true,
            State::Open => false,
        }
    }

    /// Waits until it is certain that publishing is allowed.
    pub(super) async fn pass(&self) {
        let mut state = self.0.subscribe();
        let is_certain = |state: &State| match state {
            State::Held(renewed) => renewed.elapsed() < TRUST,
            State::Open => true,
        };
        // The sender is here, so there is no other end to this.
        let _ = state.wait_for(is_certain).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_was_not_renewed_in_time_stops_the_leader_until_it_is() {
        let lease_guard = LeaseGuard::held(Instant::now());
        lease_guard.pass().await;
        advance(TRUST).await;
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
        advance(TRUST).await;
        lease_guard.lift();
        lease_guard.pass().await;
    }
}
