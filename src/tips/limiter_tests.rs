//! The limits that a replica keeps by itself.
use std::time::Duration;

use tokio::time::advance;
use tokio_util::task::TaskTracker;

use super::limiter::{Limiter, Quota};

const SIX: Quota = Quota {
    per_minute: 6,
    burst: 2,
};

async fn takes(limiter: &Limiter, subject: &str, times: usize) -> usize {
    let mut taken = 0;
    for _ in 0..times {
        taken += usize::from(limiter.take(subject, &[("calls", SIX, 1)]).await.is_ok());
    }
    taken
}

#[tokio::test(start_paused = true)]
async fn a_burst_goes_through_and_then_one_for_each_interval() {
    let limiter = Limiter::new(None, 1, TaskTracker::new());
    assert_eq!(takes(&limiter, "ann", 5).await, 2);
    let wait = limiter.take("ann", &[("calls", SIX, 1)]).await.unwrap_err();
    assert_eq!(wait, Duration::from_secs(10));
    advance(wait).await;
    assert_eq!(takes(&limiter, "ann", 5).await, 1);
    assert_eq!(takes(&limiter, "ben", 5).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_alone_takes_its_part_of_the_limit() {
    let limiter = Limiter::new(None, 2, TaskTracker::new());
    assert_eq!(takes(&limiter, "ann", 5).await, 1);
    advance(Duration::from_secs(19)).await;
    assert_eq!(takes(&limiter, "ann", 5).await, 0);
    advance(Duration::from_secs(1)).await;
    assert_eq!(takes(&limiter, "ann", 5).await, 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_lower_limit_a_higher_one_waits_for_one_unit_of_its_own() {
    let limiter = Limiter::new(None, 1, TaskTracker::new());
    let low = Quota {
        per_minute: 1,
        burst: 1,
    };
    assert!(limiter.take("p", &[("calls", low, 1)]).await.is_ok());
    let wait = limiter.take("p", &[("calls", SIX, 1)]).await.unwrap_err();
    assert_eq!(wait, Duration::from_secs(10));
    advance(wait).await;
    assert!(limiter.take("p", &[("calls", SIX, 1)]).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_one_limit_refuses_is_not_taken_from_the_other() {
    let limiter = Limiter::new(None, 1, TaskTracker::new());
    let both = [("calls", SIX, 1), ("tokens", SIX, 2)];
    assert!(limiter.take("p", &both).await.is_ok());
    assert!(limiter.take("p", &both).await.is_err());
    assert!(limiter.take("p", &[("calls", SIX, 1)]).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_for_its_time_and_a_shorter_one_does_not_shorten_it() {
    let limiter = Limiter::new(None, 1, TaskTracker::new());
    limiter.pause("p", Duration::from_secs(30)).await;
    limiter.pause("p", Duration::from_secs(5)).await;
    let wait = limiter.take("p", &[]).await.unwrap_err();
    assert_eq!(wait, Duration::from_secs(30));
    advance(wait).await;
    assert!(limiter.take("p", &[]).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_is_ended_by_hand_is_over() {
    let limiter = Limiter::new(None, 1, TaskTracker::new());
    limiter.pause("p", Duration::from_hours(3)).await;
    assert_eq!(limiter.paused("p"), Duration::from_hours(3));
    assert!(!limiter.resume("p").await, "there is nobody else");
    assert_eq!(limiter.paused("p"), Duration::ZERO);
    assert!(limiter.take("p", &[]).await.is_ok());
}
