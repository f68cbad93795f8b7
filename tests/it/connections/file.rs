use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use challenges_catalog::pb::catalog::v1::Difficulty;
use tonic::Code;

use crate::{
    editing::client::{challenge, client, create},
    support::{fleet::list, replica::Replica, wait::eventually},
};

const SOON: Duration = Duration::from_secs(8);

async fn start() -> (Replica, PathBuf) {
    let replica = Replica::start(&[]).await;
    let file = replica.folder().join("challenges.sqlite");
    (replica, file)
}

fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Limits how large a file of the replica may grow, as a full disk does.
fn limit_files(replica: &Replica, soft: &str) {
    let limit = format!("--fsize={soft}:unlimited");
    let pid = replica.pid().to_string();
    let done = Command::new("prlimit")
        .args(["--pid", &pid, &limit])
        .status();
    assert!(done.unwrap().success());
}

async fn is_stale(replica: &Replica) -> bool {
    let answer = list(replica, Difficulty::Beginner, 20).await.unwrap();
    answer.freshness.unwrap().stale
}

/// Whether the list has `title`, called fresh.
async fn shows(replica: &Replica, title: &str) -> bool {
    let answer = list(replica, Difficulty::Beginner, 50).await;
    answer.is_ok_and(|answer| {
        let has_it = answer.challenges.iter().any(|found| found.title == title);
        has_it && !answer.freshness.unwrap().stale
    })
}

#[tokio::test]
async fn edits_pass_again_after_the_disk_was_full_for_a_moment() {
    let (replica, file) = start().await;
    let mut editor = client(&replica).await;
    create(&mut editor, challenge(1, "before")).await.unwrap();
    let log = fs::metadata(beside(&file, "-wal")).unwrap().len();
    limit_files(&replica, &log.to_string());
    for number in 2..12 {
        let refused = create(&mut editor, challenge(number, "full"))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
        assert!(refused.message().contains("disk is full"), "{refused:?}");
    }
    limit_files(&replica, "unlimited");
    for number in 12..22 {
        create(&mut editor, challenge(number, "after"))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn no_edit_is_acknowledged_that_a_deleted_file_took_along() {
    let (replica, file) = start().await;
    let mut editor = client(&replica).await;
    create(&mut editor, challenge(1, "before")).await.unwrap();
    for end in ["", "-wal", "-shm"] {
        fs::remove_file(beside(&file, end)).unwrap();
    }
    let refused = create(&mut editor, challenge(2, "gone")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    eventually("answers are marked", SOON, async || {
        is_stale(&replica).await
    })
    .await;
    assert!(replica.log().contains("is gone"), "{}", replica.log());
}

#[tokio::test]
async fn a_file_that_was_put_in_the_place_of_another_begins_a_new_history() {
    let (other, source) = start().await;
    let mut editor = client(&other).await;
    create(&mut editor, challenge(7, "of the other file"))
        .await
        .unwrap();
    other.sigterm_and_wait().await;
    let (replica, file) = start().await;
    let copy = beside(&file, ".copy");
    fs::copy(&source, &copy).unwrap();
    assert!(!shows(&replica, "of the other file").await);
    for end in ["", "-wal", "-shm"] {
        fs::remove_file(beside(&file, end)).unwrap();
    }
    eventually("answers are marked", SOON, async || {
        is_stale(&replica).await
    })
    .await;
    fs::rename(&copy, &file).unwrap();
    let is_shown = async || shows(&replica, "of the other file").await;
    eventually("the other file is shown", SOON, is_shown).await;
    let mut editor = client(&replica).await;
    create(&mut editor, challenge(8, "after")).await.unwrap();
}

#[tokio::test]
async fn an_edit_outlives_the_deletion_of_the_log_that_had_it() {
    let (replica, file) = start().await;
    let mut editor = client(&replica).await;
    create(&mut editor, challenge(1, "in the log"))
        .await
        .unwrap();
    fs::remove_file(beside(&file, "-wal")).unwrap();
    eventually("edits pass again", SOON, async || {
        let mut editor = client(&replica).await;
        create(&mut editor, challenge(2, "after")).await.is_ok()
    })
    .await;
    assert!(shows(&replica, "in the log").await);
    // What another process finds in the file, too.
    replica.kill().await;
    let copy = tempfile::tempdir().unwrap();
    for end in ["", "-wal"] {
        let name = format!("copy.sqlite{end}");
        fs::copy(beside(&file, end), copy.path().join(name)).ok();
    }
    let url = format!("sqlite:{}", copy.path().join("copy.sqlite").display());
    let again = Replica::start(&[("DATABASE_URL", url)]).await;
    for title in ["in the log", "after"] {
        assert!(shows(&again, title).await, "{title}");
    }
}
