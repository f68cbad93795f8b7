//! What keeps the caches good without anybody asking.
use std::time::Duration;

use challenges_catalog::pb::{
    admin::v1::{GetCacheStatusRequest, ReplicaCacheStatus, cache_admin_client::CacheAdminClient},
    catalog::v1::Difficulty,
};
use tonic::transport::Channel;

use crate::support::{
    fleet::{self, list, titles},
    postgres,
    replica::Replica,
    wait::eventually,
};

async fn status(replica: &Replica) -> ReplicaCacheStatus {
    let endpoint = Channel::from_shared(format!("http://{}", replica.addr())).unwrap();
    let mut admin = CacheAdminClient::new(endpoint.connect().await.unwrap());
    let own = GetCacheStatusRequest {
        all_replicas: false,
    };
    let status = admin.get_cache_status(own).await.unwrap().into_inner();
    status.replicas.into_iter().next().unwrap()
}

#[tokio::test]
async fn a_key_in_use_is_loaded_again_before_its_time_is_over_and_nobody_waits() {
    let ttl = [("CHALLENGES_CACHE_TTL", "10".to_owned())];
    let replica = Replica::start(&ttl).await;
    eventually("it is loaded early", Duration::from_secs(20), async || {
        let answer = list(&replica, Difficulty::Beginner, 20).await.unwrap();
        assert!(answer.cached, "nobody waits");
        status(&replica).await.near.unwrap().early_refreshes > 0
    })
    .await;
}

#[tokio::test]
async fn a_change_behind_the_triggers_back_is_noticed_and_the_alarm_raised() {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    let settings = [
        ("DATABASE_URL", database.url()),
        ("CATALOG_AUDIT_INTERVAL", "20ms".to_owned()),
    ];
    let replica = Replica::start(&settings).await;
    let disable = "ALTER TABLE approach_challenges DISABLE TRIGGER challenges_catalog_update";
    database.execute(disable).await;
    // The DDL itself is noticed. Only after that can nothing but the audit notice what follows.
    database
        .execute("SELECT challenges_catalog.number(2000)")
        .await;
    let head = "SELECT max(seq) FROM challenges_catalog.commit_log";
    let head = format!("{:016x}", database.query_i64(head).await);
    eventually("the DDL is heard of", Duration::from_secs(20), async || {
        let answer = list(&replica, Difficulty::Beginner, 20).await.unwrap();
        answer.freshness.unwrap().version.ends_with(&head)
    })
    .await;
    database
        .execute("UPDATE approach_challenges SET title = 'Sneaked in'")
        .await;
    let sneaked = |titles: Vec<&str>| titles.iter().all(|title| *title == "Sneaked in");
    eventually(
        "the list is read anew",
        Duration::from_secs(20),
        async || {
            sneaked(titles(
                &list(&replica, Difficulty::Beginner, 20).await.unwrap(),
            ))
        },
    )
    .await;
    assert!(status(&replica).await.audit_violations > 0);
    assert!(replica.log().contains("the table changed unnoticed"));
}
