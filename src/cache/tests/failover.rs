//! What callers are given while one server of the database takes over from another.
use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio_util::task::TaskTracker;

use super::fixture::{Fixture, options};
use crate::domain::{
    Answer, CatalogReader, ChallengeId, Changes, Difficulty, Error, ListQuery, PageSize,
    ReadOptions, Version,
};

fn nothing() -> Changes {
    Changes::All(vec![])
}

/// Lists the beginners for a caller who wants that version or a newer one.
async fn list_at_least(fixture: &Fixture, version: Version) -> Result<Answer, Error> {
    let query = ListQuery::first(Some(Difficulty::Beginner), PageSize::DEFAULT);
    let options = ReadOptions {
        min_version: Some(version),
        ..options()
    };
    fixture.catalog.list(&query, options).await
}

#[tokio::test(start_paused = true)]
async fn a_promoted_standby_makes_every_copy_a_miss() {
    let fixture = Fixture::new();
    fixture.list_now().await;
    fixture.database.fail_over();
    fixture.poll(nothing());
    fixture.list_now().await;
    assert_eq!(fixture.reads(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_read_from_the_server_of_before_is_not_told_as_of_its_successor() {
    let fixture = Fixture::new();
    let early = fixture.held_list().await;
    let successor = fixture.database.fail_over();
    fixture.poll(nothing());
    // One for the read of before, one for that of the successor.
    fixture.release();
    fixture.release();
    let answer = early.await.unwrap().unwrap();
    assert_eq!(answer.freshness.version, successor);
    assert_eq!(fixture.reads(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_ticket_whose_history_ends_during_the_call_is_refused() {
    let fixture = Fixture::new();
    let ticket = fixture.list_now().await.freshness.version;
    let seq = fixture.commit();
    fixture.hear_of(seq, false);
    let waiting = list_at_least(&fixture, ticket);
    let takes_over = async {
        while fixture.reads() == 1 {
            tokio::task::yield_now().await;
        }
        fixture.database.fail_over();
        fixture.poll(nothing());
        fixture.release();
    };
    let (answer, ()) = tokio::join!(waiting, takes_over);
    let error = answer.unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_ticket_of_a_server_that_has_taken_over_unheard_is_waited_for() {
    let fixture = Fixture::new();
    fixture.list_now().await;
    tokio::time::advance(Duration::from_millis(1)).await;
    let ticket = fixture.database.fail_over();
    let hears = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        fixture.poll(nothing());
        fixture.release();
    };
    let (answer, ()) = tokio::join!(list_at_least(&fixture, ticket), hears);
    assert_eq!(answer.unwrap().freshness.version, ticket);
}

#[tokio::test(start_paused = true)]
async fn a_ticket_of_a_server_that_has_taken_over_is_not_refused_because_a_poll_fails() {
    let fixture = Fixture::new();
    fixture.list_now().await;
    tokio::time::advance(Duration::from_millis(1)).await;
    let ticket = fixture.database.fail_over();
    let hears = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        fixture.invalidation.mark_disconnected();
        tokio::time::sleep(Duration::from_millis(50)).await;
        fixture.poll(nothing());
        fixture.release();
    };
    let (answer, ()) = tokio::join!(list_at_least(&fixture, ticket), hears);
    assert_eq!(answer.unwrap().freshness.version, ticket);
}

#[tokio::test(start_paused = true)]
async fn a_ticket_of_another_history_fails_as_unavailable_while_no_poll_tells_which_one_counts() {
    let fixture = Fixture::new();
    fixture.list_now().await;
    tokio::time::advance(Duration::from_millis(1)).await;
    let ticket = fixture.database.fail_over();
    let error = list_at_least(&fixture, ticket).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_is_read_from_a_server_that_has_forgotten_numbers_is_read_again_behind_a_poll() {
    let fixture = Fixture::new();
    let seq = fixture.commit();
    fixture.hear_of(seq, false);
    tokio::time::advance(Duration::from_millis(1)).await;
    fixture.database.forget();
    let early = fixture.held_list().await;
    fixture.release();
    fixture.release();
    while fixture.invalidation.poll_wanted().now_or_never().is_none() {
        tokio::task::yield_now().await;
    }
    fixture.commit();
    let seq = fixture.commit();
    fixture.poll(Changes::Lost);
    let answer = early.await.unwrap().unwrap();
    assert_eq!(answer.freshness.version.stamp.seq, seq);
    assert_eq!(fixture.reads(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_of_one_history() {
    let fixture = Fixture::new();
    let ids = [7, 8].map(|id| ChallengeId::from(uuid::Uuid::from_u128(id)));
    fixture
        .catalog
        .get_many(&ids[..1], options())
        .await
        .unwrap();
    fixture.database.hold_challenges(true);
    let tasks = TaskTracker::new();
    let catalog = Arc::clone(&fixture.catalog);
    let batch = tasks.spawn(async move { catalog.get_many(&ids, options()).await });
    while fixture.reads() == 1 {
        tokio::task::yield_now().await;
    }
    let successor = fixture.database.fail_over();
    fixture.poll(nothing());
    fixture.database.hold_challenges(false);
    let answers = batch.await.unwrap().unwrap();
    let versions = answers.iter().map(|answer| answer.freshness.version);
    assert_eq!(versions.collect::<Vec<_>>(), [successor; 2]);
}
