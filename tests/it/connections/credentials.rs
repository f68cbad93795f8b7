//! What shows PostgreSQL who the service is, and how it is replaced while the service runs.
use std::{fs, path::Path};

use challenges_catalog::pb::catalog::v1::Difficulty;

use super::scene::SOON;
use crate::{
    editing::client::{challenge, client, create},
    startup::ended::serve,
    support::{
        authority::Authority,
        fleet::{self, list},
        postgres::{self, CERTIFIED_ROLE, Database, GUARDED_PASSWORD},
        replica::Replica,
        wait::eventually,
    },
};

async fn is_fresh(replica: &Replica) -> bool {
    // Without a copy there is no answer at all.
    let answer = list(replica, Difficulty::Beginner, 20).await;
    answer.is_ok_and(|answer| !answer.freshness.unwrap().stale)
}

async fn end_sessions(database: &Database, role: &str) {
    let end =
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'");
    database.execute(&end).await;
}

#[tokio::test]
async fn a_password_that_was_changed_on_the_server_is_taken_from_the_file_without_a_restart() {
    let server = postgres::own_server();
    let database = server.fresh().await;
    fleet::migrate(&database).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    let url = database.url_with_password(GUARDED_PASSWORD).await;
    fs::write(&file, &url).unwrap();
    let settings = [("DATABASE_URL_FILE", file.display().to_string())];
    let replica = Replica::start(&settings).await;
    let mut editor = client(&replica).await;
    create(&mut editor, challenge(1, "before")).await.unwrap();

    let role = "guarded";
    let change = format!("ALTER ROLE {role} PASSWORD 'changed'");
    database.execute(&change).await;
    end_sessions(&database, role).await;
    eventually("the old one is refused", SOON, async || {
        !is_fresh(&replica).await
    })
    .await;
    let changed = url.replace(&format!(":{GUARDED_PASSWORD}@"), ":changed@");
    fs::write(&file, changed).unwrap();
    eventually("the new one is taken", SOON, async || {
        is_fresh(&replica).await
    })
    .await;
    eventually("edits pass as well", SOON, async || {
        let mut editor = client(&replica).await;
        create(&mut editor, challenge(2, "after")).await.is_ok()
    })
    .await;
    assert!(!replica.log().contains("changed@"), "{}", replica.log());
}

/// The address of `database` for [`CERTIFIED_ROLE`], with the files of `folder`.
fn certified_url(database: &Database, folder: &Path) -> String {
    let file = |name: &str| folder.join(name).display().to_string();
    format!(
        "{}?sslmode=verify-full&sslrootcert={}&sslcert={}&sslkey={}",
        database.url_as(CERTIFIED_ROLE),
        file("ca.pem"),
        file("client.pem"),
        file("client.key"),
    )
}

#[tokio::test]
async fn a_server_of_ones_own_authority_lets_in_who_shows_its_certificate() {
    let authority = Authority::new();
    let server = postgres::own_server_with_tls(&authority);
    let database = server.fresh().await;
    fleet::migrate(&database).await;
    let role = format!("CREATE ROLE {CERTIFIED_ROLE} LOGIN");
    database.execute(&role).await;
    fleet::grant(&database, CERTIFIED_ROLE).await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    authority.user(CERTIFIED_ROLE).write_as(folder, "client");

    let plain = [("DATABASE_URL", database.url_as(CERTIFIED_ROLE))];
    serve(&plain).await.with(1, &["refuses the login"]);
    let settings = [("DATABASE_URL", certified_url(&database, folder))];
    let replica = Replica::start(&settings).await;
    assert!(is_fresh(&replica).await);
    let certified = async || {
        let shown = format!(
            "SELECT COALESCE(MAX(client_serial)::text, '') FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                WHERE usename = '{CERTIFIED_ROLE}' AND ssl"
        );
        database.query_text(&shown).await
    };
    let first = certified().await;
    assert!(!first.is_empty());

    // Certificates of a mesh live for an hour. The files are read for each connection.
    authority.user(CERTIFIED_ROLE).write_as(folder, "client");
    end_sessions(&database, CERTIFIED_ROLE).await;
    eventually("the new certificate is shown", SOON, async || {
        let shown = certified().await;
        !shown.is_empty() && shown != first && is_fresh(&replica).await
    })
    .await;

    let stranger = Authority::new();
    stranger.user(CERTIFIED_ROLE).write_as(folder, "client");
    serve(&settings).await.with(1, &["database"]);
    fs::write(folder.join("ca.pem"), stranger.pem()).unwrap();
    serve(&settings)
        .await
        .with(1, &["invalid peer certificate"]);
}
