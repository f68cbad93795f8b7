//! What becomes of reservations and attempts that are dropped, as they are when their task is cancelled.
use std::{
    mem,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream, stream::BoxStream};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::{
    Price, ProviderQuota, ProviderSpec,
    attempt::{AttemptRecorder, ProviderAdmission},
    budget::Budget,
    late_writes::LateWrites,
    limiter::Limiter,
    provider::Provider,
    request::GenerationRequest,
};
use crate::domain::{
    AttemptRecord, ChallengeId, Clock, Epoch, Error, Locale, PersonaName, Prompt, Route, RunBudget,
    StreamEvent, Tip, TipKey, TipOrigin, TipStore, TipWriter, UnixMicros, WriteFailure,
};

/// What one request may cost at most: the daily budget has room for one.
const MOST: u64 = 1_000;

struct Midnight;

impl Clock for Midnight {
    fn now(&self) -> UnixMicros {
        UnixMicros(0)
    }
}

#[derive(Default)]
struct Records(Mutex<Vec<AttemptRecord>>);

#[async_trait]
impl TipStore for Records {
    async fn find(&self, _: TipKey) -> Result<Option<Tip>, Error> {
        Ok(None)
    }
    async fn newest(
        &self,
        _: ChallengeId,
        _: &Locale,
        _: &PersonaName,
    ) -> Result<Option<Tip>, Error> {
        Ok(None)
    }
    async fn save(&self, _: &Tip, _: &TipOrigin) -> Result<bool, Error> {
        Ok(true)
    }
    async fn show_due(&self) -> Result<Option<Duration>, Error> {
        Ok(None)
    }
    async fn record(&self, attempt: &AttemptRecord) -> Result<(), Error> {
        self.0.lock().unwrap().push(attempt.clone());
        Ok(())
    }
}

struct Silent(Route);

impl TipWriter for Silent {
    fn route(&self) -> &Route {
        &self.0
    }
    fn write(&self, _: &Prompt) -> BoxStream<'static, Result<StreamEvent, WriteFailure>> {
        stream::pending().boxed()
    }
}

/// One provider that takes one request a minute, of which each costs a dollar for a thousand tokens.
struct AttemptScene {
    admission: ProviderAdmission,
    provider: Arc<Provider>,
    request: GenerationRequest,
    run_budget: Arc<RunBudget>,
    records: Arc<Records>,
}

impl AttemptScene {
    fn new() -> Self {
        let (records, tasks) = (Arc::<Records>::default(), TaskTracker::new());
        let clock: Arc<dyn Clock> = Arc::new(Midnight);
        let route = Route {
            provider: "anthropic".to_owned(),
            model: "m".to_owned(),
            temperature_milli: 1_000,
            max_output_tokens: 10,
        };
        let run_budget = Arc::new(RunBudget::with_cap(Some(MOST)));
        Self {
            admission: ProviderAdmission {
                switches: Arc::default(),
                places: Arc::new(Semaphore::new(1)),
                budget: Budget::new(None, Some(MOST), 1, Arc::clone(&clock)),
                limiter: Limiter::new(None, 1, tasks.clone()),
                recorder: Arc::new(AttemptRecorder {
                    store: Arc::clone(&records) as _,
                    clock,
                    stats: Arc::default(),
                    late_writes: LateWrites::new().0,
                    tasks,
                }),
            },
            provider: Arc::new(Provider::from(ProviderSpec {
                writer: Arc::new(Silent(route)),
                price: Price {
                    input: 0,
                    output: 100_000_000,
                },
                quota: ProviderQuota {
                    requests_per_minute: Some(1),
                    tokens_per_minute: None,
                },
            })),
            request: GenerationRequest {
                key: TipKey([7; 32]),
                origin: TipOrigin {
                    challenge: Uuid::nil().into(),
                    content: [0; 32],
                    locale: Locale::default(),
                    persona: "warm".parse().unwrap(),
                    prompt_version: "1".to_owned(),
                    shown: false,
                },
                prompt: Prompt {
                    system: String::new(),
                    user: String::new(),
                },
                run_budget: Some(Arc::clone(&run_budget)),
            },
            run_budget,
            records,
        }
    }

    fn spent(&self) -> u64 {
        self.admission.budget.state().unwrap().1
    }
}

#[tokio::test]
async fn a_reservation_that_is_dropped_gives_back_place_money_and_rate() {
    let scene = AttemptScene::new();
    for _ in 0..3 {
        let reserved = scene.admission.admit(&scene.provider, &scene.request).await;
        assert!(reserved.is_ok());
        assert_eq!(scene.spent(), MOST);
    }
    assert_eq!(scene.spent(), 0);
    assert_eq!(scene.run_budget.spent().attempts, 0);
    assert!(scene.run_budget.reserve(MOST).is_some());
}

#[tokio::test]
async fn an_attempt_that_is_dropped_is_settled_and_recorded_as_aborted() {
    let scene = AttemptScene::new();
    let reserved = scene.admission.admit(&scene.provider, &scene.request).await;
    let Ok(reservation) = reserved else {
        panic!("nothing is in its way");
    };
    let recorder = &scene.admission.recorder;
    let mut attempt = reservation.begin(recorder, &scene.provider, &scene.request, Epoch(1));
    attempt.text("Breathe.");
    drop(attempt);
    recorder.tasks.close();
    recorder.tasks.wait().await;
    let records = mem::take(&mut *scene.records.0.lock().unwrap());
    let [record] = records.as_slice() else {
        panic!("{records:?}");
    };
    // Two tokens of text, as a guess.
    let cost = 200;
    assert_eq!(record.outcome, "aborted");
    assert_eq!(
        (record.cost_micro_usd, record.usage.is_estimated),
        (cost, true)
    );
    assert_eq!(scene.spent(), cost);
    assert_eq!(scene.run_budget.spent().cost_micro_usd, cost);
    // The rate of a request that was sent is not given back.
    let again = scene.admission.admit(&scene.provider, &scene.request).await;
    assert!(again.is_err());
}
