//! A server that takes writes no longer, and what a role has by default.
use challenges_catalog::pb::health::v1::health_check_response::ServingStatus;
use challenges_catalog::{
    domain::{ListQuery, PageSize},
    repository::{self, Location, PoolSettings},
};

use super::fixtures::{health_becomes, lines, look, retitle, settings, shows_fresh, turns_stale};
use crate::support::{fleet, postgres, replica::Replica};

#[tokio::test]
async fn a_server_that_turns_read_only_is_lost_until_it_takes_writes_again() {
    let server = postgres::own_server();
    let database = server.fresh().await;
    fleet::migrate(&database).await;
    let replica = Replica::start(&settings(database.url())).await;
    look(&replica).await;
    let switch = async |on: &str| {
        let set = format!("ALTER SYSTEM SET default_transaction_read_only = {on}");
        let session = "SET default_transaction_read_only = off";
        for sql in [&format!("{session}; {set}"), "SELECT pg_reload_conf()"] {
            for sql in sql.split("; ") {
                database.execute(sql).await;
            }
        }
    };
    switch("on").await;
    turns_stale(&replica).await;
    health_becomes(&replica, ServingStatus::NotServing).await;
    let lost = lines(&replica, "a poll of the database failed");
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert!(lost[0].contains("takes no writes"), "{lost:?}");

    switch("off").await;
    retitle(&database, "written again").await;
    shows_fresh(&replica, "written again").await;
}

#[tokio::test]
async fn reads_are_read_committed_whatever_the_role_has_by_default() {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    let role = database.create_role("careful").await;
    fleet::grant(&database, &role).await;
    let strict = format!("ALTER ROLE {role} SET default_transaction_isolation = serializable");
    database.execute(&strict).await;
    let url = database.url_as(&role);
    let store = repository::open(Location::Postgres(&url), &PoolSettings::default()).unwrap();
    // Locks of serializable reads stay for as long as another such transaction is open.
    let mut other = database.connect().await;
    let begin = "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1";
    sqlx::raw_sql(begin).execute(&mut other).await.unwrap();
    let everything = ListQuery::first(None, PageSize::DEFAULT);
    store.list(&everything).await.unwrap();
    let locks = "SELECT count(*) FROM pg_locks
        JOIN pg_database ON pg_database.oid = pg_locks.database
        WHERE mode = 'SIReadLock' AND datname = current_database()";
    assert_eq!(database.query_i64(locks).await, 0);
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
}
