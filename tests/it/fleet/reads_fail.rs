//! Reads that fail while polls work: copies are served and marked, and operators hear of it.
use std::time::Duration;

use challenges_catalog::pb::catalog::v1::{Difficulty, ListChallengesResponse};
use challenges_catalog::pb::health::v1::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic::{Code, transport::Channel};

use crate::support::{
    fleet::{Fleet, list, titles},
    replica::Replica,
    wait::eventually,
};

async fn is_serving(replica: &Replica, name: &str) -> bool {
    let endpoint = Channel::from_shared(format!("http://{}", replica.addr())).unwrap();
    let mut health = HealthClient::new(endpoint.connect().await.unwrap());
    let request = HealthCheckRequest {
        service: name.to_owned(),
    };
    let answer = health.check(request).await.unwrap();
    answer.get_ref().status() == ServingStatus::Serving
}

fn bound(answer: &ListChallengesResponse) -> i64 {
    let freshness = answer.freshness.as_ref().unwrap();
    freshness.staleness_bound.unwrap().seconds
}

async fn is_stale(replica: &Replica) -> bool {
    let answer = list(replica, Difficulty::Beginner, 20).await.unwrap();
    answer.freshness.unwrap().stale
}

#[tokio::test]
async fn whatever_makes_a_read_fail_copies_are_served_and_it_is_told_once() {
    let fleet = Fleet::start_with_least_rights().await;
    let (replica, database) = (&fleet.replicas[0], &fleet.database);
    let role = "SELECT usename FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'challenges-catalog' LIMIT 1";
    let role = database.query_text(role).await;
    let warm = list(replica, Difficulty::Beginner, 20).await.unwrap();
    let touch = "UPDATE approach_challenges SET updated_at = now() WHERE difficulty = 'beginner'";
    for (number, (damage, repair)) in (1_usize..).zip([
        (
            format!("{touch}; REVOKE SELECT ON approach_challenges FROM {role}"),
            format!("GRANT SELECT ON approach_challenges TO {role}; {touch}"),
        ),
        (
            format!("{touch}; ALTER TABLE approach_challenges RENAME COLUMN points TO score"),
            "ALTER TABLE approach_challenges RENAME COLUMN score TO points".to_owned(),
        ),
        (
            format!("{touch}; ALTER TABLE approach_challenges RENAME TO moved"),
            "ALTER TABLE moved RENAME TO approach_challenges".to_owned(),
        ),
    ]) {
        database.execute(&damage).await;
        let patience = Duration::from_secs(10);
        eventually("the copy is marked", patience, async || {
            is_stale(replica).await
        })
        .await;
        let stale = list(replica, Difficulty::Beginner, 20).await.unwrap();
        assert_eq!(titles(&stale), titles(&warm), "{damage}");
        // Without a copy it is what it is.
        let size = 20 + i32::try_from(number).unwrap();
        let cold = list(replica, Difficulty::Beginner, size).await;
        assert_eq!(cold.unwrap_err().code(), Code::Internal, "{damage}");
        eventually("the dependency is down", patience, async || {
            !is_serving(replica, "dependency/postgres").await
        })
        .await;
        assert!(is_serving(replica, "readiness").await);
        // Of what begins soon after another failure, the log has a word within ten seconds.
        let told = |line: &str| {
            let log = replica.log();
            let lines = log.lines().filter(|text| text.contains(line));
            lines.filter(|text| text.contains("lists")).count()
        };
        let begun = "reads of the database fail; cached copies are served";
        eventually("it is told", Duration::from_secs(20), async || {
            told(begun) >= number
        })
        .await;
        assert!(is_stale(replica).await);
        assert_eq!(told(begun), number, "{damage}");
        database.execute(&repair).await;
        eventually("the dependency is up", patience, async || {
            is_serving(replica, "dependency/postgres").await
        })
        .await;
        eventually("answers are fresh", patience, async || {
            !is_stale(replica).await
        })
        .await;
        assert_eq!(told("reads of the database work again"), number, "{damage}");
    }
}

#[tokio::test]
async fn a_copy_that_redis_has_is_said_to_be_as_old_as_it_is() {
    let fleet = Fleet::start(2).await;
    let [first, second] = &fleet.replicas[..] else {
        panic!("two were started")
    };
    let warm = list(first, Difficulty::Beginner, 20).await.unwrap();
    let damage = "UPDATE approach_challenges SET updated_at = now() WHERE difficulty = 'beginner';
        ALTER TABLE approach_challenges RENAME TO moved";
    fleet.database.execute(damage).await;
    eventually("the copy is marked", Duration::from_secs(10), async || {
        is_stale(second).await
    })
    .await;
    let stale = list(second, Difficulty::Beginner, 20).await.unwrap();
    assert_eq!(titles(&stale), titles(&warm));
    assert!(bound(&stale) < 60, "it is to be kept for ten minutes");
}
