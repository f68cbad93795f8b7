//! Every script of `curl-examples/` gives the answer that it promises.
use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::{Value, json};
use tokio::process::Command;

use super::scene::{http_addr, serving};
use crate::{clients::client::top, support::replica::Replica};

/// What a script must have printed.
type Check = fn(&str);

const CHECKS: &[(&str, Check)] = &[
    ("list-challenges.sh", three_beginners),
    ("get-challenge.sh", one_challenge),
    ("batch-get-challenges.sh", two_in_the_order_asked_for),
    ("ask-again.sh", not_modified),
    ("stream-tip.sh", a_tip_event_by_event),
    ("invalidate-cache.sh", a_receipt),
    ("update-flag.sh", a_flag_for_a_tenth),
    ("reset-flag.sh", a_flag_without_a_row),
    // They change the catalog: last, and in this order.
    ("import-challenges.sh", two_created),
    ("export-challenges.sh", all_challenges_by_id),
];

fn folder() -> PathBuf {
    top().join("curl-examples")
}

#[tokio::test]
async fn every_example_with_curl_gives_its_answer() {
    let entries = fs::read_dir(folder()).unwrap();
    let scripts = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let scripts: BTreeSet<_> = scripts.filter(|name| name != "README.md").collect();
    let checked: BTreeSet<_> = CHECKS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(scripts, checked, "each script has a check, and the reverse");
    let replica = serving(&[]).await;
    for (script, check) in CHECKS {
        check(&run(script, &replica).await);
    }
}

#[test]
fn the_table_names_every_example_with_curl() {
    let table = fs::read_to_string(folder().join("README.md")).unwrap();
    for (script, _) in CHECKS {
        let row = format!("| [{script}]({script}) |");
        assert!(table.contains(&row), "{script}");
    }
}

async fn run(script: &str, replica: &Replica) -> String {
    let output = Command::new(folder().join(script))
        .env("CATALOG_URL", format!("http://{}", http_addr(replica)))
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{script}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn parse(answer: &str) -> Value {
    serde_json::from_str(answer).unwrap_or_else(|problem| panic!("{problem}: {answer}"))
}

fn titles(answer: &str) -> Vec<String> {
    let answer = parse(answer);
    let challenges = answer["challenges"].as_array().unwrap().iter();
    let titles = challenges.map(|it| it["title"].as_str().unwrap().to_owned());
    titles.collect()
}

fn three_beginners(answer: &str) {
    assert_eq!(titles(answer).len(), 3);
    assert_eq!(parse(answer)["difficulty_filter"], "DIFFICULTY_BEGINNER");
}

fn one_challenge(answer: &str) {
    let challenge = &parse(answer)["challenge"];
    assert_eq!(challenge["title"], "Greet a neighbour by name");
}

fn two_in_the_order_asked_for(answer: &str) {
    let expected = ["Say no kindly", "Greet a neighbour by name"];
    assert_eq!(titles(answer), expected);
}

fn not_modified(answer: &str) {
    assert!(answer.starts_with("HTTP/1.1 304 Not Modified\r\n"));
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

fn a_tip_event_by_event(answer: &str) {
    for line in ["event: accepted", "event: delta", "event: done"] {
        assert!(answer.lines().any(|it| it == line), "{line}: {answer}");
    }
}

fn a_receipt(answer: &str) {
    assert_eq!(parse(answer)["tags"], json!(["difficulty:beginner"]));
}

fn a_flag_for_a_tenth(answer: &str) {
    let flag = &parse(answer)["flag"];
    assert_eq!(flag["rollout_percentage"], 10);
    assert_eq!(flag["updated_by"], "ann@example.org");
}

fn a_flag_without_a_row(answer: &str) {
    let flag = &parse(answer)["flag"];
    assert_eq!(flag["source"], "VALUE_SOURCE_DEFAULT");
}

fn two_created(answer: &str) {
    assert_eq!(parse(answer)["created"], "2");
}

fn all_challenges_by_id(answer: &str) {
    let pages = answer.lines().map(parse);
    let count: usize = pages
        .map(|page| page["challenges"].as_array().unwrap().len())
        .sum();
    assert_eq!(count, 20);
}
