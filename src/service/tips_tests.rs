//! What callers of tips are given.
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use tokio::time::sleep;
use uuid::Uuid;

use super::*;
use crate::domain::{
    Answer, CatalogReader, DatabaseId, Difficulty, Epoch, Freshness, ListQuery, ResetCause, Source,
    Stamp, Tip, TipEventKind, TipKey, TipSource, Version,
};

/// Takes a second for a tip, and counts those under way.
#[derive(Default)]
struct SlowStreams {
    opened: AtomicUsize,
    under_way: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

#[async_trait]
impl TipStreams for SlowStreams {
    fn open(&self, request: TipRequest) -> BoxStream<'static, Result<TipEvent, Error>> {
        self.opened.fetch_add(1, SeqCst);
        let (under_way, most) = (Arc::clone(&self.under_way), Arc::clone(&self.most));
        let reset = async move {
            most.fetch_max(under_way.fetch_add(1, SeqCst) + 1, SeqCst);
            sleep(Duration::from_secs(1)).await;
            under_way.fetch_sub(1, SeqCst);
            let number = request.subject.challenge.uuid().as_u128();
            if number == 3 {
                return Err(Error::Declined);
            }
            Ok(TipEvent {
                at: ResumePoint {
                    key: TipKey([0; 32]),
                    epoch: Epoch(1),
                    offset: 0,
                    prefix_hash: [0; 8],
                },
                kind: TipEventKind::Reset {
                    cause: ResetCause::Restart,
                    new_source: TipSource::Ai,
                },
            })
        };
        stream::once(reset).boxed()
    }

    async fn cached(&self, _: &TipSubject, _: &Locale, _: &PersonaName) -> Option<Tip> {
        None
    }

    fn most_cost(&self, _: &TipSubject, _: &Locale, _: &PersonaName) -> Option<u64> {
        None
    }
}

/// Knows what the challenges 1 to 50 are about.
struct Fifty;

#[async_trait]
impl CatalogReader for Fifty {
    fn try_list_cached(&self, _: &ListQuery, _: Option<Version>) -> Option<Answer> {
        None
    }

    fn try_many_cached(&self, _: &[ChallengeId], _: Option<Version>) -> Option<Vec<Answer>> {
        None
    }

    async fn reach(&self, _: Version, _: Instant) -> Result<(), Error> {
        Err(Error::DeadlineExceeded)
    }

    async fn list(&self, _: &ListQuery, _: ReadOptions) -> Result<Answer, Error> {
        Err(Error::DeadlineExceeded)
    }

    async fn get_many(&self, _: &[ChallengeId], _: ReadOptions) -> Result<Vec<Answer>, Error> {
        Err(Error::DeadlineExceeded)
    }

    async fn subjects(
        &self,
        ids: &[ChallengeId],
        _: ReadOptions,
    ) -> Result<Vec<(Option<TipSubject>, Freshness)>, Error> {
        let freshness = Freshness {
            version: Version {
                database: DatabaseId(1),
                stamp: Stamp::default(),
            },
            source: Source::NearCache,
            stale: false,
            staleness_bound: Duration::ZERO,
        };
        let subject = |id: &ChallengeId| {
            let known = (1..=50).contains(&id.uuid().as_u128());
            known.then(|| TipSubject {
                challenge: *id,
                difficulty: Difficulty::Beginner,
                title: "Say hello".to_owned(),
                description: String::new(),
                static_tip: None,
            })
        };
        Ok(ids.iter().map(|id| (subject(id), freshness)).collect())
    }
}

fn service() -> (TipsService, Arc<SlowStreams>) {
    let streams = Arc::<SlowStreams>::default();
    let personas = ["connell", "gentle"].map(|name| name.parse().unwrap());
    let service = TipsService::new(
        Arc::clone(&streams) as _,
        CatalogService::new(Arc::new(Fifty)),
        &personas,
        &["en", "de", "pt", "pt-BR"].map(|name| name.parse().unwrap()),
    );
    (service, streams)
}

fn terms(service: &TipsService) -> TipTerms {
    TipTerms {
        locale: Locale::default(),
        persona: service.persona("").unwrap(),
        mode: TipMode::Default,
        no_static_fallback: false,
        heartbeat: None,
        caller: CallerId("ann".to_owned()),
        address: None,
        deadline: Instant::now(),
    }
}

fn ids(numbers: impl IntoIterator<Item = u128>) -> Vec<ChallengeId> {
    let id = |number| Uuid::from_u128(number).into();
    numbers.into_iter().map(id).collect()
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_eight_tips_under_way_and_one_that_fails_ends_alone() {
    let (service, streams) = service();
    let ids = ids(1..=50);
    let batch = service.batch(&ids, terms(&service)).await.unwrap();
    let events: Vec<_> = batch.collect().await;
    assert_eq!(streams.most.load(SeqCst), AT_ONCE);
    let mut told: Vec<_> = events.iter().map(|(id, _)| *id).collect();
    told.sort_unstable_by_key(|id| id.uuid());
    assert_eq!(told, ids);
    let failed = events.iter().filter(|(_, event)| event.is_err());
    let failed: Vec<_> = failed.map(|(id, _)| id.uuid().as_u128()).collect();
    assert_eq!(failed, [3]);
}

#[tokio::test]
async fn unknown_challenges_are_all_named_and_nothing_is_begun() {
    let (service, streams) = service();
    let terms = terms(&service);
    let refused = service.batch(&ids([1, 98, 2, 99]), terms.clone()).await;
    let Err(Error::NotFound { ids: absent, .. }) = refused.map(drop) else {
        panic!("it is not refused");
    };
    assert_eq!(
        absent,
        ids([98, 99])
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    );
    let refused = service.stream(ids([98])[0], None, terms).await;
    assert!(matches!(refused.map(drop), Err(Error::NotFound { .. })));
    assert_eq!(streams.opened.load(SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn the_stream_of_one_challenge_is_that_of_the_port() {
    let (service, _) = service();
    let stream = service.stream(ids([1])[0], None, terms(&service)).await;
    let events: Vec<_> = stream.unwrap().try_collect().await.unwrap();
    assert_eq!(events.len(), 1);
}

#[test]
fn a_voice_is_found_by_its_name_and_those_there_are_are_named() {
    let (service, _) = service();
    assert_eq!(service.persona("").unwrap().as_str(), "connell");
    assert_eq!(service.persona("gentle").unwrap().as_str(), "gentle");
    let problem = service.persona("loud").unwrap_err();
    assert_eq!(problem, "must be one of connell, gentle");
}

#[test]
fn a_tip_is_written_in_a_language_that_is_offered_and_that_covers_what_is_wanted() {
    let (service, _) = service();
    let wanted = ["", "de", "de-AT", "pt-br", "pt-AO", "en-US"];
    let written = wanted.map(|text| service.locale(text).unwrap().as_str().to_owned());
    assert_eq!(written, ["en", "de", "de", "pt-BR", "pt", "en"]);
    for text in ["fr", "den", "en_US"] {
        assert!(service.locale(text).is_err(), "{text}");
    }
    let problem = service.locale("fr").unwrap_err();
    assert_eq!(
        problem,
        "must be one of en, de, pt, pt-BR, or a variety of one"
    );
}
