//! The harness does what it says: each helper is used here at least once.
use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

use bb8_redis::redis::{self, cluster::ClusterClient};
use challenges_catalog::pb::catalog::v1::ListChallengesRequest;
use serde_json::json;
use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    llmock, postgres,
    proxy::{Mode, Proxy},
    redis as servers,
    replica::Replica,
    scripted::{Act, Scripted},
    wait::eventually,
};

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_database_is_empty_and_of_the_tests_own() {
    let (ours, theirs) = tokio::join!(postgres::fresh(), postgres::fresh());
    ours.execute("CREATE TABLE thing (id int); INSERT INTO thing VALUES (1), (2)")
        .await;
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(ours.query_i64("SELECT sum(id) FROM thing").await, 3);
    assert_eq!(ours.query_i64(tables).await, 1);
    assert_eq!(theirs.query_i64(tables).await, 0);
    assert_ne!(ours.port(), 5432);
}

#[tokio::test]
async fn a_role_has_no_rights_until_it_is_given_some() {
    let database = postgres::fresh().await;
    let role = database.create_role("writer").await;
    database.execute("CREATE TABLE thing (id int)").await;
    let mut writer = PgConnection::connect(&database.url_as(&role))
        .await
        .unwrap();
    let refused = sqlx::raw_sql("SELECT * FROM thing")
        .execute(&mut writer)
        .await;
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("permission denied")
    );
    database
        .execute(&format!("GRANT INSERT ON thing TO {role}"))
        .await;
    database
        .execute_as(&role, "INSERT INTO thing VALUES (7)")
        .await;
    assert_eq!(database.query_text("SELECT id FROM thing").await, "7");
}

#[tokio::test]
async fn a_password_is_asked_for_where_a_test_wants_it() {
    let database = postgres::fresh().await;
    let right = database.url_with_password(postgres::GUARDED_PASSWORD).await;
    let wrong = database.url_with_password("wrong").await;
    assert!(PgConnection::connect(&right).await.is_ok());
    assert!(PgConnection::connect(&wrong).await.is_err());
}

#[tokio::test]
async fn statements_are_counted() {
    let database = postgres::fresh().await;
    database.execute("CREATE TABLE counted (id int)").await;
    for _ in 0..3 {
        database.query_i64("SELECT count(*) FROM counted").await;
    }
    assert_eq!(database.calls_of("%FROM counted%").await, 3);
}

#[tokio::test]
async fn a_postgres_of_ones_own_dies_and_comes_back_with_its_data() {
    let server = postgres::own_server();
    let database = server.fresh().await;
    database
        .execute("CREATE TABLE thing AS SELECT 1 AS id")
        .await;
    server.kill();
    assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());
    server.restart();
    assert_eq!(database.query_i64("SELECT id FROM thing").await, 1);
}

#[tokio::test]
async fn a_paused_postgres_keeps_connections_and_answers_later() {
    let server = postgres::own_server();
    let database = server.fresh().await;
    let mut open = PgConnection::connect(&database.url()).await.unwrap();
    server.pause();
    let query = sqlx::raw_sql("SELECT 1").execute(&mut open);
    tokio::pin!(query);
    let early = tokio::time::timeout(Duration::from_millis(100), &mut query).await;
    assert!(early.is_err(), "it answers while paused");
    server.resume();
    query.await.unwrap();
}

#[test]
fn a_redis_comes_back_empty_or_with_an_old_dump() {
    let server = servers::start();
    let get = redis::cmd("GET").arg("key").clone();
    server.ask::<()>(redis::cmd("SET").arg("key").arg("old"));
    let dump = server.save_dump();
    server.ask::<()>(redis::cmd("SET").arg("key").arg("new"));
    server.restart_with(&dump);
    assert_eq!(server.ask::<String>(&get), "old");
    server.kill();
    assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());
    server.restart_empty();
    assert_eq!(server.ask::<Option<String>>(&get), None);
}

#[tokio::test]
async fn a_redis_counts_the_commands_of_others() {
    let server = servers::start();
    let client = redis::Client::open(server.url()).unwrap();
    let mut theirs = client.get_multiplexed_async_connection().await.unwrap();
    let before = server.command_count();
    for _ in 0..3 {
        redis::cmd("PING").exec_async(&mut theirs).await.unwrap();
    }
    server.flush();
    assert_eq!(server.command_count() - before, 3);
    assert_eq!(server.command_count() - before, 3);
}

#[tokio::test]
async fn a_redis_pauses_and_freezes() {
    let server = servers::start();
    let client = redis::Client::open(server.url()).unwrap();
    let mut theirs = client.get_multiplexed_async_connection().await.unwrap();
    server.pause_clients(Duration::from_millis(200));
    let asked = Instant::now();
    redis::cmd("PING").exec_async(&mut theirs).await.unwrap();
    assert!(asked.elapsed() > Duration::from_millis(150));
    server.freeze();
    let early = redis::cmd("PING").exec_async(&mut theirs).await;
    assert!(early.unwrap_err().is_timeout());
    server.thaw();
    redis::cmd("PING").exec_async(&mut theirs).await.unwrap();
}

#[tokio::test]
async fn a_cluster_serves_keys_of_every_node() {
    let cluster = servers::cluster();
    let url = cluster.url();
    let hosts = url.strip_prefix("redis-cluster://").unwrap().split(',');
    let client = ClusterClient::new(hosts.map(|host| format!("redis://{host}"))).unwrap();
    let mut connection = client.get_async_connection().await.unwrap();
    for key in ["a", "b", "c", "d", "e", "f"] {
        let mut set = redis::cmd("SET");
        set.arg(key)
            .arg(1)
            .exec_async(&mut connection)
            .await
            .unwrap();
    }
    let held = cluster.nodes.each_ref();
    let held = held.map(|node| node.ask::<u64>(&redis::cmd("DBSIZE")));
    assert_eq!(held.iter().sum::<u64>(), 6);
    assert!(held.iter().all(|keys| *keys > 0), "{held:?}");
}

#[tokio::test]
async fn a_proxy_passes_delays_holes_refuses_and_cuts() {
    let server = servers::start();
    let mut proxy = Proxy::to(server.port()).await;
    let client = redis::Client::open(format!("redis://127.0.0.1:{}", proxy.port())).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let ping = redis::cmd("PING");
    ping.exec_async(&mut connection).await.unwrap();
    proxy.set(Mode::Delay(Duration::from_millis(50))).await;
    let asked = Instant::now();
    ping.exec_async(&mut connection).await.unwrap();
    assert!(
        asked.elapsed() >= Duration::from_millis(100),
        "{:?}",
        asked.elapsed()
    );
    proxy.set(Mode::Blackhole).await;
    assert!(
        ping.exec_async(&mut connection)
            .await
            .unwrap_err()
            .is_timeout()
    );
    proxy.set(Mode::Refuse).await;
    assert!(client.get_multiplexed_async_connection().await.is_err());
    ping.exec_async(&mut connection).await.unwrap();
    proxy.cut();
    assert!(ping.exec_async(&mut connection).await.is_err());
    assert_eq!(proxy.accepted(), 1);
    proxy.set(Mode::Pass).await;
    client.get_multiplexed_async_connection().await.unwrap();
    assert_eq!(proxy.accepted(), 2);
}

#[tokio::test]
async fn a_database_is_reached_through_a_proxy() {
    let database = postgres::fresh().await;
    let proxy = Proxy::to(database.port()).await;
    let url = database.url_via(proxy.port());
    let mut connection = PgConnection::connect(&url).await.unwrap();
    connection.ping().await.unwrap();
    proxy.cut();
    assert!(connection.ping().await.is_err());
}

#[tokio::test]
async fn a_replica_serves_pauses_and_ends_when_it_is_told_to() {
    let replica = Replica::start(&[]).await;
    let mut client = replica.client().await;
    let list = ListChallengesRequest::default();
    client.list_challenges(list.clone()).await.unwrap();
    replica.pause();
    let early = tokio::time::timeout(
        Duration::from_millis(100),
        client.list_challenges(list.clone()),
    );
    assert!(early.await.is_err(), "it answers while paused");
    replica.resume();
    client.list_challenges(list).await.unwrap();
    assert!(replica.sigterm_and_wait().await.success());
    assert!(!replica.log().is_empty());
}

#[tokio::test]
async fn a_replica_that_is_killed_refuses_connections() {
    let replica = Replica::start(&[]).await;
    replica.kill().await;
    assert!(TcpStream::connect(replica.addr()).is_err());
}

#[tokio::test]
async fn a_scripted_server_plays_and_notes_what_it_was_asked_and_who_left() {
    let script = vec![
        Act::Send(b"one".to_vec()),
        Act::Drip(b", two".to_vec()),
        Act::Hold,
    ];
    let server = Scripted::playing(script).await;
    let address = server.url().replace("http://", "");
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = b"POST /x HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi";
    client.write_all(request).await.unwrap();
    let mut played = [0; 8];
    client.read_exact(&mut played).await.unwrap();
    assert_eq!(&played, b"one, two");
    let exchange = server.exchanges().remove(0);
    assert!(exchange.head.starts_with("POST /x ") && exchange.body == "hi");
    assert!(!server.client_left());
    drop(client);
    eventually("it sees that", SOON, || async { server.client_left() }).await;
}

#[test]
fn an_llmock_takes_orders_and_has_served_nobody_yet() {
    let server = llmock::start();
    server.next(&json!({"type": "fail", "status": 529}));
    assert!(server.requests().is_empty());
    assert!(
        TcpStream::connect(
            server
                .openai_url()
                .replace("http://", "")
                .replace("/v1", "")
        )
        .is_ok()
    );
}

#[tokio::test]
async fn waiting_ends_when_the_condition_holds() {
    let asked = Instant::now();
    let condition = || async { asked.elapsed() > Duration::from_millis(20) };
    eventually("20 ms pass", SOON, condition).await;
    assert!(asked.elapsed() < SOON);
}

#[tokio::test]
#[should_panic(expected = "not within 10ms: pigs fly")]
async fn waiting_ends_at_the_deadline_and_says_for_what() {
    eventually("pigs fly", Duration::from_millis(10), || async { false }).await;
}
