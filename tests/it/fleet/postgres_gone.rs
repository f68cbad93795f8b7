//! Without the database: copies are served and marked; without copies the call says what is missing.
use std::time::Duration;

use challenges_catalog::pb::{
    admin::v1::{
        GetCacheStatusRequest, InvalidateCacheRequest, cache_admin_client::CacheAdminClient,
    },
    catalog::v1::Difficulty,
};
use tonic::{Code, transport::Channel};
use tonic_types::StatusExt;

use crate::support::{
    fleet::{self, list, titles},
    postgres::{self, Postgres},
    replica::Replica,
    wait::eventually,
};

#[tokio::test]
async fn without_the_database_copies_are_marked_stale_and_the_rest_is_unavailable() {
    let server: Postgres = postgres::own_server();
    let database = server.fresh().await;
    fleet::migrate(&database).await;
    let replica = Replica::start(&[("DATABASE_URL", database.url())]).await;
    let warm = list(&replica, Difficulty::Beginner, 20).await.unwrap();
    server.kill();

    eventually("answers are marked", Duration::from_secs(5), async || {
        let answer = list(&replica, Difficulty::Beginner, 20).await.unwrap();
        assert_eq!(titles(&answer), titles(&warm));
        answer.freshness.unwrap().stale
    })
    .await;
    let cold = list(&replica, Difficulty::Beginner, 21).await.unwrap_err();
    assert_eq!(cold.code(), Code::Unavailable);
    let details = cold.get_error_details();
    assert_eq!(
        details.error_info().unwrap().reason,
        "DATASTORE_UNAVAILABLE"
    );
    assert!(details.retry_info().is_some());

    server.restart();
    eventually(
        "answers are fresh again",
        Duration::from_secs(5),
        async || {
            let answer = list(&replica, Difficulty::Beginner, 20).await.unwrap();
            !answer.freshness.unwrap().stale
        },
    )
    .await;
    assert!(list(&replica, Difficulty::Beginner, 21).await.is_ok());
}

#[tokio::test]
async fn an_invalidation_without_the_database_empties_the_near_cache_here_and_says_so() {
    let server: Postgres = postgres::own_server();
    let database = server.fresh().await;
    fleet::migrate(&database).await;
    let replica = Replica::start(&[("DATABASE_URL", database.url())]).await;
    let endpoint = Channel::from_shared(format!("http://{}", replica.addr())).unwrap();
    let mut admin = CacheAdminClient::new(endpoint.connect().await.unwrap());
    server.kill();

    let everything = InvalidateCacheRequest {
        all: true,
        ..Default::default()
    };
    let refused = admin.invalidate_cache(everything).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(
        refused.message().contains("near cache of this replica"),
        "{}",
        refused.message()
    );
    let status = admin.get_cache_status(GetCacheStatusRequest::default());
    let status = status.await.unwrap().into_inner();
    let near = status.replicas[0].near.unwrap();
    assert_eq!(near.entries, 0);
    let gone = list(&replica, Difficulty::Beginner, 20).await.unwrap_err();
    assert_eq!(gone.code(), Code::Unavailable);
}
