//! How many connections there are, and which of them are kept.
use std::time::Duration;

use challenges_catalog::{
    domain::Tell,
    pb::catalog::v1::Difficulty,
    repository::{Datastore, PoolSettings},
};
use futures_util::future::join_all;

use super::scene::{SOON, everything, open, prepared, sessions};
use crate::{
    editing::client::{challenge, client, create},
    repository::fixture::ANYONE,
    support::{
        fleet,
        postgres::Database,
        proxy::{Mode, Proxy},
        replica::Replica,
        wait::eventually,
    },
};

async fn read(store: &dyn Datastore, count: usize) {
    let query = everything();
    let reads = (0..count).map(|_| store.list(&query));
    for read in join_all(reads).await {
        read.unwrap();
    }
}

/// Which sessions the role has.
async fn pids(database: &Database, role: &str) -> Vec<i64> {
    let list = format!(
        "SELECT coalesce(string_agg(pid::text, ' '), '') FROM pg_stat_activity WHERE usename = '{role}'"
    );
    let list = database.query_text(&list).await;
    let pids = list.split_whitespace().map(|pid| pid.parse().unwrap());
    pids.collect()
}

#[tokio::test]
async fn a_replica_takes_as_many_connections_as_is_documented_and_no_more() {
    let (database, role) = prepared().await;
    let settings = [
        ("DATABASE_URL", database.url_as(&role)),
        ("CATALOG_FILL_CONCURRENCY", "64".to_owned()),
    ];
    let replica = Replica::start(&settings).await;
    let mut lock = database.connect().await;
    let hold = "BEGIN; LOCK TABLE approach_challenges IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(hold).execute(&mut lock).await.unwrap();
    let all_taken = eventually("all connections are in use", SOON, async || {
        sessions(&database, &role).await == 26
    });
    let editor = client(&replica).await;
    let edits = join_all((1..12).map(|number| {
        let mut editor = editor.clone();
        async move { create(&mut editor, challenge(number, "waits")).await.ok() }
    }));
    let herd = join_all((1..100).map(|size| fleet::list(&replica, Difficulty::Advanced, size)));
    tokio::select! {
        () = all_taken => {}
        _ = futures_util::future::join(herd, edits) => panic!("all calls ended before"),
    }
    let herd = (1..100).map(|size| fleet::list(&replica, Difficulty::Intermediate, size));
    join_all(herd).await;
    assert_eq!(sessions(&database, &role).await, 26);
}

#[tokio::test]
async fn reads_wait_for_connections_of_their_own_when_the_server_grants_no_more() {
    let (database, role) = prepared().await;
    let limit = format!("ALTER ROLE {role} CONNECTION LIMIT 3");
    database.execute(&limit).await;
    let settings = PoolSettings {
        min_connections: 1,
        max_connections: 16,
        ..PoolSettings::default()
    };
    let store = open(&database.url_as(&role), &settings);
    store.fill_pools().await.unwrap();
    read(store.as_ref(), 64).await;
}

#[tokio::test]
async fn a_start_makes_do_with_fewer_connections_than_are_to_be_kept_open() {
    let (database, role) = prepared().await;
    let limit = format!("ALTER ROLE {role} CONNECTION LIMIT 3");
    database.execute(&limit).await;
    let settings = PoolSettings {
        min_connections: 8,
        max_connections: 16,
        ..PoolSettings::default()
    };
    let store = open(&database.url_as(&role), &settings);
    store.fill_pools().await.unwrap();
    store.poll(0, ANYONE, Tell::Nothing).await.unwrap();
    read(store.as_ref(), 16).await;
}

#[tokio::test]
async fn reads_go_on_when_the_server_grants_none_in_place_of_a_connection_that_broke() {
    let (database, role) = prepared().await;
    let limit = format!("ALTER ROLE {role} CONNECTION LIMIT 3");
    database.execute(&limit).await;
    let settings = PoolSettings {
        min_connections: 2,
        max_connections: 16,
        ..PoolSettings::default()
    };
    let store = open(&database.url_as(&role), &settings);
    store.fill_pools().await.unwrap();
    store.poll(0, ANYONE, Tell::Nothing).await.unwrap();
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE usename = '{role}' AND query LIKE '%challenges_catalog.poll(%'"
    );
    database.execute(&end).await;
    let is_gone = async || sessions(&database, &role).await == 2;
    eventually("the server ended it", SOON, is_gone).await;
    // Somebody else gets the connection that came free.
    let theirs = database.url_as(&role);
    let _theirs = <sqlx::PgConnection as sqlx::Connection>::connect(&theirs)
        .await
        .unwrap();
    store.poll(0, ANYONE, Tell::Nothing).await.unwrap_err();
    read(store.as_ref(), 64).await;
}

#[tokio::test]
async fn a_server_that_stalls_for_a_moment_costs_no_connection_but_the_one_that_waited() {
    let (database, role) = prepared().await;
    let mut proxy = Proxy::to(database.port()).await;
    let url = database.url_as(&role).replace(
        &format!(":{}/", database.port()),
        &format!(":{}/", proxy.port()),
    );
    let settings = PoolSettings {
        min_connections: 4,
        ..PoolSettings::default()
    };
    let store = open(&url, &settings);
    store.fill_pools().await.unwrap();
    let before = pids(&database, &role).await;
    proxy.set(Mode::Blackhole).await;
    store.poll(0, ANYONE, Tell::Nothing).await.unwrap_err();
    proxy.set(Mode::Pass).await;
    eventually("polls are answered", SOON, async || {
        store.poll(0, ANYONE, Tell::Nothing).await.is_ok()
    })
    .await;
    read(store.as_ref(), 16).await;
    let after = pids(&database, &role).await;
    let lost = before.iter().filter(|pid| !after.contains(pid));
    assert_eq!(lost.count(), 1, "{before:?} {after:?}");
}

#[tokio::test]
async fn a_link_that_died_while_it_was_quiet_fails_no_read() {
    let (database, _) = prepared().await;
    let proxy = Proxy::to(database.port()).await;
    let settings = PoolSettings {
        min_connections: 4,
        ..PoolSettings::default()
    };
    let store = open(&database.url_via(proxy.port()), &settings);
    store.fill_pools().await.unwrap();
    read(store.as_ref(), 4).await;
    proxy.lose();
    // Only what was quiet for longer than this is asked whether it lives.
    tokio::time::sleep(Duration::from_millis(5_200)).await;
    read(store.as_ref(), 4).await;
}
