//! How a live run goes on, and when it ends.
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::{live::SIGN_OF_LIFE, progress::RunCounts, *};
use crate::{
    domain::{
        Asker, Difficulty, Epoch, Error, FailureKind, FallbackCause, KnownReplica, Locale,
        PersonaName, ReplicaId, ReplicaRegistry, ResumePoint, Tip, TipDone, TipEvent, TipEventKind,
        TipKey, TipRequest, TipSource, TipStreams, TipSubject,
    },
    service::FleetTasks,
};

/// A free task.
struct Free;

#[async_trait]
impl ReplicaRegistry for Free {
    async fn leave(&self, _: ReplicaId) -> Result<(), Error> {
        Ok(())
    }

    async fn replicas(&self) -> Result<Vec<KnownReplica>, Error> {
        Ok(Vec::new())
    }

    async fn take_task(&self, _: &'static str, _: ReplicaId, _: Duration) -> Result<bool, Error> {
        Ok(true)
    }

    async fn drop_task(&self, _: &'static str, _: ReplicaId) -> Result<(), Error> {
        Ok(())
    }
}

/// How a stream ends: without a cause with a tip.
type Ends = fn(usize) -> Option<(FallbackCause, Duration)>;

/// Takes some time for a tip, and ends the streams as it is told, by their number.
struct TipService {
    takes: Duration,
    ends: Ends,
    opened: AtomicUsize,
    at: Mutex<Vec<u64>>,
    started: Instant,
}

impl TipService {
    fn new(takes: Duration, ends: Ends) -> Arc<Self> {
        Arc::new(Self {
            takes,
            ends,
            opened: AtomicUsize::new(0),
            at: Mutex::default(),
            started: Instant::now(),
        })
    }
}

#[async_trait]
impl TipStreams for TipService {
    fn open(&self, request: TipRequest) -> BoxStream<'static, Result<TipEvent, Error>> {
        assert!(matches!(request.asker, Asker::Run(_)));
        self.at
            .lock()
            .unwrap()
            .push(self.started.elapsed().as_secs());
        let failed = (self.ends)(self.opened.fetch_add(1, SeqCst));
        let takes = self.takes;
        let event = async move {
            sleep(takes).await;
            let done = TipDone {
                sha256: [0; 32],
                bytes: 1,
                source: failed.map_or(TipSource::Ai, |_| TipSource::Static),
                fallback: failed.map(|(cause, _)| cause),
                retry_after: failed.map(|(_, wait)| wait),
                stop: None,
                usage: None,
                model: None,
                created_at: None,
            };
            Ok(TipEvent {
                at: ResumePoint {
                    key: TipKey([0; 32]),
                    epoch: Epoch(1),
                    offset: 1,
                    prefix_hash: [0; 8],
                },
                kind: TipEventKind::Done(Box::new(done)),
            })
        };
        stream::once(event).boxed()
    }

    async fn cached(&self, _: &TipSubject, _: &Locale, _: &PersonaName) -> Option<Tip> {
        None
    }

    fn most_cost(&self, _: &TipSubject, _: &Locale, _: &PersonaName) -> Option<u64> {
        Some(1)
    }
}

/// The progress of a run over `challenges`, at 60 tips a minute.
async fn run(streams: &Arc<TipService>, challenges: u128) -> Vec<GenerateProgress> {
    let pace = TipsPerMinute::parse(60).unwrap();
    let plan = GeneratePlan {
        scope: Scope::All,
        locale: Locale::default(),
        persona: "connell".parse().unwrap(),
        refresh: false,
        pace,
        validate_only: false,
        budget_micro_usd: None,
    };
    let subject = |number| TipSubject {
        challenge: Uuid::from_u128(number).into(),
        difficulty: Difficulty::Beginner,
        title: "Say hello".to_owned(),
        description: String::new(),
        static_tip: None,
    };
    let subjects: Vec<_> = (0..challenges).map(subject).collect();
    let fleet = FleetTasks::new(Arc::new(Free), TaskTracker::new());
    let lease = fleet.take("test").await;
    let counts = RunCounts::of(subjects.len());
    let run = live::LiveRun::new(Arc::clone(streams) as _, &plan);
    let told = run.stream(subjects, pace, counts, lease.unwrap().unwrap());
    told.map(Result::unwrap).collect().await
}

fn summary(told: &[GenerateProgress]) -> &GenerateSummary {
    told.last().unwrap().summary.as_ref().unwrap()
}

#[tokio::test(start_paused = true)]
async fn tips_are_begun_at_the_pace_and_each_is_told() {
    let streams = TipService::new(Duration::from_millis(100), |_| None);
    let told = run(&streams, 4).await;
    assert_eq!(*streams.at.lock().unwrap(), [0, 1, 2, 3]);
    let done: Vec<_> = told.iter().map(|progress| progress.done).collect();
    assert_eq!(done, [1, 2, 3, 4, 4]);
    assert_eq!(summary(&told).end, RunEnd::Complete);
    assert_eq!(summary(&told).written, 4);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_limited_slows_the_run_and_fails_nothing() {
    let streams = TipService::new(Duration::ZERO, |number| {
        (number == 1).then_some((FallbackCause::Limited, Duration::from_secs(30)))
    });
    let told = run(&streams, 4).await;
    assert_eq!((summary(&told).written, summary(&told).failed), (4, 0));
    let at = streams.at.lock().unwrap().clone();
    assert_eq!(at[..2], [0, 1]);
    assert!(at[2..].iter().all(|second| *second >= 31), "{at:?}");
    assert!(
        told.iter()
            .any(|progress| progress.last.is_none() && progress.summary.is_none()),
        "it gives signs of life every {SIGN_OF_LIFE:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_stays_away_ends_the_run() {
    let streams = TipService::new(Duration::ZERO, |number| {
        (number > 0).then_some((FallbackCause::Unwell, Duration::from_mins(1)))
    });
    let told = run(&streams, 100).await;
    let summary = summary(&told);
    assert_eq!((summary.end, summary.written), (RunEnd::ProviderAway, 1));
    assert!(summary.failed >= 1 && summary.untried >= 95, "{summary:?}");
    assert!(streams.opened.load(SeqCst) <= 1 + 4 * 4);
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_a_day_is_not_waited_for() {
    let streams = TipService::new(Duration::ZERO, |_| {
        let day = Duration::from_hours(24);
        Some((FallbackCause::Provider(FailureKind::RateLimited), day))
    });
    let told = run(&streams, 10).await;
    assert_eq!(summary(&told).end, RunEnd::ProviderAway);
    assert!(streams.started.elapsed() < Duration::from_mins(1));
}

#[tokio::test(start_paused = true)]
async fn a_tip_that_fails_for_itself_is_tried_again_and_then_told_and_the_others_go_on() {
    let streams = TipService::new(Duration::ZERO, |number| match number {
        0 => Some((FallbackCause::Rules, Duration::ZERO)),
        1 => Some((
            FallbackCause::Provider(FailureKind::Truncated),
            Duration::ZERO,
        )),
        _ => None,
    });
    let told = run(&streams, 3).await;
    let summary = summary(&told);
    assert_eq!((summary.end, summary.written), (RunEnd::Complete, 2));
    let failed = Uuid::from_u128(0).into();
    assert_eq!(summary.failures, [(failed, FallbackCause::Rules)]);
    assert_eq!(streams.opened.load(SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn when_the_money_is_spent_the_rest_is_left() {
    let streams = TipService::new(Duration::ZERO, |number| {
        (number >= 2).then_some((FallbackCause::Budget, Duration::ZERO))
    });
    let told = run(&streams, 10).await;
    let summary = summary(&told);
    assert_eq!(summary.end, RunEnd::DailyBudget);
    assert_eq!(
        (summary.written, summary.failed, summary.untried),
        (2, 0, 8)
    );
    let took = streams.started.elapsed();
    assert_eq!(took, Duration::from_secs(2), "the pace holds nobody up");
}
