//! What tips are written from comes through the cache, with the same proof as answers.
use uuid::Uuid;

use super::fixture::{Fixture, challenge, options};
use crate::domain::{CatalogReader, ChallengeId, Change, Changes, Source, Tag, TipSubject};

#[tokio::test(start_paused = true)]
async fn what_tips_are_about_is_read_once_and_known_with_what_does_not_exist() {
    let fixture = Fixture::new();
    let ids = [7, 90, 8].map(|id| ChallengeId::from(Uuid::from_u128(id)));
    for source in [Source::Database, Source::NearCache] {
        let subjects = fixture.catalog.subjects(&ids, options()).await.unwrap();
        let about = |id: usize| Some(TipSubject::from(&challenge(ids[id])));
        let expected = [about(0), None, about(2)].map(|subject| (subject, source));
        let found = subjects.into_iter();
        let found = found.map(|(subject, freshness)| (subject, freshness.source));
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }
    assert_eq!(fixture.reads(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_tip_is_about_is_a_miss_once_its_challenge_changed() {
    let fixture = Fixture::new();
    let id = ChallengeId::from(Uuid::from_u128(7));
    for (touched, reads) in [(8, 1), (7, 2)] {
        fixture.catalog.subjects(&[id], options()).await.unwrap();
        let seq = fixture.commit();
        let tag = Tag::Challenge(Uuid::from_u128(touched).into());
        let hard = false;
        fixture.poll(Changes::All(vec![Change { seq, tag, hard }]));
        fixture.catalog.subjects(&[id], options()).await.unwrap();
        assert_eq!(fixture.reads(), reads, "{touched}");
    }
}
