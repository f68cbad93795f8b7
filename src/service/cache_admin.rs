use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use crate::domain::{
    CacheInspector, CacheStatus, ChallengeId, DatabaseId, Error, Invalidation, Invalidator,
    KnownReplica, ReplicaId, ReplicaRegistry, Tag, Unavailability, Version,
};

/// What is asked to be invalidated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Everything that depends on a tag.
    Tag(Tag),
    /// These challenges.
    Challenges(Vec<ChallengeId>),
}

impl Target {
    fn tags(&self) -> Vec<Tag> {
        match self {
            Self::Tag(tag) => vec![*tag],
            Self::Challenges(ids) => ids.iter().copied().map(Tag::Challenge).collect(),
        }
    }
}

/// The proof that an invalidation took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    inspector: Arc<dyn CacheInspector>,
    invalidator: Arc<dyn Invalidator>,
    registry: Arc<dyn ReplicaRegistry>,
    own: ReplicaId,
}

/// How often the registry is asked while a receipt waits.
const ASK_AGAIN: Duration = Duration::from_millis(3);
/// Clocks of two machines may run apart by a hundredth, and a reply takes a moment.
const FENCE_MARGIN: Duration = Duration::from_millis(50);
/// A replica that has told nothing for so long is silent.
const SILENT_AFTER: Duration = Duration::from_secs(3);

impl CacheAdminService {
    /// Acts for the replica `own`.
    #[must_use]
    pub fn new(
        inspector: Arc<dyn CacheInspector>,
        invalidator: Arc<dyn Invalidator>,
        registry: Arc<dyn ReplicaRegistry>,
        own: ReplicaId,
    ) -> Self {
        Self {
            inspector,
            invalidator,
            registry,
            own,
        }
    }

    /// Declares copies out of date, in the whole fleet.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer. Then a soft invalidation did nothing:
    /// copies from before may be served, marked stale, as it allows. A hard one dropped what the near
    /// cache of this replica had of it, whatever failed, as the one thing that could be done.
    pub async fn invalidate(
        &self,
        target: &Target,
        hard: bool,
        mode: Mode,
    ) -> Result<Receipt, Error> {
        let (asked, tags) = (Instant::now(), target.tags());
        let entries = self.inspector.count(&tags);
        let mut receipt = Receipt {
            committed: None,
            acknowledged: Vec::new(),
            fenced: Vec::new(),
            unproven: Vec::new(),
            entries,
            took: Duration::ZERO,
            tags,
        };
        if mode != Mode::Count {
            let how = Invalidation {
                hard,
                awaited: mode == Mode::Prove,
            };
            let committed = self.invalidator.invalidate(&receipt.tags, how).await;
            let committed = committed.map_err(|error| self.give_up(error, &receipt.tags, hard))?;
            receipt.committed = Some(committed);
            self.inspector.hurry();
            if mode == Mode::Prove {
                self.prove(committed, &mut receipt).await;
            }
        }
        receipt.took = asked.elapsed();
        Ok(receipt)
    }

    /// Waits until every registered replica has applied `committed`, or has had
    /// no chance for so long that it can call nothing from before fresh.
    ///
    /// A replica calls an answer fresh for `max_staleness` after it sent a poll
    /// that was answered. A poll that did not see the commit was sent before
    /// it was visible. So that much later, by this replica's own clock, none is left.
    async fn prove(&self, committed: Version, receipt: &mut Receipt) {
        let fenced_at =
            Instant::now() + self.inspector.max_staleness().mul_f64(1.01) + FENCE_MARGIN;
        let mut last_known = Vec::new();
        loop {
            if let Ok(known) = self.registry.replicas().await {
                last_known = known;
                if last_known
                    .iter()
                    .all(|replica| Proof::of(replica, committed) == Proof::Acknowledged)
                {
                    break;
                }
            }
            if Instant::now() >= fenced_at {
                break;
            }
            sleep(ASK_AGAIN).await;
        }
        for replica in last_known {
            let list = match Proof::of(&replica, committed) {
                Proof::Acknowledged => &mut receipt.acknowledged,
                Proof::Fenced => &mut receipt.fenced,
                Proof::Unproven => &mut receipt.unproven,
            };
            list.push(replica.report.name);
        }
    }

    /// What a caller is told whose invalidation failed with `error`.
    fn give_up(&self, error: Error, tags: &[Tag], hard: bool) -> Error {
        let dropped = hard.then(|| self.inspector.drop_copies(tags));
        let Error::Unavailable {
            why: Unavailability::Datastore,
            retry_after,
            source,
        } = error
        else {
            return error;
        };
        let why = dropped.map_or(
            Unavailability::NothingInvalidated,
            Unavailability::InvalidatedHereOnly,
        );
        Error::Unavailable {
            why,
            retry_after,
            source,
        }
    }

    /// How the caches of this replica do.
    pub async fn status(&self) -> CacheStatus {
        self.inspector.status().await
    }

    /// What the other replicas last told, and the names of those that have been silent for 3 s.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the database does not answer.
    pub async fn others(&self) -> Result<(Vec<KnownReplica>, Vec<String>), Error> {
        let known = self.registry.replicas().await?;
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
        self.inspector.max_staleness()
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
