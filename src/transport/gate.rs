//! Refuses all calls to the catalog while the flag `challenges_catalog` is off. It does not check credentials.
use std::{future::pending, sync::Arc};

use tokio::sync::watch;
use tonic::Status;

use super::status;
use crate::domain::{Flag, Switches};

/// Open while the flag `challenges_catalog` is on, which operators may change while the service runs.
#[derive(Clone, Debug)]
pub struct FeatureGate {
    switches: Arc<Switches>,
    /// Changes whenever a flag may have changed.
    changes: watch::Receiver<u64>,
}

impl FeatureGate {
    /// Reads the flag from `switches`; `changes` notifies of each change.
    #[must_use]
    pub fn new(switches: Arc<Switches>, changes: watch::Receiver<u64>) -> Self {
        Self { switches, changes }
    }

    /// The status for refused calls; `None` while the flag is on.
    pub(super) fn refusal(&self) -> Option<Status> {
        let flag = Flag::ChallengesCatalog;
        (!self.switches.is_on(flag)).then(|| status::feature_disabled(flag))
    }

    /// Waits until the flag is off, and returns the status for calls that this ends.
    pub(super) async fn closed(mut self) -> Status {
        loop {
            self.changes.mark_unchanged();
            if let Some(status) = self.refusal() {
                return status;
            }
            if self.changes.changed().await.is_err() {
                // The sender is gone, so the flag cannot change any more.
                pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::domain::Percentage;

    #[tokio::test]
    async fn a_gate_that_is_closed_and_opened_again_ends_who_waited_and_lets_others_in() {
        let (sender, changes) = watch::channel(0);
        let switches = Arc::<Switches>::default();
        let gate = FeatureGate::new(Arc::clone(&switches), changes);
        let mut waiting = Box::pin(gate.clone().closed());
        assert!(gate.refusal().is_none() && (&mut waiting).now_or_never().is_none());
        switches.set(Flag::NearCache, Percentage::NONE);
        sender.send_replace(1);
        assert!((&mut waiting).now_or_never().is_none());
        switches.set(Flag::ChallengesCatalog, Percentage::NONE);
        sender.send_replace(2);
        let status = waiting.await;
        assert_eq!(status.code(), tonic::Code::Unavailable);
        switches.set(Flag::ChallengesCatalog, Percentage::FULL);
        sender.send_replace(3);
        assert!(gate.refusal().is_none() && gate.closed().now_or_never().is_none());
    }
}
