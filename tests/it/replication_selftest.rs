//! The harness of servers that replicate does what it says.
use sqlx::{Connection, PgConnection};

use crate::support::{postgres, proxy::Proxy};

const THING: &str = "CREATE TABLE thing (id int PRIMARY KEY)";
const COUNT: &str = "SELECT count(*) FROM thing";

#[tokio::test]
async fn a_server_has_the_settings_that_a_test_wants() {
    let server = postgres::own_server_with(&["max_prepared_transactions=3"]);
    let database = server.fresh().await;
    let setting = "SELECT current_setting('max_prepared_transactions')";
    assert_eq!(database.query_text(setting).await, "3");
}

#[tokio::test]
async fn a_standby_follows_lags_and_takes_over() {
    let (primary, standby) = postgres::primary_with_standby();
    let database = primary.fresh().await;
    database.execute(THING).await;
    standby.catch_up_with(&primary).await;
    let copy = database.on(&standby);
    assert_eq!(copy.query_i64(COUNT).await, 0);
    assert!(standby.is_in_recovery().await);

    standby.pause_replay().await;
    database.execute("INSERT INTO thing VALUES (1)").await;
    assert_eq!(copy.query_i64(COUNT).await, 0);
    standby.resume_replay().await;
    standby.catch_up_with(&primary).await;
    assert_eq!(copy.query_i64(COUNT).await, 1);

    primary.kill();
    standby.promote().await;
    assert!(!standby.is_in_recovery().await);
    copy.execute("INSERT INTO thing VALUES (2)").await;
}

#[tokio::test]
async fn two_standbys_of_one_parent_take_over_on_the_same_timeline() {
    let (primary, first) = postgres::primary_with_standby();
    let second = primary.standby();
    let database = primary.fresh().await;
    first.catch_up_with(&primary).await;
    second.catch_up_with(&primary).await;
    primary.kill();
    let timeline = "SELECT timeline_id FROM pg_control_checkpoint()";
    for server in [&first, &second] {
        server.promote().await;
        let promoted = database.on(server);
        promoted.execute("CHECKPOINT").await;
        assert_eq!(promoted.query_i64(timeline).await, 2);
    }
}

#[tokio::test]
async fn an_address_is_switched_from_one_server_to_another_and_back() {
    let (primary, standby) = postgres::primary_with_standby();
    let database = primary.fresh().await;
    standby.catch_up_with(&primary).await;
    let address = Proxy::to(primary.port()).await;
    let url = database.url_via(address.port());
    let mut open = PgConnection::connect(&url).await.unwrap();
    for (port, is_standby) in [(standby.port(), true), (primary.port(), false)] {
        address.switch_to(port);
        assert!(open.ping().await.is_err(), "the old link is still there");
        open = PgConnection::connect(&url).await.unwrap();
        let asked: bool = sqlx::query_scalar("SELECT pg_is_in_recovery()")
            .fetch_one(&mut open)
            .await
            .unwrap();
        assert_eq!(asked, is_standby);
    }
}

#[tokio::test]
async fn rows_are_replicated_logically() {
    let servers = postgres::publisher_and_subscriber().await;
    servers.publisher.execute(THING).await;
    servers.subscriber.execute(THING).await;
    let insert = "INSERT INTO thing VALUES (1)";
    servers.publisher.execute(insert).await;
    servers.replicate("TABLE thing").await;
    assert_eq!(servers.subscriber.query_i64(COUNT).await, 1);
    servers
        .publisher
        .execute("INSERT INTO thing VALUES (2)")
        .await;
    servers.catch_up().await;
    assert_eq!(servers.subscriber.query_i64(COUNT).await, 2);
}
