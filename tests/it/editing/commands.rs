//! `admin challenges`: what people and scripts type.
use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use super::client::{SEEDED, client, get, history, id};
use crate::support::{program, replica::Replica, wait::eventually};

/// How a command ended.
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs `admin challenges …` against the replica.
async fn run(replica: &Replica, arguments: &[&str]) -> Ended {
    let all: Vec<_> = ["admin", "challenges"]
        .iter()
        .chain(arguments)
        .copied()
        .collect();
    let here = [
        ("CATALOG_ADDR", replica.addr().to_string()),
        ("USER", "ann".to_owned()),
    ];
    let output = program::run(&all, &here).await;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended {
        code: output.status.code(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// As [`run`], for what must work; its standard output.
async fn run_well(replica: &Replica, arguments: &[&str]) -> String {
    let ended = run(replica, arguments).await;
    assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.err);
    ended.out
}

async fn run_for_json(replica: &Replica, arguments: &[&str]) -> Value {
    let all: Vec<_> = arguments
        .iter()
        .chain(&["--output", "json"])
        .copied()
        .collect();
    serde_json::from_str(&run_well(replica, &all).await).unwrap()
}

/// A row of a file of challenges.
fn line(number: u32, title: &str) -> String {
    let id = id(number);
    format!(r#"{{"id":"{id}","difficulty":"beginner","title":"{title}","points":10}}"#)
}

fn list_of(lines: impl IntoIterator<Item = String>) -> String {
    let lines: Vec<_> = lines.into_iter().collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_challenge_is_created_updated_deleted_and_reverted() {
    let replica = Replica::start(&[]).await;
    let new = [
        "create",
        "--difficulty",
        "beginner",
        "--title",
        "One",
        "--points",
        "0",
    ];
    let made = run_for_json(&replica, &new).await;
    let (id, version) = (made["challenge"]["id"].as_str().unwrap(), &made["version"]);
    assert!(version.as_str().unwrap().len() > 20, "{made}");
    let plain = run_well(
        &replica,
        &["update", id, "--title", "Two", "--tips", "Breathe."],
    )
    .await;
    assert!(plain.lines().any(|line| line == "title\tTwo"), "{plain}");
    assert!(plain.lines().any(|line| line == "points\t0"), "{plain}");
    let deleted = run_for_json(&replica, &["delete", id, "--yes"]).await;
    assert_eq!(deleted["id"], id);
    let told = run_for_json(&replica, &["history", id]).await;
    let revisions = told["revisions"].as_array().unwrap();
    let changes: Vec<_> = revisions
        .iter()
        .map(|it| it["operation"].as_str().unwrap())
        .collect();
    assert_eq!(changes, ["deleted", "updated", "created"]);
    assert!(revisions.iter().all(|it| it["editor"] == "ann"), "{told}");
    let first = revisions[2]["revision"].to_string();
    let back = run_well(&replica, &["revert", id, &first, "--output", "table"]).await;
    assert!(
        back.starts_with("FIELD") && back.contains("version "),
        "{back}"
    );
    let read = get(&replica, id, "").await.unwrap().challenge.unwrap();
    assert_eq!((read.title.as_str(), read.tips), ("One", None));
}

#[tokio::test]
async fn what_is_only_checked_is_shown_and_not_kept() {
    let replica = Replica::start(&[]).await;
    let table = [
        "update",
        SEEDED,
        "--title",
        "Other",
        "--validate-only",
        "--output",
        "table",
    ];
    let shown = run_well(&replica, &table).await;
    assert!(
        shown.contains("Other") && shown.contains("nothing was changed"),
        "{shown}"
    );
    let shown = run_well(&replica, &["delete", SEEDED, "--validate-only"]).await;
    assert!(shown.contains("could be deleted"), "{shown}");
    let read = get(&replica, SEEDED, "").await.unwrap();
    assert_eq!(read.challenge.unwrap().title, "Greet a neighbour by name");
}

/// A command, its exit code, and what it must say.
type Mistake<'a> = (&'a [&'a str], i32, &'a [&'a str]);

async fn all_are_told_and_change_nothing(mistakes: &[Mistake<'_>]) {
    let replica = Replica::start(&[]).await;
    let mut client = client(&replica).await;
    let before = history(&mut client, "").await.len();
    for (arguments, code, texts) in mistakes {
        let ended = run(&replica, arguments).await;
        let err = &ended.err;
        assert_eq!(ended.code, Some(*code), "{arguments:?}: {err}");
        for text in *texts {
            assert!(err.contains(text), "{arguments:?}: no {text:?} in {err}");
        }
    }
    assert_eq!(history(&mut client, "").await.len(), before);
}

#[tokio::test]
async fn what_is_typed_wrongly_is_told_and_changes_nothing() {
    let sure = &["Greet a neighbour by name", "--yes"];
    let absent = &["absent.json", "No such file"];
    let hard = &["create", "--difficulty", "hard", "--title", "x"];
    let spaced = &["update", SEEDED, "--title", "x", "--as", "two words"];
    let nobody = &["update", SEEDED, "--title", "x", "--as", ""];
    let named = &["--as <NAME>", "must be 1 to 128 letters"];
    all_are_told_and_change_nothing(&[
        (&["create", "--title", "x"], 2, &["--difficulty"]),
        (hard, 2, &["hard"]),
        (&["update", SEEDED], 2, &["--title"]),
        (&["update", SEEDED, "--points", "1001"], 2, &["1001"]),
        (&["update", SEEDED, "--points", "x"], 2, &["0 to 1000"]),
        (&["update", "beg-001", "--points", "1"], 2, &["UUID"]),
        (spaced, 2, named),
        (nobody, 2, named),
        (&["delete"], 2, &["<ID>"]),
        (&["delete", SEEDED], 2, sure),
        (&["revert", SEEDED, "0"], 2, &["1 or more"]),
        (&["revert", SEEDED, "abc"], 2, &["a whole number"]),
        (&["history", SEEDED, "--limit", "0"], 2, &["0"]),
        (&["import"], 2, &["<FILE>"]),
        (&["import", "absent.json"], 2, absent),
    ])
    .await;
}

#[tokio::test]
async fn what_the_server_refuses_is_told_with_its_reason_and_changes_nothing() {
    let other = "W/\"dK1vnBgh7Dc\"";
    let blank = &["challenge.title", "blank"];
    let outdated = &["update", SEEDED, "--title", "x", "--etag", other];
    all_are_told_and_change_nothing(&[
        (&["update", SEEDED, "--title", ""], 1, &["challenge.title"]),
        (&["update", SEEDED, "--title", " "], 1, blank),
        (outdated, 1, &["ETAG_MISMATCH"]),
        (&["revert", SEEDED, "99999999"], 1, &["REVISION_NOT_FOUND"]),
        (&["delete", &id(404), "--yes"], 1, &["CHALLENGE_NOT_FOUND"]),
    ])
    .await;
}

#[tokio::test]
async fn an_export_is_a_file_that_an_import_takes() {
    let replica = Replica::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = path(folder.path(), "all.json");
    let told = run_well(&replica, &["export", &file]).await;
    assert!(told.starts_with("18 challenges exported"), "{told}");
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(run_well(&replica, &["export"]).await, text);
    let all: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(all.len(), 18);
    let edited = text.replace("Greet a neighbour by name", "Greet somebody");
    fs::write(&file, edited).unwrap();
    let refused = run(&replica, &["import", &file]).await;
    assert_eq!(refused.code, Some(1));
    assert!(
        refused
            .err
            .contains("line 2, id: is in the catalog already"),
        "{}",
        refused.err
    );
    assert!(
        refused.err.contains("nothing was changed"),
        "{}",
        refused.err
    );
    let checked = run_well(&replica, &["import", &file, "--upsert", "--validate-only"]).await;
    assert!(
        checked.starts_with("0 created, 1 updated, 17 unchanged; nothing"),
        "{checked}"
    );
    let done = run_for_json(&replica, &["import", &file, "--upsert"]).await;
    assert_eq!(
        (&done["updated"], &done["unchanged"]),
        (&1.into(), &17.into())
    );
    let read = get(&replica, SEEDED, done["version"].as_str().unwrap())
        .await
        .unwrap();
    assert_eq!(read.challenge.unwrap().title, "Greet somebody");
}

#[tokio::test]
async fn a_file_with_bad_lines_changes_nothing_and_each_is_named() {
    let replica = Replica::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = path(folder.path(), "bad.json");
    let row = |number: u32| match number {
        4_710 => line(number, "").replace("beginner", "hard"),
        4_711 => line(1, "Again"),
        _ => line(number, "Good"),
    };
    // The first row stands in line 2.
    fs::write(&file, list_of((1..=10_000).map(row))).unwrap();
    let ended = run(&replica, &["import", &file]).await;
    assert_eq!(ended.code, Some(1));
    for text in [
        "line 4711, difficulty: must be beginner",
        "line 4711, title: must be 1 to 200 characters, not 0",
        "nothing was changed",
    ] {
        assert!(ended.err.contains(text), "no {text:?} in {}", ended.err);
    }
    // What only the catalog can know is reported when the rest is right.
    let repeats = |number: u32| {
        if number == 4_711 {
            line(1, "Again")
        } else {
            line(number, "Good")
        }
    };
    fs::write(&file, list_of((1..=5_000).map(repeats))).unwrap();
    let ended = run(&replica, &["import", &file]).await;
    assert!(
        ended.err.contains("line 4712, id: is that of line 2"),
        "{}",
        ended.err
    );
    let cut = list_of((1..=10).map(|number| line(number, "Good")));
    fs::write(&file, cut.trim_end_matches(['\n', ']'])).unwrap();
    let ended = run(&replica, &["import", &file]).await;
    assert!(ended.err.contains("the list does not end"), "{}", ended.err);
    assert!(
        history(&mut client(&replica).await, &id(1))
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn of_many_bad_lines_twenty_are_told_and_that_there_are_more() {
    let replica = Replica::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = path(folder.path(), "bad.json");
    let bad = |number| line(number, "Good").replace(":10", r#":"ten""#);
    for (rows, has_more) in [(20, false), (21, true)] {
        fs::write(&file, list_of((1..=rows).map(bad))).unwrap();
        let err = run(&replica, &["import", &file]).await.err;
        let last = r#"line 21, points: must be a whole number, not "ten""#;
        assert!(err.contains(last) && !err.contains("line 22"), "{err}");
        assert_eq!(err.contains("and more"), has_more, "{err}");
    }
}

#[tokio::test]
async fn an_import_by_pipe_that_is_ended_by_ctrl_c_changes_nothing() {
    let replica = Replica::start(&[]).await;
    // Who runs the tests in the background has SIGINT ignored, and children inherit that.
    let mut import = Command::new("/usr/bin/env")
        .args([
            "--default-signal=INT",
            env!("CARGO_BIN_EXE_challenges-catalog"),
        ])
        .args(["admin", "challenges", "import", "-"])
        .env_clear()
        .env("CATALOG_ADDR", replica.addr().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut pipe = import.stdin.take().unwrap();
    for number in 1..=3_000 {
        writeln!(pipe, "{}", line(number, "Good")).unwrap();
    }
    pipe.flush().unwrap();
    // More rows than the pipe holds were taken from it, so the call has begun.
    let began = Duration::from_secs(10);
    eventually("the import has a connection", began, async || {
        connections_of(import.id()) > 0
    })
    .await;
    crate::support::process::send_signal("INT", &[import.id()]);
    let status = import.wait().unwrap();
    assert!(!status.success(), "{status:?}");
    drop(pipe);
    let folder = tempfile::tempdir().unwrap();
    let file = path(folder.path(), "good.json");
    fs::write(&file, list_of((1..=2).map(|number| line(number, "Mine")))).unwrap();
    let done = run_well(&replica, &["import", &file]).await;
    assert!(
        done.starts_with("2 created"),
        "nothing of the first is there: {done}"
    );
}

/// How many sockets a process has.
fn connections_of(pid: u32) -> usize {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let targets = open.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    targets
        .filter(|target| target.to_string_lossy().starts_with("socket:"))
        .count()
}

/// The resident set of a process, in bytes.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1024
}

#[tokio::test]
async fn a_file_of_many_megabytes_is_imported_in_little_memory() {
    let replica = Replica::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = path(folder.path(), "large.json");
    let text = "x".repeat(4_500);
    let row = |number: u32| {
        let extra = format!(r#""points":10,"description":"{text}""#);
        line(number, "Large").replace(r#""points":10"#, &extra)
    };
    let mut out = std::io::BufWriter::new(fs::File::create(&file).unwrap());
    for number in 1..=14_000 {
        writeln!(out, "{}", row(number)).unwrap();
    }
    out.into_inner().unwrap();
    let size = fs::metadata(&file).unwrap().len();
    assert!(size > 60 << 20, "{size}");
    let before = resident(replica.pid());
    let done = run_well(&replica, &["import", &file]).await;
    assert!(done.starts_with("14000 created"), "{done}");
    let grown = resident(replica.pid()) - before;
    assert!(grown < size / 2, "{grown} bytes more for a file of {size}");
}
