//! An invalidation comes back with proof.
use std::time::{Duration, Instant};

use challenges_catalog::pb::{
    admin::v1::{
        ChallengeIds, GetCacheStatusRequest, InvalidateCacheRequest, InvalidateCacheResponse,
        InvalidationWait, cache_admin_client::CacheAdminClient, invalidate_cache_request::Target,
    },
    catalog::v1::{AnswerSource, Difficulty},
};
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt;

use crate::support::{
    fleet::{Fleet, list},
    replica::Replica,
    wait::eventually,
};

async fn admin(replica: &Replica) -> CacheAdminClient<Channel> {
    let endpoint = Channel::from_shared(format!("http://{}", replica.addr())).unwrap();
    CacheAdminClient::new(endpoint.connect().await.unwrap())
}

async fn invalidate(
    replica: &Replica,
    request: InvalidateCacheRequest,
) -> Result<InvalidateCacheResponse, Status> {
    admin(replica)
        .await
        .invalidate_cache(request)
        .await
        .map(tonic::Response::into_inner)
}

fn everything() -> InvalidateCacheRequest {
    InvalidateCacheRequest {
        target: Some(Target::All(true)),
        ..Default::default()
    }
}

fn reason(status: &Status) -> String {
    status
        .get_error_details()
        .error_info()
        .unwrap()
        .reason
        .clone()
}

#[tokio::test]
async fn a_receipt_names_every_replica_and_none_answers_from_before_it() {
    let fleet = Fleet::start(4).await;
    let receipt = invalidate(&fleet.replicas[0], everything()).await.unwrap();
    assert_eq!((receipt.acknowledged.len(), receipt.fenced.len()), (4, 0));
    assert_eq!(receipt.tags, ["challenges"]);
    assert!(
        receipt.entries_dropped >= 4,
        "the common queries were there"
    );
    for replica in &fleet.replicas {
        let answer = list(replica, Difficulty::Unspecified, 50).await.unwrap();
        let freshness = answer.freshness.unwrap();
        assert!(freshness.version >= receipt.version, "{freshness:?}");
    }
}

#[tokio::test]
async fn a_stopped_replica_is_fenced_and_wakes_without_an_old_answer_called_fresh() {
    let fleet = Fleet::start(4).await;
    let (awake, asleep) = (&fleet.replicas[0], &fleet.replicas[3]);
    // The client is there before the sleep, so that its call is the first thing after it.
    let mut client = asleep.client().await;
    asleep.pause();
    let asked = Instant::now();
    let receipt = invalidate(awake, everything()).await.unwrap();
    assert!(
        asked.elapsed() < Duration::from_millis(2500),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!((receipt.acknowledged.len(), receipt.fenced.len()), (3, 1));
    asleep.resume();
    let answer = client
        .list_challenges(challenges_catalog::pb::catalog::v1::ListChallengesRequest::default());
    let freshness = answer.await.unwrap().into_inner().freshness.unwrap();
    assert!(
        freshness.stale || freshness.version >= receipt.version,
        "{freshness:?}"
    );
}

#[tokio::test]
async fn a_replica_that_left_is_not_waited_for() {
    let fleet = Fleet::start(2).await;
    assert!(fleet.replicas[1].sigterm_and_wait().await.success());
    let receipt = invalidate(&fleet.replicas[0], everything()).await.unwrap();
    assert_eq!((receipt.acknowledged.len(), receipt.fenced.len()), (1, 0));
}

#[tokio::test]
async fn ids_and_tags_hit_what_depends_on_them_and_counting_changes_nothing() {
    let fleet = Fleet::start_with_least_rights().await;
    let replica = &fleet.replicas[0];
    let beginner = InvalidateCacheRequest {
        target: Some(Target::Tag("difficulty:beginner".to_owned())),
        ..Default::default()
    };
    let count = InvalidateCacheRequest {
        validate_only: true,
        ..beginner.clone()
    };
    let counted = invalidate(replica, count).await.unwrap();
    // all/50 and beginner/20 depend on it.
    assert_eq!((counted.entries_dropped, counted.version.as_str()), (2, ""));
    let source = async |difficulty, size| {
        let answer = list(replica, difficulty, size).await.unwrap();
        answer.freshness.unwrap().source()
    };
    assert_eq!(
        source(Difficulty::Beginner, 20).await,
        AnswerSource::NearCache
    );
    let receipt = invalidate(replica, beginner).await.unwrap();
    assert_eq!(receipt.entries_dropped, 2);
    assert_eq!(
        source(Difficulty::Beginner, 20).await,
        AnswerSource::Database
    );
    assert_eq!(
        source(Difficulty::Advanced, 20).await,
        AnswerSource::NearCache
    );
}

#[tokio::test]
async fn a_mistake_empties_no_cache() {
    let fleet = Fleet::start(1).await;
    let replica = &fleet.replicas[0];
    let id = "5f0c1d4e-8a53-4f0e-9d6b-0c8f6f1a2b01".to_owned();
    let tag = |tag: &str| InvalidateCacheRequest {
        target: Some(Target::Tag(tag.to_owned())),
        ..Default::default()
    };
    let ids = |ids: Vec<String>| InvalidateCacheRequest {
        target: Some(Target::Challenges(ChallengeIds { ids })),
        ..Default::default()
    };
    let none = InvalidateCacheRequest::default();
    let nothing = InvalidateCacheRequest {
        target: Some(Target::All(false)),
        ..Default::default()
    };
    let many = (0..1001_u128)
        .map(|n| uuid::Uuid::from_u128(n).to_string())
        .collect();
    let wrong_wait = InvalidateCacheRequest {
        wait: 9,
        ..everything()
    };
    for (request, code, why) in [
        (none, Code::InvalidArgument, "INVALID_FIELDS"),
        (nothing, Code::InvalidArgument, "INVALID_FIELDS"),
        (
            ids(vec!["beg-001".to_owned()]),
            Code::InvalidArgument,
            "INVALID_FIELDS",
        ),
        (
            ids(vec![id.clone(), id]),
            Code::InvalidArgument,
            "INVALID_FIELDS",
        ),
        (ids(many), Code::InvalidArgument, "INVALID_FIELDS"),
        (wrong_wait, Code::InvalidArgument, "INVALID_FIELDS"),
        (tag("difficulty:easy"), Code::NotFound, "TAG_UNKNOWN"),
        (tag("users"), Code::NotFound, "TAG_UNKNOWN"),
    ] {
        let refused = invalidate(replica, request).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (code, why));
    }
    let hit = list(replica, Difficulty::Unspecified, 50).await.unwrap();
    assert_eq!(hit.freshness.unwrap().source(), AnswerSource::NearCache);
}

#[tokio::test]
async fn a_ticket_of_an_invalidation_is_honoured_by_every_replica() {
    let fleet = Fleet::start(3).await;
    let at_once = InvalidateCacheRequest {
        wait: InvalidationWait::None.into(),
        ..everything()
    };
    let receipt = invalidate(&fleet.replicas[0], at_once).await.unwrap();
    assert!(receipt.acknowledged.is_empty());
    for replica in &fleet.replicas {
        let request = challenges_catalog::pb::catalog::v1::ListChallengesRequest {
            min_version: receipt.version.clone(),
            ..Default::default()
        };
        let answer = replica
            .client()
            .await
            .list_challenges(request)
            .await
            .unwrap()
            .into_inner();
        assert!(answer.freshness.unwrap().version >= receipt.version);
    }
}

#[tokio::test]
async fn the_status_of_all_replicas_is_told_and_silent_ones_are_named() {
    let fleet = Fleet::start(3).await;
    fleet.replicas[2].pause();
    let all = GetCacheStatusRequest { all_replicas: true };
    eventually(
        "the stopped replica is silent",
        Duration::from_secs(10),
        async || {
            let status = admin(&fleet.replicas[0])
                .await
                .get_cache_status(all)
                .await
                .unwrap();
            let status = status.into_inner();
            assert!(status.replicas.iter().all(|replica| replica.near.is_some()));
            (status.replicas.len(), status.silent.len()) == (2, 1)
        },
    )
    .await;
}
