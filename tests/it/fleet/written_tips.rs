//! A tip that was kept shows on every replica, as long as it is for the challenge as it is.
use std::{sync::Arc, time::Duration};

use challenges_catalog::{
    domain::{
        ChallengeId, Epoch, Locale, Stop, Tip, TipKey, TipOrigin, UnixMicros, Usage, content_hash,
    },
    pb::catalog::v1::{Challenge, Difficulty, GetChallengeRequest, GetChallengeResponse},
    repository::{self, Datastore, Location, PoolSettings},
};

use crate::support::{
    fleet::{Fleet, list},
    replica::Replica,
    wait::eventually,
};

/// What the contract promises.
const VISIBLE_WITHIN: Duration = Duration::from_secs(2);
/// Long ago, and so far ahead that no test sees it.
const PAST: UnixMicros = UnixMicros(1_000_000_000_000_000);
const FUTURE: UnixMicros = UnixMicros(9_000_000_000_000_000);

/// Replicas, and a way to keep tips as one that wrote them does.
struct Scene {
    fleet: Fleet,
    store: Arc<dyn Datastore>,
    challenges: Vec<Challenge>,
}

impl Scene {
    async fn new() -> Self {
        let fleet = Fleet::start(3).await;
        let url = fleet.database.url();
        let store = repository::open(Location::Postgres(&url), &PoolSettings::default()).unwrap();
        let list = list(&fleet.replicas[0], Difficulty::Beginner, 20).await;
        Self {
            fleet,
            store,
            challenges: list.unwrap().challenges,
        }
    }

    /// Keeps a tip for the challenge as it was when the scene began.
    async fn keep(&self, number: u8, locale: &str, text: &str, expires_at: UnixMicros) {
        let challenge = &self.challenges[usize::from(number)];
        let locale: Locale = locale.parse().unwrap();
        let tip = Tip {
            key: TipKey([number; 32]),
            epoch: Epoch(1),
            text: text.to_owned(),
            sha256: [0; 32],
            provider: "anthropic".to_owned(),
            model: "some-model".to_owned(),
            stop: Stop::EndTurn,
            usage: Usage::default(),
            created_at: PAST,
            expires_at,
        };
        let difficulty = challenges_catalog::domain::Difficulty::Beginner;
        let origin = TipOrigin {
            challenge: ChallengeId::parse(&challenge.id).unwrap(),
            content: content_hash(&challenge.title, &challenge.description, difficulty),
            shown: locale == Locale::default(),
            locale,
            persona: "warm".parse().unwrap(),
            prompt_version: "1".to_owned(),
        };
        assert!(self.store.save(&tip, &origin).await.unwrap());
    }

    /// Waits until every replica shows this tip beside the challenge, by id and in the list.
    async fn all_show(&self, number: u8, tip: Option<&str>) {
        for replica in &self.fleet.replicas {
            let what = format!("{tip:?} is shown");
            eventually(&what, VISIBLE_WITHIN, async || {
                let one = self.get(replica, number).await.challenge.unwrap();
                let list = list(replica, Difficulty::Beginner, 20).await.unwrap();
                let mut listed = list.challenges.iter();
                let listed = listed.find(|listed| listed.id == one.id).unwrap();
                one.tips.as_deref() == tip && listed.tips.as_deref() == tip
            })
            .await;
        }
    }

    async fn get(&self, replica: &Replica, number: u8) -> GetChallengeResponse {
        let request = GetChallengeRequest {
            id: self.challenges[usize::from(number)].id.clone(),
            ..Default::default()
        };
        let answer = replica.client().await.get_challenge(request).await;
        answer.unwrap().into_inner()
    }

    /// The etag of the challenge, which all replicas agree on.
    async fn etag(&self, number: u8) -> String {
        let etags = self.fleet.replicas.iter();
        let etags = etags.map(async |replica| self.get(replica, number).await.etag);
        let mut etags = futures_util::future::join_all(etags).await;
        etags.dedup();
        assert_eq!(etags.len(), 1, "{etags:?}");
        etags.remove(0)
    }

    fn static_tip(&self, number: u8) -> Option<&str> {
        self.challenges[usize::from(number)].tips.as_deref()
    }
}

#[tokio::test]
async fn a_kept_tip_shows_on_every_replica_with_a_new_etag_and_goes_with_its_texts() {
    let scene = Scene::new().await;
    scene.all_show(0, scene.static_tip(0)).await;
    let before = scene.etag(0).await;
    scene
        .keep(0, "en", "Look up, smile, say hello.", FUTURE)
        .await;
    scene.all_show(0, Some("Look up, smile, say hello.")).await;
    assert_ne!(scene.etag(0).await, before);
    let id = &scene.challenges[0].id;
    let update = format!("UPDATE approach_challenges SET title = 'Other' WHERE id = '{id}'");
    scene.fleet.database.execute(&update).await;
    scene.all_show(0, scene.static_tip(0)).await;
}

#[tokio::test]
async fn a_tip_in_another_language_changes_no_etag() {
    let scene = Scene::new().await;
    let before = scene.etag(0).await;
    scene.keep(0, "de", "Kopf hoch.", FUTURE).await;
    // A tip that does show proves that the feed has passed the one before it.
    scene.keep(1, "en", "Head up.", FUTURE).await;
    scene.all_show(1, Some("Head up.")).await;
    scene.all_show(0, scene.static_tip(0)).await;
    assert_eq!(scene.etag(0).await, before);
}

#[tokio::test]
async fn a_tip_whose_time_is_over_goes_from_every_replica_once_it_is_pruned() {
    let scene = Scene::new().await;
    let before = scene.etag(0).await;
    scene.keep(0, "en", "Head up.", PAST).await;
    scene.all_show(0, Some("Head up.")).await;
    scene.store.prune().await.unwrap();
    scene.all_show(0, scene.static_tip(0)).await;
    assert_eq!(scene.etag(0).await, before);
}
