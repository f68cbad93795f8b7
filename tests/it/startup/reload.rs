//! SIGHUP: files are read again, and nothing ends.
use std::{fs, path::Path};

use challenges_catalog::pb::catalog::v1::Difficulty;
use serde_json::Value;

use super::ended::SECRET;
use crate::{
    llm::fixture::answer,
    logs::outages::{log_lines, saying},
    support::{
        fleet::list, process::PATIENCE, replica::Replica, scripted::Scripted, wait::eventually,
    },
    tips::{
        provider::quick,
        wire_stream::{OTHERS, hear, question, question_about},
    },
};

/// A replica with a settings file of this content.
async fn with_file(file: &Path, content: &str) -> Replica {
    fs::write(file, content).unwrap();
    Replica::start(&[("CATALOG_CONFIG", file.display().to_string())]).await
}

/// Sends SIGHUP, and waits for the line that says `what` came of it.
async fn hang_up(replica: &Replica, what: &str) -> Value {
    replica.signal("HUP");
    eventually("it is logged", PATIENCE, async || {
        !saying(&log_lines(replica), what).is_empty()
    })
    .await;
    saying(&log_lines(replica), what)[0].clone()
}

#[tokio::test]
async fn a_hangup_changes_what_the_log_lets_through_and_names_what_waits_for_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.toml");
    let replica = with_file(&file, "log = 'info'\n").await;
    assert!(!replica.log().contains("\"DEBUG\""));
    fs::write(&file, "log = 'debug'\nmax_calls = 7\n").unwrap();
    let line = hang_up(&replica, "settings were reloaded").await;
    assert_eq!(line["at_next_start"], "max-calls");
    list(&replica, Difficulty::Beginner, 33).await.unwrap();
    eventually("debug lines come", PATIENCE, async || {
        replica.log().contains("\"DEBUG\"")
    })
    .await;
}

#[tokio::test]
async fn settings_that_cannot_be_used_change_nothing_and_end_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.toml");
    let replica = with_file(&file, "log = 'info'\n").await;
    fs::write(&file, "log = 'debug'\nmax_calls = 'many'\n").unwrap();
    let line = hang_up(&replica, "nothing was reloaded").await;
    assert!(
        line["problems"].as_str().unwrap().contains("max_calls"),
        "{line}"
    );
    assert!(list(&replica, Difficulty::Beginner, 20).await.is_ok());
    assert!(!replica.log().contains("\"DEBUG\""));
}

#[tokio::test]
async fn requests_go_out_with_the_key_that_its_file_has_since_the_hangup() {
    let (folder, provider) = (tempfile::tempdir().unwrap(), quick().await);
    let key = folder.path().join("key");
    fs::write(&key, "before").unwrap();
    let replica = Replica::start(&[
        ("ANTHROPIC_API_KEY_FILE", key.display().to_string()),
        ("ANTHROPIC_BASE_URL", provider.url()),
    ])
    .await;
    fs::write(&key, SECRET).unwrap();
    hang_up(&replica, "settings were reloaded").await;
    hear(&replica, question()).await;
    let head = &provider.exchanges()[0].head;
    assert!(head.contains(&format!("x-api-key: {SECRET}")), "{head}");
    assert!(!replica.log().contains(SECRET));
}

#[tokio::test]
async fn a_key_that_its_provider_refuses_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let provider = Scripted::playing(vec![answer("401 Unauthorized", "", "{}")]).await;
    let key = folder.path().join("key");
    fs::write(&key, "before").unwrap();
    let replica = Replica::start(&[
        ("ANTHROPIC_API_KEY_FILE", key.display().to_string()),
        ("ANTHROPIC_BASE_URL", provider.url()),
    ])
    .await;
    fs::write(&key, SECRET).unwrap();
    hear(&replica, question()).await;
    let line = "a provider refused its key: its key was reloaded, and requests use the new one";
    eventually("the key is read again", PATIENCE, async || {
        !saying(&log_lines(&replica), line).is_empty()
    })
    .await;
    hear(&replica, question_about(OTHERS[0])).await;
    let head = &provider.exchanges()[1].head;
    assert!(head.contains(&format!("x-api-key: {SECRET}")), "{head}");
}
