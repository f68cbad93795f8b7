//! Sessions that the server ends for reasons of its own, and connections that it does not grant.
use std::{sync::Arc, time::Duration};

use challenges_catalog::{
    domain::{ListQuery, PageSize, Tell},
    repository::{self, Datastore, Location, PoolSettings},
};

use crate::{
    editing::client::{challenge, client, create},
    repository::fixture::ANYONE,
    support::{
        fleet,
        postgres::{self, Database},
        replica::Replica,
        wait::eventually,
    },
};

const SOON: Duration = Duration::from_secs(10);

fn everything() -> ListQuery {
    ListQuery::first(None, PageSize::DEFAULT)
}

/// A migrated database, and a role that may do all with it.
async fn prepared() -> (Database, String) {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    let role = database.create_role("serve").await;
    fleet::grant(&database, &role).await;
    (database, role)
}

fn open(url: &str, settings: &PoolSettings) -> Arc<dyn Datastore> {
    repository::open(Location::Postgres(url), settings).unwrap()
}

/// How many sessions the role has.
async fn sessions(database: &Database, role: &str) -> i64 {
    let count = format!("SELECT count(*) FROM pg_stat_activity WHERE usename = '{role}'");
    database.query_i64(&count).await
}

#[tokio::test]
async fn sessions_that_the_server_ended_for_being_idle_fail_no_read() {
    let (database, role) = prepared().await;
    let limit = format!("ALTER ROLE {role} SET idle_session_timeout = '100ms'");
    database.execute(&limit).await;
    let store = open(&database.url_as(&role), &PoolSettings::default());
    for _ in 0..3 {
        store.list(&everything()).await.unwrap();
        store.poll(0, ANYONE, Tell::Nothing).await.unwrap();
        let is_gone = async || sessions(&database, &role).await == 0;
        eventually("the server ended them", SOON, is_gone).await;
    }
}

#[tokio::test]
async fn edits_pass_where_sessions_are_ended_for_being_idle() {
    let (database, role) = prepared().await;
    for limit in [
        "idle_session_timeout = '100ms'",
        "idle_in_transaction_session_timeout = '1s'",
    ] {
        database
            .execute(&format!("ALTER ROLE {role} SET {limit}"))
            .await;
    }
    database
        .execute(&format!("ALTER ROLE {role} SUPERUSER"))
        .await;
    let settings = [("DATABASE_URL", database.url_as(&role))];
    let replica = Replica::start(&settings).await;
    let mut editor = client(&replica).await;
    for number in 1..4 {
        create(&mut editor, challenge(number, "new")).await.unwrap();
        let query = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = '{role}' AND state = 'idle'
                AND query NOT LIKE '%poll%' AND query NOT LIKE 'LISTEN%'"
        );
        let is_gone = async || database.query_i64(&query).await == 0;
        eventually("the server ended them", SOON, is_gone).await;
    }
}

#[tokio::test]
async fn reads_wait_for_connections_of_their_own_when_the_server_grants_no_more() {
    let (database, role) = prepared().await;
    database
        .execute(&format!("ALTER ROLE {role} CONNECTION LIMIT 3"))
        .await;
    let settings = PoolSettings {
        min_connections: 1,
        max_connections: 16,
        ..PoolSettings::default()
    };
    let store = open(&database.url_as(&role), &settings);
    store.fill().await.unwrap();
    let reads = (0..64).map(|_| async { store.list(&everything()).await });
    for read in futures_util::future::join_all(reads).await {
        read.unwrap();
    }
}

#[tokio::test]
async fn a_replica_keeps_to_the_number_of_connections_that_is_documented() {
    let (database, role) = prepared().await;
    let url = database.url_as(&role);
    let replica = Replica::start(&[("DATABASE_URL", url)]).await;
    let herd = (1..100).map(|size| {
        fleet::list(
            &replica,
            challenges_catalog::pb::catalog::v1::Difficulty::Advanced,
            size,
        )
    });
    futures_util::future::join_all(herd).await;
    // 20 for reads at most, and one each for polls and LISTEN; edits would take 4 more.
    let open = sessions(&database, &role).await;
    assert!((10..=22).contains(&open), "{open}");
}

#[tokio::test]
async fn a_password_that_was_changed_is_read_again_from_its_file() {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    let role = database.create_role("rotated").await;
    fleet::grant(&database, &role).await;
    let server = format!("127.0.0.1:{}/{}", database.port(), database.name());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    let write = |password: &str| {
        std::fs::write(&file, format!("postgres://{role}:{password}@{server}\n")).unwrap();
    };
    write("first");
    let path = file.to_str().unwrap().to_owned();
    let replica = Replica::start(&[("DATABASE_URL_FILE", path)]).await;
    // Nobody is asked for a password here, so the role is another one: the first is let in no more.
    let second = database.create_role("rotated_again").await;
    fleet::grant(&database, &second).await;
    std::fs::write(&file, format!("postgres://{second}:x@{server}\n")).unwrap();
    database
        .execute(&format!(
            "ALTER ROLE {role} NOLOGIN;
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"
        ))
        .await;
    let is_back = async || sessions(&database, &second).await > 0;
    eventually("it logs in with what the file has", SOON, is_back).await;
    eventually("answers are fresh", SOON, async || {
        let beginner = challenges_catalog::pb::catalog::v1::Difficulty::Beginner;
        let answer = fleet::list(&replica, beginner, 20).await.unwrap();
        !answer.freshness.unwrap().stale
    })
    .await;
}
