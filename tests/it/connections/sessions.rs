//! Sessions that the server ends for reasons of its own, and a login that it refuses.
use challenges_catalog::{domain::Tell, repository::PoolSettings};

use super::scene::{SOON, everything, open, prepared, sessions};
use crate::{
    editing::client::{challenge, client, create},
    repository::fixture::ANYONE,
    support::{fleet, postgres, replica::Replica, wait::eventually},
};

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
