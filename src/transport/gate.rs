//! The flag that lets calls to the catalog in.
use std::{future::pending, sync::Arc};

use tokio::sync::watch;
use tonic::Status;

use super::status;
use crate::domain::{Flag, Switches};

/// Whether calls to the catalog are let in: operators may close it while the service runs.
#[derive(Clone, Debug)]
pub struct FeatureGate {
    switches: Arc<Switches>,
    /// Tells whenever a switch may have been thrown.
    changes: watch::Receiver<u64>,
}

impl FeatureGate {
    /// Open while `switches` say so; `changes` tells when to look at them again.
    #[must_use]
    pub fn new(switches: Arc<Switches>, changes: watch::Receiver<u64>) -> Self {
        Self { switches, changes }
    }

    /// What a caller is told who is not let in; nothing while the gate is open.
    pub(super) fn refusal(&self) -> Option<Status> {
        let flag = Flag::ChallengesCatalog;
        (!self.switches.is_on(flag)).then(|| status::feature_disabled(flag))
    }

    /// Waits until the gate is closed, and gives what callers are told then.
    pub(super) async fn closed(mut self) -> Status {
        loop {
            self.changes.mark_unchanged();
            if let Some(status) = self.refusal() {
                return status;
            }
            if self.changes.changed().await.is_err() {
                // Nobody is left who could close it.
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
