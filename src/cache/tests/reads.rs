//! The rules of the cache.
use std::time::Duration;

use super::fixture::{Fixture, TTL, options, text};
use crate::domain::{CatalogReader, ChallengeId, Changes, Source};

#[tokio::test(start_paused = true)]
async fn a_second_read_comes_from_the_near_cache_without_a_statement() {
    let fixture = Fixture::new();
    assert_eq!(fixture.list_now().await.freshness.source, Source::Database);
    let hit = fixture.list().await.unwrap();
    assert_eq!((text(&hit), hit.freshness.source), ("1", Source::NearCache));
    assert_eq!(fixture.reads(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_the_feed_heard_of_makes_the_copy_a_miss() {
    let fixture = Fixture::new();
    fixture.list_now().await;
    let seq = fixture.commit();
    fixture.hear_of(seq, false);
    assert_eq!(text(&fixture.list_now().await), "2");
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_a_miss_when_its_time_is_over() {
    let fixture = Fixture::new();
    fixture.list_now().await;
    tokio::time::advance(TTL).await;
    fixture.poll(Changes::All(vec![]));
    fixture.list_now().await;
    assert_eq!(fixture.catalog.stats().near_expired.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fill_that_raced_an_update_is_never_kept() {
    let fixture = Fixture::new();
    let held = fixture.held_list().await;
    let seq = fixture.commit();
    fixture.hear_of(seq, false);
    fixture.release();
    let superseded = held.await.unwrap().unwrap();
    assert_eq!(text(&superseded), "1", "it was asked for before the change");
    assert_eq!(
        superseded.freshness.version.stamp.seq, 1,
        "nor does it say so"
    );
    assert_eq!(text(&fixture.list_now().await), "2");
    assert_eq!(fixture.catalog.stats().fills_superseded.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_joins_a_fill_after_the_change_does_not_get_what_it_read_before() {
    let fixture = Fixture::new();
    let early = fixture.held_list().await;
    let seq = fixture.commit();
    fixture.hear_of(seq, false);
    tokio::time::advance(Duration::from_millis(1)).await;
    let late = fixture.list();
    let release = async {
        fixture.release();
        early.await.unwrap().unwrap();
        fixture.release();
    };
    let (late, ()) = tokio::join!(late, release);
    assert_eq!(text(&late.unwrap()), "2");
}

#[tokio::test(start_paused = true)]
async fn callers_of_one_cold_key_share_one_statement() {
    let fixture = Fixture::new();
    let callers = futures_util::future::join_all((0..200).map(|_| fixture.list()));
    let release = async {
        tokio::task::yield_now().await;
        fixture.release();
    };
    let (answers, ()) = tokio::join!(callers, release);
    assert!(
        answers
            .iter()
            .all(|answer| text(answer.as_ref().unwrap()) == "1")
    );
    assert_eq!(fixture.reads(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_does_not_end_the_load_for_others() {
    let fixture = Fixture::new();
    let first = fixture.held_list().await;
    first.abort();
    let (second, ()) = tokio::join!(fixture.list(), async { fixture.release() });
    assert_eq!((text(&second.unwrap()), fixture.reads()), ("1", 1));
}

#[tokio::test(start_paused = true)]
async fn lost_changes_make_every_copy_a_miss() {
    let fixture = Fixture::new();
    fixture.list_now().await;
    fixture.commit();
    fixture.poll(Changes::Lost);
    assert_eq!(text(&fixture.list_now().await), "2");
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_one_statement_and_remembers_what_does_not_exist() {
    let fixture = Fixture::new();
    let ids = [7, 90, 8].map(|id| ChallengeId::from(uuid::Uuid::from_u128(id)));
    for _ in 0..2 {
        let answers = fixture.catalog.get_many(&ids, options()).await.unwrap();
        let found: Vec<_> = answers.iter().map(|answer| answer.body.is_some()).collect();
        assert_eq!(found, [true, false, true]);
    }
    assert_eq!(fixture.reads(), 1);
}
