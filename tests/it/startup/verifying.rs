//! `verify` and `migrate`: what they find, in words and for scripts.
use serde_json::Value;

use super::ended::{run, sqlite};
use crate::support::{fleet, postgres, program::run_well};

#[tokio::test]
async fn a_clean_database_verifies_with_zero_on_both_engines() {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    let folder = tempfile::tempdir().unwrap();
    let embedded = sqlite(&folder.path().join("a.sqlite"));
    run_well(&["migrate", "up"], &embedded).await;
    run_well(&["seed"], &embedded).await;
    for environment in [[("DATABASE_URL", database.url())], embedded] {
        let table = run(&["verify", "--output", "table"], &environment).await;
        table.with(0, &[]);
        assert!(table.out.contains("challenges, beginner"), "{table:?}");
        let json = run(&["verify", "--output", "json"], &environment).await;
        json.with(0, &[]);
        let json: Value = serde_json::from_str(&json.out).unwrap();
        assert_eq!(json["clean"], true, "{json}");
        let total = |fact: &&Value| fact["name"] == "challenges";
        let facts = json["facts"].as_array().unwrap();
        assert_eq!(facts.iter().find(total).unwrap()["value"], "18");
    }
}

#[tokio::test]
async fn what_is_wrong_is_found_with_one_and_what_cannot_be_looked_at_with_two() {
    let database = postgres::fresh().await;
    fleet::migrate(&database).await;
    let environment = [("DATABASE_URL", database.url())];
    database
        .execute("ALTER TABLE approach_challenges DISABLE TRIGGER ALL")
        .await;
    let table = run(&["verify", "--output", "table"], &environment).await;
    table.with(1, &[]);
    assert!(table.out.contains("error") && table.out.contains("trigger"));
    let json = run(&["verify", "--output", "json"], &environment).await;
    let parsed: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(
        (json.code, &parsed["clean"]),
        (Some(1), &Value::Bool(false))
    );
    let finding = &parsed["findings"][0];
    assert_eq!(finding["severity"], "error", "{parsed}");
    let text = finding["subject"].to_string();
    assert!(text.contains("trigger"), "{parsed}");

    let nowhere = [("DATABASE_URL", "sqlite:/proc/none/a.sqlite".to_owned())];
    for arguments in [&["verify"][..], &["verify", "--output", "json"]] {
        let ended = run(arguments, &nowhere).await;
        ended.with(2, &["/proc/none/a.sqlite"]);
    }
}

#[tokio::test]
async fn migrating_twice_does_it_once_and_status_tells() {
    let database = postgres::fresh().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.sqlite");
    std::fs::write(&file, "").unwrap();
    for environment in [[("DATABASE_URL", database.url())], sqlite(&file)] {
        let status = ["migrate", "status"];
        let before = run(&status, &environment).await;
        before.with(1, &[]);
        let before = before.out;
        assert!(before.lines().count() >= 4, "{before}");
        assert!(before.lines().all(|line| line.ends_with("\tpending")));
        let first = run_well(&["migrate", "up"], &environment).await;
        assert!(first.contains("applied 0001 create challenges"), "{first}");
        let second = run_well(&["migrate", "up"], &environment).await;
        assert!(second.contains("nothing to do"), "{second}");
        let after = run_well(&["migrate", "status", "--output", "json"], &environment).await;
        let after: Value = serde_json::from_str(&after).unwrap();
        let rows = after["migrations"].as_array().unwrap();
        assert_eq!(rows.len(), before.lines().count());
        assert!(rows.iter().all(|row| row["applied_at"].is_string()));
    }
}
