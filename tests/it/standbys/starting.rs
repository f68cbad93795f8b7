//! Commands at a standby, and as a role that may not write: they end with words.
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{
    startup::ended::{Ended, SECRET, run, serve},
    support::{fleet, postgres},
};

fn at(url: String) -> [(&'static str, String); 1] {
    [("DATABASE_URL", url)]
}

/// The start waits for a server, says why once, and gives up.
fn waited_once(ended: &Ended, words: &[&str]) {
    ended.with(1, words);
    let told = ended.err.matches("waiting for the database").count();
    assert_eq!(told, 1, "{ended:?}");
    assert!(!ended.err.contains("after_connect"), "{ended:?}");
}

#[tokio::test]
async fn at_a_standby_what_writes_ends_with_words_and_verify_says_so_and_goes_on() {
    let (primary, standby) = postgres::primary_with_standby();
    let database = primary.fresh().await;
    fleet::migrate(&database).await;
    standby.catch_up_with(&primary).await;
    let here = at(database.on(&standby).url());
    let server = format!("127.0.0.1:{} is a standby", standby.port());

    let serving = async { waited_once(&serve(&here).await, &[&server]) };
    let others = async {
        for arguments in [&["migrate", "up"][..], &["seed"]] {
            let asked = Instant::now();
            run(arguments, &here).await.with(1, &[&server]);
            assert!(asked.elapsed() < Duration::from_secs(5), "{arguments:?}");
        }
        run(&["migrate", "status"], &here).await.with(0, &[]);
        let verified = run(&["verify", "--output", "json"], &here).await;
        verified.with(1, &[]);
        let report: Value = serde_json::from_str(&verified.out).unwrap();
        let findings = report["findings"].as_array().unwrap();
        let errors = findings.iter().filter(|one| one["severity"] == "error");
        let errors: Vec<_> = errors.collect();
        assert_eq!(errors.len(), 1, "{report}");
        assert_eq!(errors[0]["subject"], "server");
        assert!(errors[0].to_string().contains(&server), "{report}");
        assert!(verified.out.contains("challenges, beginner"), "{report}");
    };
    tokio::join!(serving, others);
}

#[tokio::test]
async fn with_several_hosts_commands_find_the_one_that_takes_writes() {
    let (primary, standby) = postgres::primary_with_standby();
    let database = primary.fresh().await;
    standby.catch_up_with(&primary).await;
    let hosts = database.url_of_hosts(&[standby.port(), primary.port()]);
    let url = format!("{hosts}?target_session_attrs=read-write");
    fleet::migrate_at(url.clone()).await;
    let verified = run(&["verify"], &at(url)).await;
    verified.with(0, &[]);
}

#[tokio::test]
async fn a_start_as_a_role_that_is_read_only_by_default_ends_with_words() {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    let role = database.create_role("reader").await;
    fleet::grant(&database, &role).await;
    let set = format!("ALTER ROLE {role} SET default_transaction_read_only = on");
    database.execute(&set).await;
    let ended = serve(&at(database.url_as(&role))).await;
    let server = format!("127.0.0.1:{} takes no writes", database.port());
    waited_once(&ended, &[&server, "default_transaction_read_only"]);
}

#[tokio::test]
async fn a_wish_for_a_standby_is_refused_by_name() {
    let url = format!("postgres://u:{SECRET}@h1,h2/db?target_session_attrs=prefer-standby");
    let ended = serve(&at(url)).await;
    ended.with(2, &["target_session_attrs", "takes writes", "read-write"]);
}
