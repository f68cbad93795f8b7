//! Warming on demand: reports progress, one at a time in the fleet, ended by dropping the call.
use std::time::Duration;

use challenges_catalog::pb::{
    admin::v1::{
        WarmCacheRequest, WarmCacheResponse, WarmQuery, cache_admin_client::CacheAdminClient,
    },
    catalog::v1::{AnswerSource, Difficulty},
};
use tonic::{Code, Status, Streaming, transport::Channel};
use tonic_types::StatusExt;

use crate::support::{
    fleet::{Fleet, list},
    replica::Replica,
    wait::eventually,
};

async fn warm(
    replica: &Replica,
    request: WarmCacheRequest,
) -> Result<Streaming<WarmCacheResponse>, Status> {
    let endpoint = Channel::from_shared(format!("http://{}", replica.addr())).unwrap();
    let mut admin = CacheAdminClient::new(endpoint.connect().await.unwrap());
    admin
        .warm_cache(request)
        .await
        .map(tonic::Response::into_inner)
}

fn query(difficulty: Difficulty, page_size: i32) -> WarmCacheRequest {
    let query = WarmQuery {
        difficulty: difficulty.into(),
        page_size,
    };
    WarmCacheRequest {
        queries: vec![query],
        ids: Vec::new(),
    }
}

fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    details.error_info().unwrap().reason.clone()
}

#[tokio::test]
async fn warming_tells_each_step_and_sums_up_and_what_it_loaded_is_a_hit() {
    let fleet = Fleet::start(1).await;
    let replica = &fleet.replicas[0];
    let first = list(replica, Difficulty::Beginner, 20).await.unwrap();
    let unknown = "00000000-0000-4000-8000-000000000000".to_owned();
    let request = WarmCacheRequest {
        ids: vec![first.challenges[0].id.clone(), unknown],
        ..query(Difficulty::Advanced, 7)
    };
    let mut told = warm(replica, request).await.unwrap();
    let (mut done, mut last) = (Vec::new(), None);
    while let Some(progress) = told.message().await.unwrap() {
        assert_eq!(progress.total, 7, "four common queries, one more, two ids");
        done.push(progress.done);
        last = progress.summary;
    }
    assert!(done.is_sorted() && done.last() == Some(&7), "{done:?}");
    let summary = last.expect("the last message sums up");
    assert_eq!(
        (summary.cached, summary.loaded, summary.absent),
        (4, 2, 1),
        "the common queries were there"
    );
    let hit = list(replica, Difficulty::Advanced, 7).await.unwrap();
    assert_eq!(hit.freshness.unwrap().source(), AnswerSource::NearCache);
}

#[tokio::test]
async fn a_second_warmer_is_refused_until_the_call_of_the_first_is_dropped() {
    let fleet = Fleet::start(2).await;
    let mut lock = fleet.database.connect().await;
    let statement = "BEGIN; LOCK TABLE approach_challenges IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(statement).execute(&mut lock).await.unwrap();

    let cold = || query(Difficulty::Beginner, 33);
    let first = warm(&fleet.replicas[0], cold()).await.unwrap();
    for replica in &fleet.replicas {
        let refused = warm(replica, cold()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Aborted);
        assert_eq!(reason(&refused), "WARMING_ALREADY");
    }
    drop(first);
    eventually("the next may start", Duration::from_secs(5), async || {
        warm(&fleet.replicas[1], cold()).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_plan_that_cannot_be_read_is_refused_whole() {
    let fleet = Fleet::start(1).await;
    let ids = |ids: &[&str]| WarmCacheRequest {
        queries: Vec::new(),
        ids: ids.iter().map(ToString::to_string).collect(),
    };
    let many = WarmCacheRequest {
        queries: vec![WarmQuery::default(); 101],
        ids: Vec::new(),
    };
    let mut wrong_difficulty = query(Difficulty::Beginner, 20);
    wrong_difficulty.queries[0].difficulty = 9;
    for (request, field) in [
        (query(Difficulty::Beginner, 101), "queries[0].page_size"),
        (query(Difficulty::Beginner, -1), "queries[0].page_size"),
        (wrong_difficulty, "queries[0].difficulty"),
        (many, "queries"),
        (ids(&["beg-001"]), "ids[0]"),
    ] {
        let refused = warm(&fleet.replicas[0], request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        let details = refused.get_error_details();
        let violations = &details.bad_request().unwrap().field_violations;
        assert_eq!(violations[0].field, field);
    }
}
