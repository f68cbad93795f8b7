//! What goes into Redis is bounded, whatever callers ask, and what stands in the way there is passed.
use std::time::Duration;

use bb8_redis::redis::cmd;
use challenges_catalog::pb::{
    admin::v1::{
        InvalidateCacheRequest, cache_admin_client::CacheAdminClient,
        invalidate_cache_request::Target,
    },
    catalog::v1::{Difficulty, GetChallengeRequest},
};
use futures_util::{StreamExt, stream};
use tonic::{Code, transport::Channel};
use uuid::Uuid;

use crate::support::{
    fleet::{Fleet, list},
    process::PATIENCE,
    replica::Replica,
    wait::eventually,
};

/// Longer than what the catalog does not have is kept.
const SHORT: i64 = 10_000;

fn keys(fleet: &Fleet, pattern: &str) -> Vec<String> {
    fleet.redis.ask(cmd("KEYS").arg(pattern))
}

async fn get(replica: &Replica, id: Uuid) -> Code {
    let request = GetChallengeRequest {
        id: id.to_string(),
        ..Default::default()
    };
    let answer = replica.client().await.get_challenge(request).await;
    answer.map_or_else(|status| status.code(), |_| Code::Ok)
}

#[tokio::test]
async fn ids_that_somebody_made_up_leave_nothing_in_redis() {
    let fleet = Fleet::start(1).await;
    let client = fleet.replicas[0].client().await;
    let made_up = |_| {
        let request = GetChallengeRequest {
            id: Uuid::new_v4().to_string(),
            ..Default::default()
        };
        let mut client = client.clone();
        async move { client.get_challenge(request).await.unwrap_err().code() }
    };
    let answers: Vec<_> = stream::iter(0..2_000)
        .map(made_up)
        .buffer_unordered(50)
        .collect()
        .await;
    assert_eq!(answers, vec![Code::NotFound; 2_000]);
    eventually("all leases are given back", PATIENCE, async || {
        keys(&fleet, "catalog:*challenge:*").is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_challenge_that_was_deleted_is_known_to_the_fleet_as_such_for_a_short_time() {
    let fleet = Fleet::start(2).await;
    let [first, second] = &fleet.replicas[..] else {
        panic!("two replicas");
    };
    let all = list(first, Difficulty::Unspecified, 1).await.unwrap();
    let id: Uuid = all.challenges[0].id.parse().unwrap();
    assert_eq!(get(first, id).await, Code::Ok);
    let delete = format!("DELETE FROM approach_challenges WHERE id = '{id}'");
    fleet.database.execute(&delete).await;
    eventually("it is gone for both", PATIENCE, async || {
        get(first, id).await == Code::NotFound && get(second, id).await == Code::NotFound
    })
    .await;
    let pattern = format!("catalog:*:challenge:{id}}}");
    eventually("Redis has it for a short time", PATIENCE, async || {
        let keys = keys(&fleet, &pattern);
        let ttl: Option<i64> = keys
            .first()
            .map(|key| fleet.redis.ask(cmd("PTTL").arg(key)));
        ttl.is_some_and(|ttl| (1..=SHORT).contains(&ttl))
    })
    .await;
}

#[tokio::test]
async fn a_page_that_is_too_large_for_redis_is_served_without_it() {
    let fleet = Fleet::start(2).await;
    let enlarge = "UPDATE approach_challenges SET description = repeat('long ', 20000)";
    fleet.database.execute(enlarge).await;
    for replica in &fleet.replicas {
        let is_long = async || {
            let page = list(replica, Difficulty::Unspecified, 20).await.unwrap();
            let size: usize = page.challenges.iter().map(|it| it.description.len()).sum();
            size > 1 << 20
        };
        eventually("it is served", PATIENCE, is_long).await;
    }
    let known = || keys(&fleet, "catalog:*:list:all:20}");
    eventually("the fill arrives", PATIENCE, async || !known().is_empty()).await;
    let bytes: u64 = fleet.redis.ask(cmd("STRLEN").arg(&known()[0]));
    assert!(bytes < 100, "{bytes}");
    for replica in &fleet.replicas {
        assert!(!replica.log().contains("goes on without"));
    }
}

/// As one whose server's clock was set back, or that a stranger left.
#[tokio::test]
async fn a_lease_that_ends_too_far_ahead_keeps_nobody_waiting() {
    let settings = [("CATALOG_LOG", "info,challenges_catalog=trace")];
    let fleet = Fleet::start_with(1, &settings).await;
    let replica = &fleet.replicas[0];
    list(replica, Difficulty::Beginner, 33).await.unwrap();
    let known = || keys(&fleet, "catalog:*:list:beginner:33}");
    eventually("the fill arrives", PATIENCE, async || !known().is_empty()).await;
    let known = known();
    for (size, end) in [("34", &["PX", "3600000"][..]), ("35", &[])] {
        let lease = known[0].replace(":33}", &format!(":{size}}}:lease"));
        fleet
            .redis
            .ask::<()>(cmd("SET").arg(&lease).arg("x").arg(end));
        let page_size = size.parse().unwrap();
        list(replica, Difficulty::Beginner, page_size)
            .await
            .unwrap();
        let filled = known[0].replace(":33}", &format!(":{size}}}"));
        eventually("it was taken over", Duration::from_secs(5), async || {
            fleet.redis.ask(cmd("EXISTS").arg(&filled))
        })
        .await;
    }
    assert!(!replica.log().contains("another replica fills"));
}

/// A load takes the lease while the entry that it replaces may expire at any moment.
#[tokio::test]
async fn a_lease_outlives_the_outdated_entry_that_it_is_to_replace() {
    let fleet = Fleet::start(1).await;
    let replica = &fleet.replicas[0];
    list(replica, Difficulty::Beginner, 33).await.unwrap();
    let known = || keys(&fleet, "catalog:*:list:beginner:33}");
    eventually("the fill arrives", PATIENCE, async || !known().is_empty()).await;
    let entry = &known()[0];
    let lease = format!("{entry}:lease");
    let exists = |key: &str| fleet.redis.ask::<bool>(cmd("EXISTS").arg(key));
    assert!(!exists(&lease));

    let mut lock = fleet.database.connect().await;
    let hold = "BEGIN; LOCK TABLE approach_challenges IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(hold).execute(&mut lock).await.unwrap();
    let endpoint = Channel::from_shared(format!("http://{}", replica.addr())).unwrap();
    let everything = InvalidateCacheRequest {
        target: Some(Target::All(true)),
        ..Default::default()
    };
    CacheAdminClient::new(endpoint.connect().await.unwrap())
        .invalidate_cache(everything)
        .await
        .unwrap();

    let expiry = async {
        eventually("the load has a lease", PATIENCE, async || exists(&lease)).await;
        fleet.redis.ask::<()>(cmd("PEXPIRE").arg(entry).arg(1));
        eventually("the entry expires", PATIENCE, async || !exists(entry)).await;
        assert!(exists(&lease), "it died with the entry");
        sqlx::raw_sql("ROLLBACK").execute(&mut lock).await.unwrap();
    };
    let (answer, ()) = tokio::join!(list(replica, Difficulty::Beginner, 33), expiry);
    answer.unwrap();
}
