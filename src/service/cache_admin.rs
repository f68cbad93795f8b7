//! Use cases for operators of the caches: invalidation with proof, and status.
use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::domain::{
    CacheStatus, CacheStatusSource, ChallengeId, DatabaseId, EdgeProof, EdgePurger, Error,
    Invalidation, Invalidator, KnownReplica, ReplicaId, ReplicaRegistry, Tag, Unavailability,
    Version,
};

/// What is asked to be invalidated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidationTarget {
    /// Everything that depends on a tag.
    Tag(Tag),
    /// These challenges.
    Challenges(Vec<ChallengeId>),
}

impl InvalidationTarget {
    fn tags(&self) -> Vec<Tag> {
        match self {
            Self::Tag(tag) => vec![*tag],
            Self::Challenges(ids) => ids.iter().copied().map(Tag::Challenge).collect(),
        }
    }
}

/// The proof that an invalidation took effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The version that has the invalidation; `None` when it was only counted.
    pub committed: Option<Version>,
    /// The replicas that have applied it.
    pub acknowledged: Vec<String>,
    /// The replicas that have not, and can no longer call a copy from before fresh.
    pub fenced: Vec<String>,
    /// Replicas of an earlier history of the database that have told nothing in this one: they may
    /// still follow the server of before, which this one knows nothing of.
    pub unproven: Vec<String>,
    /// How many entries of this replica were hit.
    pub entries: u64,
    /// How long it took.
    pub took: Duration,
    /// What was declared changed.
    pub tags: Vec<Tag>,
    /// What is known of each edge cache; nothing where there is none, or nobody waited.
    pub edges: Vec<EdgeProof>,
}

/// How to invalidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Only count.
    Count,
    /// Commit it and come back.
    Commit,
    /// Commit it and wait until it has taken effect everywhere.
    Prove,
}

/// Operations on the caches of the whole fleet.
#[derive(Clone)]
pub struct CacheAdminService {
    reporter: Arc<dyn CacheStatusSource>,
    invalidator: Arc<dyn Invalidator>,
    registry: Arc<dyn ReplicaRegistry>,
    own: ReplicaId,
    edges: Option<Arc<dyn EdgePurger>>,
}

/// How long a commit may take: the caller must get the error before its own deadline.
const COMMIT_TIMEOUT: Duration = Duration::from_millis(2500);
/// How often the registry is asked while a receipt waits.
const ASK_AGAIN: Duration = Duration::from_millis(3);
/// Clocks of two machines may run apart by a hundredth, and a reply takes a moment.
const FENCE_MARGIN: Duration = Duration::from_millis(50);
/// Who looks at a fleet whose database is away has no time to lose.
const REGISTRY_TIMEOUT: Duration = Duration::from_secs(1);
/// How long after its last heartbeat a replica counts as silent.
const SILENT_AFTER: Duration = Duration::from_secs(3);
/// How long edges may take to fetch what is purged afterwards.
const EDGE_VISIT: Duration = Duration::from_millis(250);
/// How long edges may take to be purged and to show it.
const EDGE_PROOF: Duration = Duration::from_millis(1500);
/// So much of the caller's time is left for the answer to get back.
const ANSWER_MARGIN: Duration = Duration::from_millis(150);

impl CacheAdminService {
    /// Acts for the replica `own`.
    #[must_use]
    pub fn new(
        reporter: Arc<dyn CacheStatusSource>,
        invalidator: Arc<dyn Invalidator>,
        registry: Arc<dyn ReplicaRegistry>,
        own: ReplicaId,
    ) -> Self {
        Self {
            reporter,
            invalidator,
            registry,
            own,
            edges: None,
        }
    }

    /// Has `edges` purged of what is invalidated.
    #[must_use]
    pub fn with_edges(self, edges: Option<Arc<dyn EdgePurger>>) -> Self {
        Self { edges, ..self }
    }

    /// Declares copies out of date, in the whole fleet and at the edges, for a caller that waits until `deadline`.
    ///
    /// An edge that cannot be purged fails nothing: the receipt names it, and it is purged as soon as it can be.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer. Then a soft invalidation did nothing:
    /// copies from before may be served, marked stale, as it allows. A hard one dropped what the near
    /// cache of this replica had of it, whatever failed, as the one thing that could be done. When the database
    /// was lost after the commit, that is told, and no receipt is given that names nobody.
    pub async fn invalidate(
        &self,
        target: &InvalidationTarget,
        hard: bool,
        mode: Mode,
        deadline: Instant,
    ) -> Result<Receipt, Error> {
        let (asked, tags) = (Instant::now(), target.tags());
        let entries = self.reporter.count(&tags);
        let mut receipt = Receipt {
            entries,
            tags,
            ..Receipt::default()
        };
        match mode {
            Mode::Count => {}
            Mode::Commit => {
                self.commit(&mut receipt, hard, mode).await?;
                if let Some(edges) = &self.edges {
                    edges.purge(&receipt.tags, hard);
                }
            }
            Mode::Prove => {
                if let Some(edges) = &self.edges {
                    edges.visit(&receipt.tags, EDGE_VISIT).await;
                }
                let committed = self.commit(&mut receipt, hard, mode).await?;
                if let Some(edges) = &self.edges {
                    // Now, as the caller may go away before the proof.
                    edges.purge_settled(&receipt.tags, hard);
                }
                let proven = self.prove(committed, &mut receipt).await;
                let why = Unavailability::InvalidationUnproven;
                proven.map_err(|error| self.failed(error, &receipt.tags, hard, why))?;
                if let Some(edges) = &self.edges {
                    let left = deadline.saturating_duration_since(Instant::now());
                    let within = left.saturating_sub(ANSWER_MARGIN).min(EDGE_PROOF);
                    let proofs = edges.prove(&receipt.tags, hard, committed, within);
                    receipt.edges = proofs.await;
                }
            }
        }
        receipt.took = asked.elapsed();
        Ok(receipt)
    }

    /// Commits the invalidation, and has this replica learn of it.
    async fn commit(
        &self,
        receipt: &mut Receipt,
        hard: bool,
        mode: Mode,
    ) -> Result<Version, Error> {
        let how = Invalidation {
            hard,
            awaited: mode == Mode::Prove,
        };
        let committing = self.invalidator.invalidate(&receipt.tags, how);
        let committed = timeout(COMMIT_TIMEOUT, committing).await;
        let committed = committed.unwrap_or_else(|_| Err(Error::datastore("no answer in time")));
        let why = |dropped: Option<u64>| {
            let nothing = Unavailability::NothingInvalidated;
            dropped.map_or(nothing, Unavailability::InvalidatedHereOnly)
        };
        let committed = committed.map_err(|error| self.failed(error, &receipt.tags, hard, why))?;
        receipt.committed = Some(committed);
        self.reporter.hurry();
        Ok(committed)
    }

    /// Waits until every registered replica has applied `committed`, or its last
    /// poll before the commit is too old to make an answer fresh.
    ///
    /// A replica calls an answer fresh for `max_staleness` after it sent a poll
    /// that was answered. A poll that did not see the commit was sent before
    /// it was visible. So that much later, by this replica's own clock, none is left.
    ///
    /// # Errors
    ///
    /// What the registry said last, when it never told who is registered.
    async fn prove(&self, committed: Version, receipt: &mut Receipt) -> Result<(), Error> {
        let fenced_at = Instant::now() + self.reporter.max_staleness().mul_f64(1.01) + FENCE_MARGIN;
        let mut last_known = Err(Error::datastore("no answer in time"));
        while let Ok(known) = timeout_at(fenced_at, self.registry.replicas()).await {
            // Whoever registered after an answer has seen the commit.
            if known.is_ok() || last_known.is_err() {
                last_known = known;
            }
            let has = |replica| Proof::of(replica, committed) == Proof::Acknowledged;
            let is_whole = last_known.as_ref().is_ok_and(|known| known.iter().all(has));
            if is_whole || Instant::now() >= fenced_at {
                break;
            }
            sleep(ASK_AGAIN).await;
        }
        for replica in last_known? {
            let list = match Proof::of(&replica, committed) {
                Proof::Acknowledged => &mut receipt.acknowledged,
                Proof::Fenced => &mut receipt.fenced,
                Proof::Unproven => &mut receipt.unproven,
            };
            list.push(replica.report.name);
        }
        Ok(())
    }

    /// What a caller is told whose invalidation failed, or whose proof is missing. A hard one drops the entries of
    /// this replica and of the edges; `why` says what an unavailable database then means, by how many were dropped.
    fn failed(
        &self,
        error: Error,
        tags: &[Tag],
        hard: bool,
        why: impl FnOnce(Option<u64>) -> Unavailability,
    ) -> Error {
        let dropped = hard.then(|| self.reporter.drop_copies(tags));
        if let Some(edges) = self.edges.as_ref().filter(|_| hard) {
            edges.purge(tags, hard);
        }
        let Error::Unavailable {
            why: Unavailability::Datastore,
            retry_after,
            source,
        } = error
        else {
            return error;
        };
        Error::Unavailable {
            why: why(dropped),
            retry_after,
            source,
        }
    }

    /// How the caches of this replica do.
    pub async fn status(&self) -> CacheStatus {
        self.reporter.status().await
    }

    /// What the other replicas last told, and the names of those that have been silent for 3 s.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer within a second.
    pub async fn others(&self) -> Result<(Vec<KnownReplica>, Vec<String>), Error> {
        let known = timeout(REGISTRY_TIMEOUT, self.registry.replicas()).await;
        let known = known.unwrap_or_else(|_| Err(Error::datastore("no answer in time")))?;
        let others = known
            .into_iter()
            .filter(|replica| replica.report.id != self.own);
        let (heard, silent): (Vec<_>, Vec<_>) =
            others.partition(|replica| replica.heard_ago <= SILENT_AFTER);
        Ok((
            heard,
            silent
                .into_iter()
                .map(|replica| replica.report.name)
                .collect(),
        ))
    }

    /// How old an answer may be and still be called fresh.
    #[must_use]
    pub fn max_staleness(&self) -> Duration {
        self.reporter.max_staleness()
    }
}

/// What is known of a replica when its time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    Acknowledged,
    Fenced,
    Unproven,
}

impl Proof {
    fn of(replica: &KnownReplica, committed: Version) -> Self {
        let applied = replica.report.applied;
        if applied.reaches(committed) {
            Self::Acknowledged
        } else if applied.database == committed.database
            || applied.database == DatabaseId::default()
        {
            Self::Fenced
        } else {
            Self::Unproven
        }
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;

    /// Commits, and then has lost its registry.
    struct Lost;

    #[async_trait]
    impl Invalidator for Lost {
        async fn invalidate(&self, _: &[Tag], _: Invalidation) -> Result<Version, Error> {
            Ok(Version::default())
        }
    }

    #[async_trait]
    impl ReplicaRegistry for Lost {
        async fn leave(&self, _: ReplicaId) -> Result<(), Error> {
            Ok(())
        }

        async fn replicas(&self) -> Result<Vec<KnownReplica>, Error> {
            std::future::pending().await
        }

        async fn take_task(
            &self,
            _: &'static str,
            _: ReplicaId,
            _: Duration,
        ) -> Result<bool, Error> {
            Ok(false)
        }

        async fn drop_task(&self, _: &'static str, _: ReplicaId) -> Result<(), Error> {
            Ok(())
        }
    }

    #[async_trait]
    impl CacheStatusSource for Lost {
        async fn status(&self) -> CacheStatus {
            std::future::pending().await
        }

        fn count(&self, _: &[Tag]) -> u64 {
            0
        }

        fn hurry(&self) {}

        fn drop_copies(&self, _: &[Tag]) -> u64 {
            7
        }

        fn max_staleness(&self) -> Duration {
            Duration::from_secs(2)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_registry_that_is_lost_after_the_commit_yields_no_receipt_that_names_nobody() {
        let lost = Arc::new(Lost);
        let own = ReplicaId(uuid::Uuid::nil());
        let admin = CacheAdminService::new(lost.clone(), lost.clone(), lost, own);
        let asked = Instant::now();
        let target = InvalidationTarget::Tag(Tag::Everything);
        let refused = admin
            .invalidate(&target, true, Mode::Prove, asked + Duration::from_secs(5))
            .await
            .unwrap_err();
        assert!(
            asked.elapsed() < Duration::from_secs(3),
            "{:?}",
            asked.elapsed()
        );
        let words = refused.to_string();
        assert!(
            words.contains("is committed") && words.contains("7 entries"),
            "{words}"
        );
    }
}
