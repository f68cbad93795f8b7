//! What is said of a database that cannot be used names where it is, what is wrong, and what that means.
use crate::support::{
    fleet, postgres,
    process::free_port,
    program,
    proxy::{Mode, Proxy},
    wait::eventually,
};

use super::scene::{SOON, Scene};

#[tokio::test]
async fn each_way_of_not_connecting_has_words_of_its_own() {
    let database = postgres::fresh().await;
    let refusing = free_port();
    let mut silent = Proxy::to(database.port()).await;
    silent.set(Mode::Blackhole).await;
    let wrong = database.url_with_password("S3CR3T").await;
    let cases = [
        (
            database.url_via(refusing),
            format!("127.0.0.1:{refusing} cannot be used: connection refused"),
        ),
        (
            "postgres://app:S3CR3T@no-such-host.invalid/shop".to_owned(),
            "no-such-host.invalid:5432 cannot be used: its name leads to no address".to_owned(),
        ),
        (
            wrong,
            format!(
                "127.0.0.1:{} cannot be used: it refuses the login: password",
                database.port()
            ),
        ),
        (
            database.url() + "?sslmode=require",
            format!(
                "127.0.0.1:{} cannot be used: no TLS can be agreed on",
                database.port()
            ),
        ),
        (
            database.url_via(silent.port()) + "?connect_timeout=2",
            format!("127.0.0.1:{} gave no answer within 2s", silent.port()),
        ),
    ];
    for (url, words) in cases {
        let ended = program::run(&["migrate", "status"], &[("DATABASE_URL", url)]).await;
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(said.contains(&words), "{words}: {said}");
        assert!(!said.contains("S3CR3T"), "{said}");
    }
}

#[tokio::test]
async fn a_lost_database_is_told_with_its_address_and_the_cause() {
    let mut scene = Scene::start().await;
    scene.proxy.set(Mode::Refuse).await;
    scene.proxy.cut();
    let address = format!("127.0.0.1:{}", scene.proxy.port());
    eventually("it is told", SOON, async || {
        scene
            .replica
            .log()
            .contains("a poll of the database failed")
    })
    .await;
    let log = scene.replica.log();
    let lost = log
        .lines()
        .find(|line| line.contains("a poll of the database failed"));
    let lost = lost.unwrap();
    for word in [&address, "connection refused", "\"component\":\"database\""] {
        assert!(lost.contains(word), "{word}: {lost}");
    }
}

#[tokio::test]
async fn a_migration_says_nothing_of_what_was_there_before() {
    let database = postgres::fresh().await;
    for _ in 0..2 {
        let settings = [("DATABASE_URL", database.url())];
        let ended = program::run(&["migrate", "up"], &settings).await;
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(!said.contains("sqlx"), "{said}");
    }
    fleet::migrate(&database).await;
}
