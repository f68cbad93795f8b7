//! What callers with tickets, and callers in a hurry, are given.
use std::time::Duration;

use tokio::time::Instant;

use super::fixture::{Fixture, MAX_STALENESS, options, text};
use crate::domain::{
    Answer, CatalogReader, Changes, DatabaseId, Difficulty, Error, Flag, ListQuery, PageSize,
    Percentage, ReadOptions, Stamp, Version,
};

/// Lists the beginners.
async fn list(fixture: &Fixture, options: ReadOptions) -> Result<Answer, Error> {
    let query = ListQuery::first(Some(Difficulty::Beginner), PageSize::DEFAULT);
    fixture.catalog.list(&query, options).await
}

fn ticket(seq: u64) -> ReadOptions {
    let stamp = Stamp { timeline: 1, seq };
    let database = DatabaseId(1);
    ReadOptions {
        min_version: Some(Version { database, stamp }),
        ..options()
    }
}

fn in_a_hurry() -> ReadOptions {
    ReadOptions {
        deadline: (Instant::now() + Duration::from_secs(3)).into_std(),
        ..options()
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_that_read_while_the_ticket_was_waited_for_does_not_meet_it() {
    let fixture = Fixture::new();
    let with_ticket = list(&fixture, ticket(2));
    let race = async {
        tokio::time::advance(Duration::from_millis(1)).await;
        let early = fixture.held_list().await;
        tokio::time::advance(Duration::from_millis(1)).await;
        let seq = fixture.commit();
        fixture.hear_of(seq, false);
        tokio::time::sleep(Duration::from_millis(1)).await;
        fixture.release();
        early.await.unwrap().unwrap();
        fixture.release();
    };
    let (answer, ()) = tokio::join!(with_ticket, race);
    let answer = answer.unwrap();
    assert_eq!(
        (text(&answer), answer.freshness.version.stamp.seq),
        ("2", 2)
    );
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_nobody_can_confirm_is_no_miss_for_a_change() {
    let fixture = Fixture::new();
    fixture.list_now().await;
    fixture
        .switches
        .set(Flag::StaleWhileUnavailable, Percentage::NONE);
    fixture.invalidation.mark_disconnected();
    tokio::time::advance(MAX_STALENESS * 2).await;
    fixture.database.go_down();
    fixture.list().await.unwrap_err();
    let stats = fixture.catalog.stats();
    assert_eq!(
        (stats.near_changed.get(), stats.near_unconfirmed.get()),
        (0, 1)
    );
}

/// Whether a load failed or was not needed, as the copy is within its time to live.
#[tokio::test(start_paused = true)]
async fn a_copy_that_nobody_confirms_is_served_for_the_retention_and_no_longer() {
    let retention = MAX_STALENESS * 5;
    let fixture = Fixture::keeping_stale(retention);
    fixture.list_now().await;
    fixture.invalidation.mark_disconnected();
    fixture.database.go_down();
    tokio::time::advance(retention / 2).await;
    assert!(fixture.list().await.unwrap().freshness.stale);
    tokio::time::advance(retention / 2 + Duration::from_millis(1)).await;
    let error = fixture.list().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_copy_from_before_the_ticket_is_not_served_even_as_stale() {
    let fixture = Fixture::new();
    fixture.list_now().await;
    let seq = fixture.commit();
    fixture.hear_of(seq, false);
    fixture.database.go_down();
    let error = list(&fixture, ticket(seq)).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    assert_eq!(text(&fixture.list().await.unwrap()), "1");
}

#[tokio::test(start_paused = true)]
async fn a_caller_with_a_copy_does_not_wait_for_a_load_beyond_its_time() {
    let fixture = Fixture::new();
    fixture.list_now().await;
    let seq = fixture.commit();
    fixture.hear_of(seq, false);
    let answer = list(&fixture, in_a_hurry()).await.unwrap();
    assert_eq!((text(&answer), answer.freshness.stale), ("1", true));
}

#[tokio::test(start_paused = true)]
async fn a_caller_with_a_copy_waits_a_second_for_a_load_and_hardly_once_one_has_failed() {
    let fixture = Fixture::new();
    fixture.list_now().await;
    let seq = fixture.commit();
    fixture.hear_of(seq, false);
    let waited = async || {
        let called = Instant::now();
        let answer = fixture.list().await.unwrap();
        assert_eq!((text(&answer), answer.freshness.stale), ("1", true));
        called.elapsed()
    };
    let first = waited().await;
    // The load, which the callers left, comes to its time limit.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(fixture.catalog.loads_fail());
    let second = waited().await;
    let expected = [Duration::from_secs(1), Duration::from_millis(100)];
    for (waited, expected) in [first, second].into_iter().zip(expected) {
        assert_eq!(waited.as_millis(), expected.as_millis());
    }
}

#[tokio::test(start_paused = true)]
async fn without_room_to_wait_the_copy_at_hand_is_served_and_nothing_is_read() {
    let fixture = Fixture::new();
    let without_room = ReadOptions {
        may_load: false,
        ..options()
    };
    let error = list(&fixture, without_room).await.unwrap_err();
    assert!(error.is_overload(), "{error}");
    fixture.list_now().await;
    let answer = list(&fixture, without_room).await.unwrap();
    assert_eq!((text(&answer), answer.freshness.stale), ("1", false));
    let seq = fixture.commit();
    fixture.hear_of(seq, false);
    let reads = fixture.reads();
    let answer = list(&fixture, without_room).await.unwrap();
    assert_eq!((text(&answer), answer.freshness.stale), ("1", true));
    let too_new = ReadOptions {
        may_load: false,
        ..ticket(seq)
    };
    let error = list(&fixture, too_new).await.unwrap_err();
    assert!(error.is_overload(), "{error}");
    assert_eq!(fixture.reads(), reads);
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_a_change_made_old_was_current_until_the_poll_before() {
    let fixture = Fixture::new();
    fixture.list_now().await;
    tokio::time::advance(MAX_STALENESS * 100).await;
    fixture.poll(Changes::All(vec![]));
    fixture.list().await.unwrap();
    let polled = Instant::now();
    tokio::time::advance(MAX_STALENESS / 2).await;
    let seq = fixture.commit();
    fixture.hear_of(seq, false);
    fixture.database.go_down();
    let answer = fixture.list().await.unwrap();
    assert_eq!((text(&answer), answer.freshness.stale), ("1", true));
    assert_eq!(
        answer.freshness.staleness_bound.as_millis(),
        polled.elapsed().as_millis()
    );
}

#[tokio::test(start_paused = true)]
async fn a_caller_with_a_copy_hardly_waits_once_the_database_is_known_to_be_lost() {
    let fixture = Fixture::new();
    fixture.list_now().await;
    let seq = fixture.commit();
    fixture.hear_of(seq, false);
    tokio::time::advance(MAX_STALENESS * 2).await;
    fixture.invalidation.mark_disconnected();
    let called = Instant::now();
    let answer = list(&fixture, options()).await.unwrap();
    assert_eq!((text(&answer), answer.freshness.stale), ("1", true));
    assert!(called.elapsed() < Duration::from_millis(200));
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_served_whatever_made_the_read_fail_and_the_failure_shows_until_a_read_works() {
    let fixture = Fixture::new();
    fixture.list_now().await;
    let seq = fixture.commit();
    fixture.hear_of(seq, false);
    let refused = || Error::internal("listing challenges", "permission denied");
    fixture.database.fail_with(refused);
    for _ in 0..3 {
        let answer = fixture.list().await.unwrap();
        assert_eq!((text(&answer), answer.freshness.stale), ("1", true));
        assert!(fixture.catalog.loads_fail());
    }
    fixture.database.mend();
    fixture.catalog.try_loads().await;
    assert!(!fixture.catalog.loads_fail());
    let answer = fixture.list().await.unwrap();
    assert_eq!((text(&answer), answer.freshness.stale), ("2", false));
}

#[tokio::test(start_paused = true)]
async fn without_a_copy_a_fault_of_ours_is_not_called_an_outage() {
    let fixture = Fixture::new();
    let refused = || Error::internal("listing challenges", "permission denied");
    fixture.database.fail_with(refused);
    let error = fixture.list().await.unwrap_err();
    assert!(matches!(error, Error::Internal { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn without_the_database_a_copy_is_served_and_marked() {
    let fixture = Fixture::new();
    fixture.list_now().await;
    fixture.invalidation.mark_disconnected();
    tokio::time::advance(MAX_STALENESS * 2).await;
    let stale = fixture.list().await.unwrap();
    assert_eq!(text(&stale), "1");
    assert!(stale.freshness.stale);
    assert!(stale.freshness.staleness_bound >= MAX_STALENESS * 2);
}

#[tokio::test(start_paused = true)]
async fn without_the_database_even_an_outdated_copy_is_served_unless_it_was_revoked() {
    for (hard, served) in [(false, true), (true, false)] {
        let fixture = Fixture::new();
        fixture.list_now().await;
        let seq = fixture.commit();
        fixture.hear_of(seq, hard);
        fixture.database.go_down();
        let answer = fixture.list().await;
        assert_eq!(
            answer.is_ok_and(|answer| answer.freshness.stale),
            served,
            "hard: {hard}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_database_and_a_copy_the_call_says_what_is_missing() {
    let fixture = Fixture::new();
    fixture.database.go_down();
    let error = fixture.list().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
}
