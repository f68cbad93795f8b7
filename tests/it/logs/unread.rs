//! Whatever becomes of the log, calls, probes and SIGTERM go on as ever.
use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader},
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use challenges_catalog::pb::catalog::v1::Difficulty;
use serde_json::Value;

use crate::{
    ops::scene::{get, metric},
    support::{fleet::list, process::free_port, replica::Replica, wait::eventually},
};

const SOON: Duration = Duration::from_secs(20);
const LOST: &str = "catalog_log_lines_lost_total";

/// A pipe with a name, both ends of which are held here.
struct Pipe {
    path: PathBuf,
    ends: File,
    _folder: tempfile::TempDir,
}

impl Pipe {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let ends = OpenOptions::new().read(true).write(true).open(&path);
        Self {
            path,
            ends: ends.unwrap(),
            _folder: folder,
        }
    }
}

/// A replica that logs every detail, and the port of its pages.
struct Talkative {
    replica: Replica,
    ops: u16,
}

impl Talkative {
    async fn logging_to(log: &std::path::Path) -> Self {
        let ops = free_port();
        let settings = [
            ("CATALOG_OPS_ADDR", format!("127.0.0.1:{ops}")),
            ("CATALOG_LOG", "trace".to_owned()),
        ];
        Self {
            replica: Replica::start_after(&format!("exec 2>{}", log.display()), &settings).await,
            ops,
        }
    }

    async fn page(&self, path: &str) -> (u16, String) {
        let answer = get(([127, 0, 0, 1], self.ops).into(), path).await;
        (answer.status, answer.body)
    }

    async fn lost(&self) -> f64 {
        metric(&self.page("/metrics").await.1, LOST)
    }

    /// Calls until lines of the log are lost: all of the calls are answered.
    async fn call_until_lines_are_lost(&self) {
        eventually("lines are lost", SOON, async || {
            for _ in 0..20 {
                list(&self.replica, Difficulty::Beginner, 20).await.unwrap();
            }
            self.lost().await > 0.0
        })
        .await;
    }
}

#[tokio::test]
async fn a_reader_of_the_log_that_stalls_holds_up_no_call_no_probe_and_no_end() {
    let pipe = Pipe::new();
    let server = Talkative::logging_to(&pipe.path).await;
    server.call_until_lines_are_lost().await;
    for page in ["/livez", "/readyz"] {
        assert_eq!(server.page(page).await, (200, "ok\n".to_owned()));
    }
    let asked = Instant::now();
    let status = server.replica.sigterm_and_wait().await;
    assert_eq!(status.code(), Some(0));
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[tokio::test]
async fn lines_that_were_lost_are_told_of_once_the_reader_reads_again() {
    let pipe = Pipe::new();
    let server = Talkative::logging_to(&pipe.path).await;
    server.call_until_lines_are_lost().await;
    // More than one: the notice itself finds no room at first.
    eventually("many lines are lost", SOON, async || {
        list(&server.replica, Difficulty::Beginner, 20)
            .await
            .unwrap();
        server.lost().await > 100.0
    })
    .await;
    let lost = server.lost().await;
    let reading = BufReader::new(pipe.ends.try_clone().unwrap());
    let told = tokio::task::spawn_blocking(move || {
        let mut lines = reading.lines().map(|line| {
            let line: Value = serde_json::from_str(&line.unwrap()).expect("each line is whole");
            line
        });
        let line = lines.find(|line| {
            let message = line["message"].as_str().unwrap_or_default();
            message.starts_with("log lines were lost")
        });
        line.unwrap()
    });
    let told = told.await.unwrap();
    assert_eq!(told["level"], "WARN");
    assert!(told["lines"].as_f64().unwrap() >= lost, "{lost}: {told}");
    assert_eq!(told["problem"], "they were read too slowly");
}

#[tokio::test]
async fn a_full_device_costs_the_log_and_nothing_else() {
    let server = Talkative::logging_to("/dev/full".as_ref()).await;
    server.call_until_lines_are_lost().await;
    assert_eq!(server.page("/livez").await.0, 200);
    assert_eq!(server.replica.sigterm_and_wait().await.code(), Some(0));
}

#[tokio::test]
async fn a_reader_of_the_log_that_is_gone_costs_the_log_and_nothing_else() {
    let pipe = Pipe::new();
    let server = Talkative::logging_to(&pipe.path).await;
    drop(pipe);
    server.call_until_lines_are_lost().await;
    assert_eq!(server.page("/livez").await.0, 200);
    assert_eq!(server.replica.sigterm_and_wait().await.code(), Some(0));
}
