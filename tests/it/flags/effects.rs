//! What each switch of the caches does.
use std::time::Duration;

use challenges_catalog::pb::{
    admin::v1::{
        CacheMode, GetCacheStatusRequest, ReplicaCacheStatus, cache_admin_client::CacheAdminClient,
    },
    catalog::v1::{AnswerSource, Difficulty},
};
use tonic::{Code, transport::Channel};

use super::client::set_flag;
use crate::support::{
    fleet::{self, Fleet, list},
    postgres,
    refusal::{Refusal, refusal},
    replica::Replica,
    wait::eventually,
};

const WITHIN: Duration = Duration::from_secs(2);

async fn source(replica: &Replica, page_size: i32) -> AnswerSource {
    let answer = list(replica, Difficulty::Beginner, page_size)
        .await
        .unwrap();
    answer.freshness.unwrap().source()
}

async fn status(replica: &Replica) -> ReplicaCacheStatus {
    let endpoint = Channel::from_shared(format!("http://{}", replica.addr())).unwrap();
    let mut admin = CacheAdminClient::new(endpoint.connect().await.unwrap());
    let status = admin
        .get_cache_status(GetCacheStatusRequest::default())
        .await;
    status.unwrap().into_inner().replicas.remove(0)
}

#[tokio::test]
async fn without_the_near_cache_answers_come_from_elsewhere_and_it_is_empty() {
    let fleet = Fleet::start(1).await;
    let replica = &fleet.replicas[0];
    assert_eq!(source(replica, 20).await, AnswerSource::NearCache);
    set_flag(replica, "near_cache", false).await;
    eventually("it is empty", WITHIN, async || {
        status(replica).await.near.unwrap().entries == 0
    })
    .await;
    for _ in 0..3 {
        assert_eq!(source(replica, 20).await, AnswerSource::SharedCache);
    }
    assert_eq!(status(replica).await.near.unwrap().entries, 0);
    set_flag(replica, "near_cache", true).await;
    source(replica, 20).await;
    assert_eq!(source(replica, 20).await, AnswerSource::NearCache);
}

#[tokio::test]
async fn without_the_shared_cache_each_replica_loads_for_itself() {
    let fleet = Fleet::start(2).await;
    let [first, second] = &fleet.replicas[..] else {
        panic!("two replicas");
    };
    assert_eq!(source(first, 31).await, AnswerSource::Database);
    assert_eq!(source(second, 31).await, AnswerSource::SharedCache);
    set_flag(first, "shared_cache", false).await;
    eventually("the other one heard of it", WITHIN, async || {
        status(second).await.mode() == CacheMode::RedisBypassed
    })
    .await;
    assert_eq!(source(first, 32).await, AnswerSource::Database);
    assert_eq!(source(second, 32).await, AnswerSource::Database);
    set_flag(first, "shared_cache", true).await;
    eventually("the other one heard of it", WITHIN, async || {
        status(second).await.mode() == CacheMode::Normal
    })
    .await;
    assert_eq!(source(first, 33).await, AnswerSource::Database);
    assert_eq!(source(second, 33).await, AnswerSource::SharedCache);
}

#[tokio::test]
async fn without_stale_answers_calls_fail_while_the_database_is_gone() {
    let server = postgres::own_server();
    let database = server.fresh().await;
    fleet::migrate(&database).await;
    let settings = [
        ("DATABASE_URL", database.url()),
        ("CATALOG_STALE_WHILE_UNAVAILABLE", "off".to_owned()),
    ];
    let replica = Replica::start(&settings).await;
    list(&replica, Difficulty::Beginner, 20).await.unwrap();
    server.kill();
    eventually("calls fail", Duration::from_secs(5), async || {
        match list(&replica, Difficulty::Beginner, 20).await {
            Ok(answer) => {
                assert!(!answer.freshness.unwrap().stale);
                false
            }
            failed => {
                let gone = Refusal::new(Code::Unavailable, "DATASTORE_UNAVAILABLE", &[]);
                assert_eq!(refusal(failed), gone);
                true
            }
        }
    })
    .await;
    server.restart();
    eventually("calls are answered", Duration::from_secs(10), async || {
        list(&replica, Difficulty::Beginner, 20).await.is_ok()
    })
    .await;
}
