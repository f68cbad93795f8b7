//! Warms the caches: loads queries before callers ask for them.
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::stream::{self, Stream};

use super::task_lease::{FleetTasks, TaskLease};
use crate::domain::{
    Answer, CatalogReader, ChallengeId, Error, FleetTask, ListQuery, ReadOptions, Source,
};

/// What to load into the caches, beside the common queries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WarmPlan {
    /// First pages.
    pub queries: Vec<ListQuery>,
    /// Challenges.
    pub ids: Vec<ChallengeId>,
}

/// How far warming is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WarmProgress {
    /// How many entries are done.
    pub done: usize,
    /// How many there are.
    pub total: usize,
    /// The entry that comes next; empty at the end.
    pub current: String,
    /// What was done so far.
    pub tally: WarmTally,
    /// How long it took so far.
    pub took: Duration,
}

/// Where the entries came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WarmTally {
    /// A cache had them already.
    pub cached: usize,
    /// They were read from the database.
    pub loaded: usize,
    /// They do not exist.
    pub absent: usize,
}

/// Fills the caches, one warmer in the fleet at a time.
#[derive(Clone)]
pub struct WarmService {
    catalog: Arc<dyn CatalogReader>,
    fleet: FleetTasks,
}

const TASK: &str = "warm";
/// How long the load of one entry may take.
const LOAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How many challenges one statement loads.
const CHUNK: usize = 100;

impl WarmService {
    /// Warms the caches before `catalog`, one warmer in the `fleet` at a time.
    #[must_use]
    pub fn new(catalog: Arc<dyn CatalogReader>, fleet: FleetTasks) -> Self {
        Self { catalog, fleet }
    }

    /// Starts warming; it goes on while the stream is read, and ends when it is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::UnderWay`] while another warmer is at it;
    /// [`Error::Unavailable`] when the database does not answer.
    pub async fn start(
        &self,
        plan: WarmPlan,
    ) -> Result<impl Stream<Item = Result<WarmProgress, Error>> + Send + use<>, Error> {
        let lease = self.fleet.take(TASK).await?;
        let lease = lease.ok_or(Error::UnderWay(FleetTask::Warming))?;
        tracing::info!("warming the caches");
        let steps: VecDeque<_> = steps(plan).into();
        let run = WarmRun {
            catalog: Arc::clone(&self.catalog),
            lease,
            progress: WarmProgress {
                total: steps.iter().map(WarmStep::len).sum(),
                ..WarmProgress::default()
            },
            steps,
            started: Instant::now(),
        };
        Ok(run.stream())
    }
}

/// One statement's worth of work.
enum WarmStep {
    List(ListQuery),
    Challenges(Vec<ChallengeId>),
}

impl WarmStep {
    fn len(&self) -> usize {
        match self {
            Self::List(_) => 1,
            Self::Challenges(ids) => ids.len(),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::List(query) => format!("list:{}:{}", query.filters(), query.page_size.get()),
            Self::Challenges(ids) => ids
                .first()
                .map(|id| format!("challenge:{id}"))
                .unwrap_or_default(),
        }
    }
}

fn steps(plan: WarmPlan) -> Vec<WarmStep> {
    let mut queries = ListQuery::common().to_vec();
    for query in plan.queries {
        if !queries.contains(&query) {
            queries.push(query);
        }
    }
    let lists = queries.into_iter().map(WarmStep::List);
    let chunks = plan
        .ids
        .chunks(CHUNK)
        .map(|ids| WarmStep::Challenges(ids.to_vec()));
    lists.chain(chunks).collect()
}

struct WarmRun {
    catalog: Arc<dyn CatalogReader>,
    lease: TaskLease,
    steps: VecDeque<WarmStep>,
    progress: WarmProgress,
    started: Instant,
}

impl WarmRun {
    fn stream(self) -> impl Stream<Item = Result<WarmProgress, Error>> + Send {
        // One message before the first step and one after each; then the end.
        stream::try_unfold(Some((self, false)), |state| async move {
            let Some((mut run, started)) = state else {
                return Ok(None);
            };
            if started {
                run.step().await?;
            }
            let progress = run.report();
            let rest = (!run.steps.is_empty()).then_some((run, true));
            Ok(Some((progress, rest)))
        })
    }

    async fn step(&mut self) -> Result<(), Error> {
        let Some(step) = self.steps.pop_front() else {
            return Ok(());
        };
        if self.lease.is_lost() {
            return Err(Error::UnderWay(FleetTask::Warming));
        }
        let options = ReadOptions {
            min_version: None,
            deadline: Instant::now() + LOAD_TIMEOUT,
            may_load: true,
        };
        let answers = match &step {
            WarmStep::List(query) => vec![self.catalog.list(query, options).await?],
            WarmStep::Challenges(ids) => self.catalog.get_many(ids, options).await?,
        };
        for answer in &answers {
            self.count(answer);
        }
        self.progress.done += step.len();
        Ok(())
    }

    fn count(&mut self, answer: &Answer) {
        let tally = &mut self.progress.tally;
        match (answer.body.is_some(), answer.freshness.source) {
            (false, _) => tally.absent += 1,
            (true, Source::NearCache | Source::SharedCache) => tally.cached += 1,
            (true, Source::Database) => tally.loaded += 1,
        }
    }

    fn report(&self) -> WarmProgress {
        WarmProgress {
            current: self.steps.front().map(WarmStep::name).unwrap_or_default(),
            took: self.started.elapsed(),
            ..self.progress.clone()
        }
    }
}
