//! What an answer says about its own age.
use std::time::{Duration, SystemTime};

use challenges_catalog::pb::catalog::v1::{AnswerSource, Difficulty, ListChallengesResponse};

use crate::support::{fleet::list, replica::Replica, wait::eventually};

async fn ask(replica: &Replica) -> ListChallengesResponse {
    list(replica, Difficulty::Advanced, 7).await.unwrap()
}

fn source(answer: &ListChallengesResponse) -> AnswerSource {
    answer.freshness.as_ref().unwrap().source()
}

#[tokio::test]
async fn the_first_answer_comes_from_the_database_and_the_next_from_the_near_cache() {
    let replica = Replica::start(&[]).await;
    let (first, second) = (ask(&replica).await, ask(&replica).await);
    assert_eq!(
        (first.cached, source(&first)),
        (false, AnswerSource::Database)
    );
    assert_eq!(
        (second.cached, source(&second)),
        (true, AnswerSource::NearCache)
    );
    assert_eq!(first.challenges, second.challenges);
    for answer in [first, second] {
        let freshness = answer.freshness.unwrap();
        assert!(!freshness.stale && !freshness.version.is_empty());
        let bound: Duration = freshness.staleness_bound.unwrap().try_into().unwrap();
        assert!(bound <= Duration::from_secs(2), "{bound:?}");
    }
}

#[tokio::test]
async fn the_common_queries_are_cached_before_the_first_caller_comes() {
    let replica = Replica::start(&[]).await;
    for (difficulty, page_size) in [
        (Difficulty::Unspecified, 50),
        (Difficulty::Beginner, 20),
        (Difficulty::Intermediate, 20),
        (Difficulty::Advanced, 20),
    ] {
        let answer = list(&replica, difficulty, page_size).await.unwrap();
        assert!(answer.cached, "{difficulty:?}");
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the caller's own clock")]
async fn the_cached_copy_expires_within_the_time_to_live() {
    let ttl = Duration::from_mins(1);
    let replica = Replica::start(&[("CHALLENGES_CACHE_TTL", "60".to_owned())]).await;
    for _ in 0..2 {
        let asked = SystemTime::now();
        let expires = ask(&replica).await.cache_expire_time.unwrap();
        let expires = SystemTime::try_from(expires).unwrap();
        assert!(expires > asked && expires <= SystemTime::now() + ttl);
    }
}

#[tokio::test]
async fn a_copy_is_read_anew_when_its_time_is_over_or_a_little_before() {
    let replica = Replica::start(&[("CHALLENGES_CACHE_TTL", "1".to_owned())]).await;
    let expires = async || {
        let expires = ask(&replica).await.cache_expire_time.unwrap();
        SystemTime::try_from(expires).unwrap()
    };
    let first = expires().await;
    eventually("another copy", Duration::from_secs(5), async || {
        expires().await > first
    })
    .await;
}
