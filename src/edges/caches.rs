//! All edges of the fleet, and when they are purged.
use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{metrics, worker::EdgeWorker};
use crate::{
    domain::{
        Change, CommitWatcher, EdgeCache, EdgeProof, EdgePurger, Flag, LearntCommits, Switches,
        Tag, Version,
    },
    telemetry::Page,
};

/// How long after the catalog was switched off the edges are purged again: an answer that was on its way then is
/// there by now.
const CLOSED_AGAIN: Duration = Duration::from_millis(500);

/// All edges of the fleet.
pub struct EdgeCaches {
    workers: Vec<Arc<EdgeWorker>>,
    /// How long after a commit no replica answers from before it.
    settled_after: Duration,
}

impl EdgeCaches {
    /// Purges `edges`; each time again `settled_after` that, when no replica can give an answer from before the commit
    /// any more.
    #[must_use]
    pub fn new(edges: Vec<Arc<dyn EdgeCache>>, settled_after: Duration) -> Self {
        let workers = edges.into_iter().map(EdgeWorker::new).map(Arc::new);
        Self {
            workers: workers.collect(),
            settled_after,
        }
    }

    /// Starts to work on `tasks`, until `stop`.
    pub fn start(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        for worker in &self.workers {
            tasks.spawn(Arc::clone(worker).run(stop.clone()));
        }
    }

    /// Purges everything when the catalog is switched off, and when it is already at the start; for ever. Nothing is
    /// to be purged when it is switched on: refusals are kept nowhere.
    pub async fn follow_switch(
        self: Arc<Self>,
        switches: Arc<Switches>,
        mut changes: watch::Receiver<u64>,
    ) {
        let mut was_on = true;
        loop {
            changes.mark_unchanged();
            let is_on = switches.is_on(Flag::ChallengesCatalog);
            if was_on && !is_on {
                for worker in &self.workers {
                    worker.purge(&[Tag::Everything], true);
                    worker.purge_later(&[Tag::Everything], true, CLOSED_AGAIN);
                }
            }
            was_on = is_on;
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Adds the metrics of all edges.
    pub fn collect(&self, page: &mut Page) {
        let edges = self.workers.iter();
        let edges = edges.map(|one| (one.edge.name(), &one.metrics, one.waiting_tags()));
        metrics::collect(&edges.collect::<Vec<_>>(), page);
    }
}

#[async_trait]
impl EdgePurger for EdgeCaches {
    async fn visit(&self, tags: &[Tag], within: Duration) {
        let visits = self.workers.iter();
        // What the edge answers is of no interest.
        let visits = visits.map(|worker| worker.edge.reached(tags, Version::default()));
        let _ = timeout(within, join_all(visits)).await;
    }

    fn purge(&self, tags: &[Tag], hard: bool) {
        for worker in &self.workers {
            worker.purge(tags, hard);
        }
        self.purge_settled(tags, hard);
    }

    fn purge_settled(&self, tags: &[Tag], hard: bool) {
        for worker in &self.workers {
            worker.purge_later(tags, hard, self.settled_after);
        }
    }

    async fn prove(
        &self,
        tags: &[Tag],
        hard: bool,
        committed: Version,
        within: Duration,
    ) -> Vec<EdgeProof> {
        let until = Instant::now() + within;
        let proofs = self.workers.iter().map(|worker| {
            worker.purge(tags, hard);
            worker.prove(tags, committed, until)
        });
        join_all(proofs).await
    }
}

/// Who finds a commit purges at once, when others may still answer from before it, and again when none does. Its
/// deputies purge at that time too, in case it has crashed.
impl CommitWatcher for EdgeCaches {
    fn learnt(&self, commits: LearntCommits<'_>) {
        match commits {
            LearntCommits::Found(changes) => {
                for (tags, hard) in tags_of(changes) {
                    self.purge(&tags, hard);
                }
            }
            LearntCommits::Announced {
                changes,
                is_deputy: true,
            } => {
                for (tags, hard) in tags_of(changes) {
                    self.purge_settled(&tags, hard);
                }
            }
            LearntCommits::Announced {
                is_deputy: false, ..
            } => {}
            // A replica that has just started may have crashed before it purged; among what was missed may have been
            // a hard invalidation.
            LearntCommits::Unknown { is_first } => self.purge(&[Tag::Everything], !is_first),
        }
    }
}

/// What `changes` touched, hard or soft.
fn tags_of(changes: &[Change]) -> [(Vec<Tag>, bool); 2] {
    [true, false].map(|hard| {
        let tags = changes.iter().filter(|change| change.hard == hard);
        (tags.map(|change| change.tag).collect(), hard)
    })
}
