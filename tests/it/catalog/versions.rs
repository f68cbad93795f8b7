//! `min_version`: an answer at least that new, or a refusal in time.
use std::time::{Duration, Instant};

use challenges_catalog::{
    domain::Version,
    pb::catalog::v1::{
        Difficulty, GetChallengeRequest, ListChallengesRequest, ListChallengesResponse,
    },
};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::support::refusal::{Refusal, refusal};
use crate::support::{
    fleet::{self, list},
    postgres,
    replica::Replica,
};

/// How long a call may take here.
const DEADLINE: Duration = Duration::from_secs(1);

async fn version(replica: &Replica) -> Version {
    let answer = list(replica, Difficulty::Beginner, 20).await.unwrap();
    answer.freshness.unwrap().version.parse().unwrap()
}

async fn list_at(replica: &Replica, version: &str) -> Result<ListChallengesResponse, Status> {
    let mut request = Request::new(ListChallengesRequest {
        difficulty: Difficulty::Beginner.into(),
        min_version: version.to_owned(),
        ..Default::default()
    });
    request.set_timeout(DEADLINE);
    let answer = replica.client().await.list_challenges(request).await;
    answer.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn a_version_of_the_catalog_itself_is_reached() {
    let replica = Replica::start(&[]).await;
    let version = version(&replica).await;
    let answer = list_at(&replica, &version.to_string()).await.unwrap();
    let shown: Version = answer.freshness.unwrap().version.parse().unwrap();
    assert!(shown.stamp >= version.stamp);
}

#[tokio::test]
async fn a_version_that_another_replica_showed_brings_an_answer_as_new() {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    let environment = [("DATABASE_URL", database.url())];
    let (first, second) = tokio::join!(Replica::start(&environment), Replica::start(&environment));
    for points in 1..=20 {
        let change = format!("UPDATE approach_challenges SET points = {points}");
        database.execute(&change).await;
        // The stamp of a read straight from the database, which knows no feed.
        let page_size = 20 + points;
        let fresh = list(&first, Difficulty::Beginner, page_size).await.unwrap();
        let version = fresh.freshness.unwrap().version;
        let answer = list_at(&second, &version).await.unwrap();
        let shown = answer.challenges[0].points;
        assert!(shown >= fresh.challenges[0].points, "{shown} at {points}");
    }
}

#[tokio::test]
async fn a_version_that_this_service_never_gave_out_is_a_wrong_field() {
    let replica = Replica::start(&[]).await;
    let own = version(&replica).await;
    let mut foreign = own;
    foreign.database.0 ^= 1;
    let bad = [
        "7".to_owned(),
        format!("{own}0"),
        own.to_string().replace('-', ""),
        foreign.to_string(),
    ];
    for text in bad {
        let refused = refusal(list_at(&replica, &text).await);
        assert_eq!(refused, Refusal::invalid(&["min_version"]), "{text}");
        let request = GetChallengeRequest {
            id: uuid::Uuid::new_v4().to_string(),
            min_version: text.clone(),
            ..Default::default()
        };
        let refused = refusal(replica.client().await.get_challenge(request).await);
        assert_eq!(refused, Refusal::invalid(&["min_version"]), "{text}");
    }
}

#[tokio::test]
async fn a_version_of_a_history_that_has_ended_is_a_wrong_field() {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    let replica = Replica::start(&[("DATABASE_URL", database.url())]).await;
    let mut ended = version(&replica).await;
    ended.stamp.timeline -= 1;
    let refused = refusal(list_at(&replica, &ended.to_string()).await);
    assert_eq!(refused, Refusal::invalid(&["min_version"]));
}

#[tokio::test]
async fn a_version_from_the_future_is_refused_before_the_callers_time_is_over() {
    let replica = Replica::start(&[]).await;
    let mut future = version(&replica).await;
    future.stamp.seq += 1000;
    let asked = Instant::now();
    let status = list_at(&replica, &future.to_string()).await.unwrap_err();
    assert!(asked.elapsed() < DEADLINE);
    let details = status.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!(info.metadata["version"], future.to_string());
    assert!(details.retry_info().is_some());
    let refused = Refusal::new(Code::Unavailable, "VERSION_NOT_REACHED", &[]);
    assert_eq!(Refusal::from(status), refused);
}
