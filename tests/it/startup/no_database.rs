//! A port, a file or a server that is not to be had: what is wrong is said, and nothing is harmed.
use std::{fs, net::TcpListener, time::Instant};

use super::ended::{Ended, SECRET, run, serve, sqlite};
use crate::support::{fleet, postgres, process::free_port};

/// The end of a `serve`, as the JSON log has it.
fn last_line(ended: &Ended) -> serde_json::Value {
    serde_json::from_str(ended.err.lines().last().unwrap()).unwrap()
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let ended = run(&["serve", "--grpc-addr", &addr], &[]).await;
    ended.with(1, &[&addr, "in use", "--grpc-addr"]);
    assert_eq!(last_line(&ended)["level"], "ERROR");
}

#[tokio::test]
async fn a_file_that_cannot_be_made_is_named_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    fs::write(&plain, "no folder").unwrap();
    // Not even root can write below a plain file, below what is not there, or in /proc.
    for path in [
        plain.join("a.sqlite"),
        folder.path().join("missing/a.sqlite"),
        "/proc/a.sqlite".into(),
    ] {
        let asked = Instant::now();
        let ended = serve(&sqlite(&path)).await;
        let says = "its folder cannot be written";
        ended.with(1, &[path.to_str().unwrap(), says]);
        assert!(asked.elapsed().as_secs() < 5, "waiting does not help");
    }
    assert_eq!(fs::read_to_string(&plain).unwrap(), "no folder");
}

#[tokio::test]
async fn a_file_that_is_no_sqlite_database_is_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("letter.txt");
    let content = "Dear Sir or Madam, this is no database.\n".repeat(100);
    fs::write(&file, &content).unwrap();
    let (path, environment) = (file.to_str().unwrap(), sqlite(&file));
    let asked = Instant::now();
    serve(&environment).await.with(1, &[path, "not a database"]);
    assert!(asked.elapsed().as_secs() < 5, "waiting does not help");
    for (arguments, code) in [
        (&["migrate", "up"][..], 1),
        (&["migrate", "status"], 1),
        (&["seed"], 1),
        (&["verify"], 2),
    ] {
        let ended = run(arguments, &environment).await;
        ended.with(code, &[path, "not a database"]);
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), content);
    let files = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 1, "nothing was put beside it");
}

#[tokio::test]
async fn a_file_that_is_not_there_is_made_by_no_command_that_only_looks() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.sqlite");
    for (arguments, code) in [
        (&["migrate", "status"][..], 1),
        (&["seed"], 1),
        (&["verify"], 2),
    ] {
        let ended = run(arguments, &sqlite(&file)).await;
        ended.with(code, &[file.to_str().unwrap()]);
    }
    assert!(!file.exists());
}

#[tokio::test]
async fn a_database_url_that_makes_no_sense_is_refused_before_anything_is_tried() {
    for url in [
        format!("mysql://app:{SECRET}@db/shop"),
        SECRET.to_owned(),
        format!("postgres://app:{SECRET}@/shop"),
        format!("postgres://app:{SECRET}/x@db/shop"),
        format!("postgres://app:{SECRET}@db:99999/shop"),
    ] {
        let environment = [("DATABASE_URL", url)];
        for arguments in [&["migrate", "up"][..], &["seed"], &["config", "check"]] {
            run(arguments, &environment)
                .await
                .with(2, &["DATABASE_URL"]);
        }
        serve(&environment).await.with(2, &["DATABASE_URL"]);
    }
}

#[tokio::test]
async fn a_host_that_is_not_there_is_named_without_the_password() {
    let refusing = free_port();
    let unknown = format!("postgres://app:{SECRET}@no-such-host.invalid/shop");
    let silent = format!("postgres://app:{SECRET}@127.0.0.1:{refusing}/shop");
    let refusing = format!("app:***@127.0.0.1:{refusing}/shop");
    let cases = [
        (unknown, "app:***@no-such-host.invalid/shop", "lookup"),
        (silent, refusing.as_str(), "refused"),
    ];
    for (url, shown, problem) in cases {
        let environment = [("DATABASE_URL", url)];
        for (arguments, code) in [
            (&["migrate", "up"][..], 1),
            (&["migrate", "status"], 1),
            (&["seed"], 1),
            (&["verify"], 2),
        ] {
            let ended = run(arguments, &environment).await;
            ended.with(code, &[shown, problem]);
        }
        // It waits for a while, because the database may be starting too.
        let ended = serve(&environment).await;
        ended.with(1, &[shown, problem, "waiting for the database"]);
        let last = last_line(&ended)["error"].to_string();
        assert!(last.contains(shown) && last.contains(problem), "{last}");
    }
}

#[tokio::test]
async fn a_wrong_password_or_database_is_told_at_once_and_never_shown() {
    let database = postgres::fresh().await;
    let wrong_password = database.url_with_password(SECRET).await;
    let (server, name) = database.url().rsplit_once('/').map_or_else(
        || panic!("a URL"),
        |(server, name)| (server.to_owned(), name.to_owned()),
    );
    let wrong_name = format!("{server}/{name}_not");
    for (url, problem) in [
        (wrong_password, "password authentication failed"),
        (wrong_name, "does not exist"),
    ] {
        let environment = [("DATABASE_URL", url)];
        let asked = Instant::now();
        serve(&environment).await.with(1, &[problem, &name]);
        assert!(asked.elapsed().as_secs() < 5, "waiting does not help");
        let verified = run(&["verify"], &environment).await;
        verified.with(2, &[problem, &name]);
        run(&["migrate", "up"], &environment)
            .await
            .with(1, &[problem]);
    }
}

#[tokio::test]
async fn a_database_that_was_not_migrated_is_told_what_to_run() {
    let database = postgres::fresh().await;
    let environment = [("DATABASE_URL", database.url())];
    let advice = "challenges-catalog migrate up";
    serve(&environment).await.with(1, &[advice]);
    run(&["seed"], &environment).await.with(1, &[advice]);
    fleet::migrate(&database).await;
    run(&["verify"], &environment).await.with(0, &[]);
}
