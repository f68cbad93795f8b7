//! However many ask at once, the database is asked once.
use challenges_catalog::pb::catalog::v1::Difficulty;
use futures_util::future::join_all;

use crate::support::fleet::{Fleet, list};

#[tokio::test]
async fn a_thousand_callers_of_a_cold_key_over_three_replicas_cost_one_statement() {
    // A Redis that a busy machine keeps from answering within 50 ms is passed over; that is another fact.
    let patient = [("CATALOG_REDIS_TIMEOUT", "5s")];
    let fleet = Fleet::start_with(3, &patient).await;
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
