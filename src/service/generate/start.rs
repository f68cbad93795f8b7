use std::{collections::HashSet, sync::Arc};

use futures_util::{
    FutureExt, StreamExt, TryFutureExt,
    future::ready,
    stream::{self, BoxStream},
};
use tokio_util::task::TaskTracker;

use super::{
    Batching, GeneratePlan, GenerateProgress, RunEnd, TipOutcome, TipsPerMinute, Way,
    batches::BatchRun, live::LiveRun, progress::Tally, scope,
};
use crate::{
    domain::{
        ChallengeId, ChallengeRepository, Error, FleetTask, NotedBatch, PersonaName,
        ReplicaRegistry, Spent, TipBoard, TipSubject,
    },
    service::{TipsService, task_lease::TaskLease},
};

/// The name of the task that one run in the fleet has.
const TASK: &str = "generate tips";
/// So many questions for kept tips are under way at once.
const LOOKS_AT_ONCE: usize = 8;

/// What a run tells.
pub type Generating = BoxStream<'static, Result<GenerateProgress, Error>>;

/// Has the tips of many challenges written, one run in the fleet at a time.
#[derive(Clone)]
pub struct GenerateTipsService {
    board: Arc<dyn TipBoard>,
    tips: TipsService,
    challenges: Arc<dyn ChallengeRepository>,
    registry: Arc<dyn ReplicaRegistry>,
    tasks: TaskTracker,
    batching: Option<Batching>,
}

impl GenerateTipsService {
    /// Tips of `board`, in the voices of `tips`, about `challenges`; what outlives a call runs on
    /// `tasks`.
    #[must_use]
    pub fn new(
        board: Arc<dyn TipBoard>,
        tips: TipsService,
        challenges: Arc<dyn ChallengeRepository>,
        registry: Arc<dyn ReplicaRegistry>,
        tasks: TaskTracker,
    ) -> Self {
        Self {
            board,
            tips,
            challenges,
            registry,
            tasks,
            batching: None,
        }
    }

    /// The same, which takes orders in batches too.
    #[must_use]
    pub fn with_batches(self, batching: Batching) -> Self {
        Self {
            batching: Some(batching),
            ..self
        }
    }

    /// Whether anybody takes orders in batches.
    #[must_use]
    pub fn takes_batches(&self) -> bool {
        self.batching.is_some()
    }

    /// As [`TipsService::persona`].
    ///
    /// # Errors
    ///
    /// The names that there are.
    pub fn persona(&self, name: &str) -> Result<PersonaName, String> {
        self.tips.persona(name)
    }

    /// Starts a run; it goes on while the stream is read, and ends when it is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] names all challenges that do not exist, [`Error::Invalid`] a scope that is
    /// too large, [`Error::UnderWay`] says that another run is at it, [`Error::NoTipsProvider`] that
    /// nobody could write; [`Error::Unavailable`] when the database does not answer.
    pub async fn start(&self, plan: GeneratePlan) -> Result<Generating, Error> {
        let subjects = scope::subjects(&*self.challenges, &plan.scope).await?;
        let most_cost = self.most_cost(&subjects, &plan);
        let tally = Tally::of(subjects.len());
        let first = tally.progress(None, None);
        let rest = if plan.validate_only {
            let counted = self.clone().count(subjects, plan, tally);
            stream::once(counted.map(Ok)).boxed()
        } else {
            let most_cost = most_cost.ok_or(Error::NoTipsProvider)?;
            let lease = TaskLease::take(TASK, &self.registry, &self.tasks).await?;
            let lease = lease.ok_or(Error::UnderWay(FleetTask::Generating))?;
            tracing::info!(challenges = subjects.len(), most_cost, "generating tips");
            match (plan.way, &self.batching) {
                (Way::Live(pace), _) => {
                    let running = self.clone().run(subjects, plan, pace, tally, lease);
                    running.try_flatten_stream().boxed()
                }
                (Way::Batches, Some(batching)) => {
                    let (service, batching) = (self.clone(), batching.clone());
                    BatchRun::new(service, batching, plan, subjects, tally, lease).stream()
                }
                (Way::Batches, None) => return Err(Error::NoTipsProvider),
            }
        };
        Ok(stream::once(ready(Ok(first))).chain(rest).boxed())
    }

    /// The most that all of them may cost; `None` when nobody writes.
    fn most_cost(&self, subjects: &[TipSubject], plan: &GeneratePlan) -> Option<u64> {
        let (locale, persona) = (&plan.locale, &plan.persona);
        let mut costs = subjects.iter().map(|subject| match plan.way {
            Way::Live(_) => self.board.most_cost(subject, locale, persona),
            Way::Batches => {
                let desk = &self.batching.as_ref()?.desk;
                Some(desk.most_cost(subject, locale, persona))
            }
        });
        costs.try_fold(0_u64, |sum, cost| Some(sum.saturating_add(cost?)))
    }

    /// Only tells what would be done.
    async fn count(
        self,
        subjects: Vec<TipSubject>,
        plan: GeneratePlan,
        mut tally: Tally,
    ) -> GenerateProgress {
        let missing = self.missing(subjects, &plan, &mut tally).await;
        let (end, most_cost) = match self.most_cost(&missing, &plan) {
            Some(most_cost) => (RunEnd::Validated, most_cost),
            None => (RunEnd::ProviderAway, 0),
        };
        tally.summary(end, Spent::default(), most_cost)
    }

    async fn run(
        self,
        subjects: Vec<TipSubject>,
        plan: GeneratePlan,
        pace: TipsPerMinute,
        mut tally: Tally,
        lease: TaskLease,
    ) -> Result<Generating, Error> {
        let coming = self.coming(&plan).await?;
        let mut missing = self.missing(subjects, &plan, &mut tally).await;
        missing.retain(|subject| !coming.contains(&subject.challenge));
        let counted = stream::once(ready(Ok(tally.progress(None, None))));
        let run = LiveRun::new(Arc::clone(&self.board), &plan);
        let rest = run.stream(missing, pace, tally, lease);
        Ok(counted.chain(rest).boxed())
    }

    /// The challenges whose tips are ordered in open batches: paid for, and on their way.
    async fn coming(&self, plan: &GeneratePlan) -> Result<HashSet<ChallengeId>, Error> {
        let mut coming = HashSet::new();
        let Some(Batching { store, .. }) = &self.batching else {
            return Ok(coming);
        };
        for NotedBatch { batch, .. } in store.open_batches().await? {
            if (&batch.locale, &batch.persona) == (&plan.locale, &plan.persona) {
                let orders = store.orders(batch.id).await?.into_iter();
                let open = orders.filter(|order| order.outcome.is_none());
                coming.extend(open.map(|order| order.order.challenge));
            }
        }
        Ok(coming)
    }

    /// The challenges that need a tip; the others are counted.
    pub(super) async fn missing(
        &self,
        subjects: Vec<TipSubject>,
        plan: &GeneratePlan,
        tally: &mut Tally,
    ) -> Vec<TipSubject> {
        if plan.refresh {
            return subjects;
        }
        let looks = subjects.into_iter().map(|subject| async move {
            let cached = self.board.cached(&subject, &plan.locale, &plan.persona);
            let is_kept = cached.await.is_some();
            (subject, is_kept)
        });
        let mut looks = stream::iter(looks).buffered(LOOKS_AT_ONCE);
        let mut missing = Vec::new();
        while let Some((subject, is_kept)) = looks.next().await {
            if is_kept {
                tally.count(subject.challenge, &TipOutcome::Kept);
            } else {
                missing.push(subject);
            }
        }
        missing
    }
}
