//! Etags: equal for equal content, everywhere; who holds the content gets none of it again.
use challenges_catalog::pb::catalog::v1::{
    BatchGetChallengesRequest, Difficulty, GetChallengeRequest, ListChallengesRequest,
};
use tonic::Request;

use crate::support::{
    fleet::{self, list},
    postgres,
    replica::Replica,
};

async fn etag(replica: &Replica, difficulty: Difficulty) -> String {
    let answer = list(replica, difficulty, 20).await.unwrap();
    answer.etag
}

#[tokio::test]
async fn an_etag_is_weak_and_quoted_and_names_the_content() {
    let replica = Replica::start(&[]).await;
    let beginner = etag(&replica, Difficulty::Beginner).await;
    assert!(beginner.starts_with("W/\"") && beginner.ends_with('"'));
    assert_eq!(etag(&replica, Difficulty::Beginner).await, beginner);
    assert_ne!(etag(&replica, Difficulty::Advanced).await, beginner);
}

#[tokio::test]
async fn replicas_of_one_database_give_equal_etags_also_after_a_restart() {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    // Without Redis: each makes its answers by itself.
    let environment = [("DATABASE_URL", database.url())];
    let first = Replica::start(&environment).await;
    let second = Replica::start(&environment).await;
    let of_first = etag(&first, Difficulty::Beginner).await;
    assert_eq!(etag(&second, Difficulty::Beginner).await, of_first);
    first.kill().await;
    let again = Replica::start(&environment).await;
    assert_eq!(etag(&again, Difficulty::Beginner).await, of_first);

    let change = "UPDATE approach_challenges SET points = points + 1 WHERE title =
        (SELECT min(title) FROM approach_challenges WHERE difficulty = 'beginner')";
    database.execute(change).await;
    let within = std::time::Duration::from_secs(2);
    crate::support::wait::eventually("the change has a new etag", within, async || {
        let of_second = etag(&second, Difficulty::Beginner).await;
        of_second != of_first && of_second == etag(&again, Difficulty::Beginner).await
    })
    .await;
}

#[tokio::test]
async fn a_list_that_the_caller_holds_is_not_sent_again() {
    let replica = Replica::start(&[]).await;
    let held = list(&replica, Difficulty::Beginner, 20).await.unwrap();
    let by_field = ListChallengesRequest {
        difficulty: Difficulty::Beginner.into(),
        page_size: 20,
        if_none_match: held.etag.clone(),
        ..Default::default()
    };
    let mut by_metadata = Request::new(ListChallengesRequest {
        if_none_match: String::new(),
        ..by_field.clone()
    });
    let etag = held.etag.parse().unwrap();
    by_metadata.metadata_mut().insert("if-none-match", etag);
    for request in [Request::new(by_field.clone()), by_metadata] {
        let answer = replica.client().await.list_challenges(request).await;
        let answer = answer.unwrap().into_inner();
        assert!(answer.not_modified && answer.challenges.is_empty());
        assert_eq!((answer.total_count, answer.difficulty_filter), (0, 0));
        assert_eq!(
            (&answer.etag, answer.next_page_token.as_str()),
            (&held.etag, "")
        );
        assert!(answer.cached && answer.freshness.is_some());
        assert!(answer.cache_expire_time.is_some());
    }
    let other = ListChallengesRequest {
        if_none_match: "W/\"other\"".to_owned(),
        ..by_field
    };
    let answer = replica.client().await.list_challenges(other).await;
    let answer = answer.unwrap().into_inner();
    assert!(!answer.not_modified);
    assert_eq!(answer.challenges, held.challenges);
}

#[tokio::test]
async fn one_challenge_and_several_that_the_caller_holds_are_not_sent_again() {
    let replica = Replica::start(&[]).await;
    let all = list(&replica, Difficulty::Unspecified, 100).await.unwrap();
    let ids: Vec<_> = all.challenges.into_iter().map(|c| c.id).collect();
    let mut client = replica.client().await;

    let mut get = GetChallengeRequest {
        id: ids[0].clone(),
        ..Default::default()
    };
    let held = client.get_challenge(get.clone()).await.unwrap();
    get.if_none_match = held.into_inner().etag;
    let answer = client.get_challenge(get).await.unwrap().into_inner();
    assert!(answer.not_modified && answer.challenge.is_none());

    let mut batch = BatchGetChallengesRequest {
        ids,
        ..Default::default()
    };
    let held = client.batch_get_challenges(batch.clone()).await.unwrap();
    batch.if_none_match = held.into_inner().etag;
    let answer = client.batch_get_challenges(batch.clone()).await.unwrap();
    let answer = answer.into_inner();
    assert!(answer.not_modified && answer.challenges.is_empty());

    batch.ids.swap(0, 1);
    let answer = client.batch_get_challenges(batch).await.unwrap();
    assert!(
        !answer.into_inner().not_modified,
        "another order is another answer"
    );
}
