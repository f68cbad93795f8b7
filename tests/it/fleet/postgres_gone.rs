//! Without the database: copies are served and marked; without copies the call says what is missing.
use std::time::Duration;

use challenges_catalog::pb::{
    admin::v1::{
        GetCacheStatusRequest, InvalidateCacheRequest, cache_admin_client::CacheAdminClient,
        invalidate_cache_request::Target,
    },
    catalog::v1::Difficulty,
};
use tonic::{Code, transport::Channel};
use tonic_types::StatusExt;

use crate::support::{
    fleet::{self, list, titles},
    postgres::{self, Postgres},
    proxy::{Mode, Proxy},
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

async fn admin(replica: &Replica) -> CacheAdminClient<Channel> {
    let endpoint = Channel::from_shared(format!("http://{}", replica.addr())).unwrap();
    CacheAdminClient::new(endpoint.connect().await.unwrap())
}

async fn entries(replica: &Replica) -> i64 {
    let mut admin = admin(replica).await;
    let status = admin.get_cache_status(GetCacheStatusRequest::default());
    let status = status.await.unwrap().into_inner();
    status.replicas[0].near.unwrap().entries
}

/// A replica with the common lists in memory, which loses its database.
async fn bereft() -> (Replica, Postgres) {
    let server: Postgres = postgres::own_server();
    let database = server.fresh().await;
    fleet::migrate(&database).await;
    let replica = Replica::start(&[("DATABASE_URL", database.url())]).await;
    server.kill();
    (replica, server)
}

#[tokio::test]
async fn a_soft_invalidation_without_the_database_drops_nothing_and_says_so() {
    let (replica, _server) = bereft().await;
    let before = entries(&replica).await;
    assert!(before >= 4, "{before}");
    let everything = InvalidateCacheRequest {
        target: Some(Target::All(true)),
        ..Default::default()
    };
    let refused = admin(&replica).await.invalidate_cache(everything).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert_eq!(
        refused.message(),
        "the catalog's database does not answer, so nothing may have been invalidated; try again"
    );
    assert_eq!(entries(&replica).await, before);
    assert!(list(&replica, Difficulty::Beginner, 20).await.is_ok());
}

#[tokio::test]
async fn a_hard_invalidation_without_the_database_drops_what_it_names_here_and_says_so() {
    let (replica, _server) = bereft().await;
    let before = entries(&replica).await;
    let beginners = InvalidateCacheRequest {
        target: Some(Target::Tag("difficulty:beginner".to_owned())),
        hard: true,
        ..Default::default()
    };
    let refused = admin(&replica).await.invalidate_cache(beginners).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    // The list of beginners, and that of all.
    assert_eq!(
        refused.message(),
        "the catalog's database does not answer, so nothing may have been invalidated but 2 entries \
         in the near cache of this replica, which were dropped; try again"
    );
    assert_eq!(entries(&replica).await, before - 2);
    let gone = list(&replica, Difficulty::Beginner, 20).await.unwrap_err();
    assert_eq!(gone.code(), Code::Unavailable);
    assert!(list(&replica, Difficulty::Advanced, 20).await.is_ok());
}

/// A replica that warmed up, and whose link to its database carries nothing from here on.
pub async fn cut_off() -> (Replica, Postgres, Proxy) {
    let server: Postgres = postgres::own_server();
    let database = server.fresh().await;
    fleet::migrate(&database).await;
    let mut proxy = Proxy::to(server.port()).await;
    let replica = Replica::start(&[("DATABASE_URL", database.url_via(proxy.port()))]).await;
    proxy.lose();
    proxy.set(Mode::Blackhole).await;
    (replica, server, proxy)
}

#[tokio::test]
async fn a_hard_invalidation_that_gets_no_answer_drops_what_it_names_here_before_its_caller_gives_up()
 {
    let (replica, _server, _proxy) = cut_off().await;
    let before = entries(&replica).await;
    let beginners = InvalidateCacheRequest {
        target: Some(Target::Tag("difficulty:beginner".to_owned())),
        hard: true,
        ..Default::default()
    };
    let refused = admin(&replica).await.invalidate_cache(beginners).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    assert!(refused.message().contains("2 entries"), "{refused:?}");
    assert_eq!(entries(&replica).await, before - 2);
}
