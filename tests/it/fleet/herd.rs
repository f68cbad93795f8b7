//! However many ask at once, the database is asked once.
use std::time::Duration;

use bb8_redis::redis;
use challenges_catalog::pb::catalog::v1::{self as pb, Difficulty};
use futures_util::future::join_all;
use tonic::Request;

use crate::support::{
    fleet::{Fleet, list},
    process::PATIENCE,
    wait::eventually,
};

/// A Redis that a busy machine keeps from answering within 50 ms is passed over; that is another fact.
const PATIENT: [(&str, &str); 1] = [("CATALOG_REDIS_TIMEOUT", "5s")];

#[tokio::test]
async fn a_thousand_callers_of_a_cold_key_over_three_replicas_cost_one_statement() {
    let fleet = Fleet::start_with(3, &PATIENT).await;
    let reads = "%approach_challenges%LIMIT%";
    let before = fleet.database.calls_of(reads).await;
    let calls = (0..1000).map(|caller| {
        let replica = &fleet.replicas[caller % fleet.replicas.len()];
        list(replica, Difficulty::Unspecified, 33)
    });
    for answer in join_all(calls).await {
        assert_eq!(answer.unwrap().challenges.len(), 18);
    }
    assert_eq!(fleet.database.calls_of(reads).await - before, 1);
}

/// The holder of a lease may have stopped with it in its hand.
#[tokio::test]
async fn a_caller_with_two_seconds_does_not_lose_them_to_the_lease_of_another() {
    let fleet = Fleet::start_with(1, &PATIENT).await;
    let replica = &fleet.replicas[0];
    list(replica, Difficulty::Unspecified, 33).await.unwrap();
    let find = redis::cmd("KEYS").arg("catalog:*:list:all:33}").take();
    let known = || fleet.redis.ask::<Vec<String>>(&find);
    eventually("the fill arrives", PATIENCE, async || !known().is_empty()).await;
    let cold = known()[0].replace("all:33", "all:34");
    let lease = format!("{cold}:lease");
    // A lease lasts two seconds; this holder takes it again and again.
    let take = redis::cmd("SET").arg(&lease).arg("another").take();
    let hold = async {
        let mut beat = tokio::time::interval(Duration::from_millis(100));
        loop {
            beat.tick().await;
            fleet.redis.ask::<()>(take.clone().arg("PX").arg(1_900));
        }
    };
    let mut request = Request::new(pb::ListChallengesRequest {
        page_size: 34,
        ..Default::default()
    });
    request.set_timeout(Duration::from_secs(2));
    let mut client = replica.client().await;
    let answer = tokio::select! {
        answer = client.list_challenges(request) => answer,
        () = hold => unreachable!("it is held for ever"),
    };
    assert_eq!(answer.unwrap().into_inner().challenges.len(), 18);
}
