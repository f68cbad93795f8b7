//! What a caller can get wrong: every field is named, all of them at once.
use challenges_catalog::pb::catalog::v1::{
    BatchGetChallengesRequest, GetChallengeRequest, ListChallengesRequest,
};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::support::refusal::{Refusal, refusal};
use crate::support::replica::Replica;

async fn list(replica: &Replica, difficulty: i32, page_size: i32, min_version: &str) -> Refusal {
    let request = ListChallengesRequest {
        difficulty,
        page_size,
        min_version: min_version.to_owned(),
        ..Default::default()
    };
    refusal(replica.client().await.list_challenges(request).await)
}

async fn batch(replica: &Replica, ids: Vec<String>) -> Status {
    let request = BatchGetChallengesRequest {
        ids,
        ..Default::default()
    };
    let answer = replica.client().await.batch_get_challenges(request).await;
    answer.unwrap_err()
}

#[tokio::test]
async fn a_list_names_every_field_that_is_wrong() {
    let replica = Replica::start(&[]).await;
    for page_size in [-1, 101, i32::MAX, i32::MIN] {
        let refused = list(&replica, 0, page_size, "").await;
        assert_eq!(refused, Refusal::invalid(&["page_size"]), "{page_size}");
    }
    for difficulty in [-1, 4, i32::MAX] {
        let refused = list(&replica, difficulty, 0, "").await;
        assert_eq!(refused, Refusal::invalid(&["difficulty"]), "{difficulty}");
    }
    let both = list(&replica, 9, -1, "").await;
    assert_eq!(both, Refusal::invalid(&["difficulty", "page_size"]));
    let all = list(&replica, 9, -1, "yesterday").await;
    let fields = ["difficulty", "page_size", "min_version"];
    assert_eq!(all, Refusal::invalid(&fields));
}

#[tokio::test]
async fn an_id_that_is_no_uuid_is_refused_by_get() {
    let replica = Replica::start(&[]).await;
    for id in [
        "",
        "beg-001",
        "5f0c1d4e-8a53-4f0e-9d6b-0c8f6f1a2b0",
        "' OR 1=1 --",
    ] {
        let request = GetChallengeRequest {
            id: id.to_owned(),
            ..Default::default()
        };
        let answer = replica.client().await.get_challenge(request).await;
        assert_eq!(refusal(answer), Refusal::invalid(&["id"]), "{id}");
    }
}

#[tokio::test]
async fn a_batch_has_one_to_a_hundred_ids() {
    let replica = Replica::start(&[]).await;
    let ids = |count| (0..count).map(|_| Uuid::new_v4().to_string()).collect();
    for count in [0, 101] {
        let refused = batch(&replica, ids(count)).await;
        assert_eq!(
            Refusal::from(refused),
            Refusal::invalid(&["ids"]),
            "{count}"
        );
    }
    let at_most = batch(&replica, ids(100)).await;
    assert_eq!(at_most.code(), Code::NotFound);
}

#[tokio::test]
async fn a_batch_names_each_bad_and_each_repeated_id_by_its_place() {
    let replica = Replica::start(&[]).await;
    let id = Uuid::new_v4();
    let ids = [
        id.to_string(),
        "x".to_owned(),
        Uuid::new_v4().to_string(),
        String::new(),
        id.to_string().to_uppercase(),
        id.simple().to_string(),
    ];
    let refused = batch(&replica, ids.into()).await;
    let fields = ["ids[1]", "ids[3]", "ids[4]", "ids[5]"];
    assert_eq!(Refusal::from(refused), Refusal::invalid(&fields));
}

#[tokio::test]
async fn of_a_hundred_bad_ids_twenty_are_named_and_the_rest_is_counted() {
    let replica = Replica::start(&[]).await;
    let refused = batch(&replica, vec!["x".to_owned(); 100]).await;
    assert!(refused.details().len() < 4096);
    assert!(refused.message().contains("and 80 more"), "{refused}");
    let named = refused.get_error_details();
    let named = named.bad_request().unwrap().field_violations.len();
    assert_eq!(named, 20);
}
