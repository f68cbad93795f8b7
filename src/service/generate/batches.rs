use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::time::{Instant, sleep};

use super::{
    Batching, GeneratePlan, GenerateProgress, GenerateTipsService, RunEnd, TipOutcome,
    live::SIGN_OF_LIFE, progress::Tally,
};
use crate::{
    domain::{
        BatchId, BatchState, BatchesOrdered, Error, FleetTask, NewBatch, NotedBatch, Shortage,
        Spent, TipSubject,
    },
    service::task_lease::TaskLease,
};

/// How often a call looks at what is noted.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A call hurries the collector, less and less: the first batches may be small.
const FIRST_HURRY: Duration = Duration::from_secs(2);
const LAST_HURRY: Duration = Duration::from_secs(30);

/// One call that has tips ordered in batches, and watches until none is open. It only notes and
/// watches: the work is the collector's, so the call can be dropped at any time.
pub(super) struct BatchRun {
    service: GenerateTipsService,
    batching: Batching,
    plan: GeneratePlan,
    subjects: Vec<TipSubject>,
    tally: Tally,
    lease: TaskLease,
    /// Open ones, and those that this call saw end.
    seen: BTreeMap<BatchId, NotedBatch>,
    /// What this call ordered, once it has.
    ordered: Option<BatchesOrdered>,
    told: Instant,
    hurried: Instant,
    hurry_every: Duration,
}

/// What one look found.
enum Look {
    Nothing,
    News,
    /// No batch is open.
    AllClosed,
}

impl BatchRun {
    pub(super) fn new(
        service: GenerateTipsService,
        batching: Batching,
        plan: GeneratePlan,
        subjects: Vec<TipSubject>,
        tally: Tally,
        lease: TaskLease,
    ) -> Self {
        let now = Instant::now();
        Self {
            service,
            batching,
            plan,
            subjects,
            tally,
            lease,
            seen: BTreeMap::new(),
            ordered: None,
            told: now,
            hurried: now,
            hurry_every: FIRST_HURRY,
        }
    }

    /// Watches the batches that are open, orders what is missing then, and watches that.
    pub(super) fn stream(self) -> BoxStream<'static, Result<GenerateProgress, Error>> {
        let messages = stream::try_unfold(Some(self), |state| async move {
            let Some(mut run) = state else {
                return Ok(None);
            };
            let message = run.next().await?;
            if message.summary.is_none() {
                return Ok(Some((message, Some(run))));
            }
            run.lease.give_back().await;
            Ok(Some((message, None)))
        });
        messages.boxed()
    }

    async fn next(&mut self) -> Result<GenerateProgress, Error> {
        loop {
            if self.lease.is_lost() {
                return Err(Error::UnderWay(FleetTask::Generating));
            }
            match self.look().await? {
                Look::AllClosed if self.ordered.is_some() => return self.summary().await,
                Look::AllClosed => {
                    self.order().await?;
                    self.hurry();
                    return Ok(self.progress());
                }
                Look::News => return Ok(self.progress()),
                Look::Nothing if self.told.elapsed() >= SIGN_OF_LIFE => return Ok(self.progress()),
                Look::Nothing => {
                    if self.hurried.elapsed() >= self.hurry_every {
                        self.hurry();
                    }
                    sleep(LOOK_EVERY).await;
                }
            }
        }
    }

    /// Takes in what is noted now.
    async fn look(&mut self) -> Result<Look, Error> {
        let store = &self.batching.store;
        let mut now = store.open_batches().await?;
        let is_all_closed = now.is_empty();
        let is_open = |id: &BatchId| now.iter().any(|batch| batch.batch.id == *id);
        let closed = self.seen.iter().filter(|(id, batch)| {
            let was_open = !matches!(batch.state, BatchState::Imported | BatchState::Lost);
            was_open && !is_open(id)
        });
        let closed: Vec<_> = closed.map(|(id, _)| *id).collect();
        if !closed.is_empty() {
            now.extend(store.batches(&closed).await?);
        }
        let mut is_news = false;
        for batch in now {
            let id = batch.batch.id;
            is_news |= self.seen.get(&id) != Some(&batch);
            self.seen.insert(id, batch);
        }
        Ok(match (is_news, is_all_closed) {
            (true, false) => Look::News,
            (_, true) => Look::AllClosed,
            (false, false) => Look::Nothing,
        })
    }

    /// Orders what is missing by now.
    async fn order(&mut self) -> Result<(), Error> {
        let subjects = std::mem::take(&mut self.subjects);
        let (service, plan) = (&self.service, &self.plan);
        let missing = service.missing(subjects, plan, &mut self.tally).await;
        let desk = &self.batching.desk;
        let ordered = desk.order(&missing, &plan.locale, &plan.persona, plan.budget_micro_usd);
        let ordered = ordered.await?;
        // Noted at once: they may be closed before the next look.
        let noted = self.batching.store.batches(&ordered.batches).await?;
        let noted = noted.into_iter().map(|batch| (batch.batch.id, batch));
        self.seen.extend(noted);
        self.ordered = Some(ordered);
        Ok(())
    }

    fn hurry(&mut self) {
        self.batching.hurry.notify_one();
        self.hurried = Instant::now();
        self.hurry_every = (self.hurry_every * 2).min(LAST_HURRY);
    }

    fn progress(&mut self) -> GenerateProgress {
        self.told = Instant::now();
        let written = self.own().map(|batch| batch.written).sum::<u64>();
        let mut progress = self.tally.progress(None, None);
        progress.done += usize::try_from(written).unwrap_or(usize::MAX);
        progress.batches = self.batches();
        progress
    }

    async fn summary(&mut self) -> Result<GenerateProgress, Error> {
        // By their age, so that what a repeated order came to counts.
        let mut own: Vec<_> = self.own().collect();
        own.sort_unstable_by_key(|batch| batch.batch.created_at);
        let (mut outcomes, mut spent) = (HashMap::new(), Spent::default());
        for batch in own {
            spent.join(batch.spent);
            let orders = self.batching.store.orders(batch.batch.id).await?;
            let told = orders.into_iter();
            outcomes.extend(told.map(|order| (order.order.challenge, order.outcome)));
        }
        for (challenge, outcome) in outcomes {
            let outcome = match outcome.as_deref() {
                Some("success") => TipOutcome::Written,
                Some(word) => TipOutcome::Failed(word.to_owned().into()),
                None => TipOutcome::Failed("lost".into()),
            };
            self.tally.count(challenge, &outcome);
        }
        let shortage = self.ordered.as_ref().and_then(|ordered| ordered.shortage);
        let end = match shortage {
            None => RunEnd::Complete,
            Some(Shortage::Run) => RunEnd::RunBudget,
            Some(Shortage::Day) => RunEnd::DailyBudget,
        };
        let mut summary = self.tally.summary(end, spent, 0);
        summary.batches = self.batches();
        Ok(summary)
    }

    /// The batches that this call ordered, and those that repeat orders of them.
    fn own(&self) -> impl Iterator<Item = &NotedBatch> {
        let ordered = self.ordered.iter().flat_map(|ordered| &ordered.batches);
        let ordered: HashSet<_> = ordered.copied().collect();
        self.seen.values().filter(move |noted| {
            let NewBatch { id, repeats, .. } = &noted.batch;
            ordered.contains(id) || repeats.is_some_and(|first| ordered.contains(&first))
        })
    }

    fn batches(&self) -> Vec<NotedBatch> {
        let mut batches: Vec<_> = self.seen.values().cloned().collect();
        batches.sort_unstable_by_key(|batch| batch.batch.created_at);
        batches
    }
}
