//! Starts runs, one in the fleet at a time.
use std::sync::Arc;

use futures_util::{
    FutureExt, StreamExt,
    future::ready,
    stream::{self, BoxStream},
};

use super::{
    GeneratePlan, GenerateProgress, RunEnd, TipOutcome, live::LiveRun, progress::RunCounts,
};
use crate::{
    domain::{ChallengeRepository, Error, FleetTask, PersonaName, Spent, TipStreams, TipSubject},
    service::{FleetTasks, TipsService, task_lease::TaskLease},
};

/// The name of the task that one run in the fleet has.
const TASK: &str = "generate tips";
/// How many reads of kept tips run at once.
const LOOKUPS_AT_ONCE: usize = 8;

/// What a run tells.
pub type Generating = BoxStream<'static, Result<GenerateProgress, Error>>;

/// Has the tips of many challenges written, one run in the fleet at a time.
#[derive(Clone)]
pub struct GenerateTipsService {
    streams: Arc<dyn TipStreams>,
    tips: TipsService,
    challenges: Arc<dyn ChallengeRepository>,
    fleet: FleetTasks,
}

impl GenerateTipsService {
    /// Tips of `streams`, in the personas of `tips`, about `challenges`; one run in the `fleet` at a time.
    #[must_use]
    pub fn new(
        streams: Arc<dyn TipStreams>,
        tips: TipsService,
        challenges: Arc<dyn ChallengeRepository>,
        fleet: FleetTasks,
    ) -> Self {
        Self {
            streams,
            tips,
            challenges,
            fleet,
        }
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
        let subjects = plan.scope.subjects(&*self.challenges).await?;
        let most_cost = self.most_cost(&subjects, &plan);
        let counts = RunCounts::of(subjects.len());
        let first = counts.progress(None, None);
        let rest = if plan.validate_only {
            let counted = self.clone().count(subjects, plan, counts);
            stream::once(counted.map(Ok)).boxed()
        } else {
            let most_cost = most_cost.ok_or(Error::NoTipsProvider)?;
            let lease = self.fleet.take(TASK).await?;
            let lease = lease.ok_or(Error::UnderWay(FleetTask::Generating))?;
            tracing::info!(challenges = subjects.len(), most_cost, "generating tips");
            let running = self.clone().run(subjects, plan, counts, lease);
            running.flatten_stream().boxed()
        };
        Ok(stream::once(ready(Ok(first))).chain(rest).boxed())
    }

    /// The most that all of them may cost; `None` when nobody writes.
    fn most_cost(&self, subjects: &[TipSubject], plan: &GeneratePlan) -> Option<u64> {
        let (locale, persona) = (&plan.locale, &plan.persona);
        let mut costs = subjects
            .iter()
            .map(|subject| self.streams.most_cost(subject, locale, persona));
        costs.try_fold(0_u64, |sum, cost| Some(sum.saturating_add(cost?)))
    }

    /// Counts what would be done, and generates nothing.
    async fn count(
        self,
        subjects: Vec<TipSubject>,
        plan: GeneratePlan,
        mut counts: RunCounts,
    ) -> GenerateProgress {
        let missing = self.missing(subjects, &plan, &mut counts).await;
        let (end, most_cost) = match self.most_cost(&missing, &plan) {
            Some(most_cost) => (RunEnd::Validated, most_cost),
            None => (RunEnd::ProviderAway, 0),
        };
        counts.summary(end, Spent::default(), most_cost)
    }

    async fn run(
        self,
        subjects: Vec<TipSubject>,
        plan: GeneratePlan,
        mut counts: RunCounts,
        lease: TaskLease,
    ) -> Generating {
        let missing = self.missing(subjects, &plan, &mut counts).await;
        let counted = stream::once(ready(Ok(counts.progress(None, None))));
        let run = LiveRun::new(Arc::clone(&self.streams), &plan);
        let rest = run.stream(missing, plan.pace, counts, lease);
        counted.chain(rest).boxed()
    }

    /// The challenges that need a tip; the others are counted.
    async fn missing(
        &self,
        subjects: Vec<TipSubject>,
        plan: &GeneratePlan,
        counts: &mut RunCounts,
    ) -> Vec<TipSubject> {
        if plan.refresh {
            return subjects;
        }
        let looks = subjects.into_iter().map(|subject| async move {
            let cached = self.streams.cached(&subject, &plan.locale, &plan.persona);
            let is_kept = cached.await.is_some();
            (subject, is_kept)
        });
        let mut looks = stream::iter(looks).buffered(LOOKUPS_AT_ONCE);
        let mut missing = Vec::new();
        while let Some((subject, is_kept)) = looks.next().await {
            if is_kept {
                counts.count(subject.challenge, TipOutcome::Kept);
            } else {
                missing.push(subject);
            }
        }
        missing
    }
}
