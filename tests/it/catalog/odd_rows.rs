//! Rows that other programs wrote, and that no answer can have, take nothing else away.
use std::time::Duration;

use challenges_catalog::pb::catalog::v1::{Difficulty, GetChallengeRequest};
use tonic::Code;

use crate::support::{
    fleet::{self, list},
    postgres,
    replica::Replica,
    wait::eventually,
};

const SENTINEL: &str = "294276-12-31 23:59:59.999999+00";
const ODD: &str = "00000000-0000-4000-8000-000000000001";

#[tokio::test]
async fn a_replica_starts_and_serves_beside_sentinels_and_texts_of_megabytes() {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    let rows = database
        .query_i64("SELECT count(*) FROM approach_challenges WHERE difficulty = 'beginner'")
        .await;
    let odd = format!(
        "UPDATE approach_challenges SET created_at = '{SENTINEL}', updated_at = 'infinity';
        INSERT INTO approach_challenges (id, difficulty, title, description)
        VALUES ('{ODD}', 'beginner', 'long', repeat('x', 20 << 20));
        INSERT INTO feature_flags (name, enabled, created_at, updated_at)
        VALUES ('challenges_catalog', true, '{SENTINEL}', '-infinity');"
    );
    database.execute(&odd).await;
    let replica = Replica::start(&[("DATABASE_URL", database.url())]).await;
    for size in [20, 30, 40] {
        let page = list(&replica, Difficulty::Beginner, size).await.unwrap();
        assert_eq!(i64::from(page.total_count), rows);
        assert_eq!(i64::try_from(page.challenges.len()), Ok(rows));
        let has_time = page.challenges.iter().any(|row| row.create_time.is_some());
        assert!(!has_time, "{:?}", page.challenges);
    }
    let request = GetChallengeRequest {
        id: ODD.to_owned(),
        ..GetChallengeRequest::default()
    };
    let missing = replica.client().await.get_challenge(request).await;
    assert_eq!(missing.unwrap_err().code(), Code::NotFound);
    let log = replica.log();
    let told = log.matches("a challenge is invalid").count();
    assert_eq!(told, 1, "{log}");
    assert!(log.contains(ODD) && log.contains("description has more than 262144 bytes"));
    // The switch that turns all of it off still works.
    database
        .execute("UPDATE feature_flags SET enabled = false, updated_at = 'infinity'")
        .await;
    eventually("calls are refused", Duration::from_secs(5), async || {
        list(&replica, Difficulty::Beginner, 20).await.is_err()
    })
    .await;
}
