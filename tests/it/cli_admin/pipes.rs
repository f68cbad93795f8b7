//! What a script gets: on standard output, on standard error, and as exit code.
use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Stdio};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    time::timeout,
};

use super::terminal::Terminal;
use crate::{
    fleet::postgres_gone::cut_off,
    startup::ended::{run, sqlite},
    support::{postgres, process::PATIENCE, program::run_well, replica::Replica, wait::eventually},
};

const SEEDED: &str = "7368dad2-43a3-4359-95c9-2405f700f00e";
/// Turns the order of letters, steers terminals that know C1, and ends a line.
const EVIL: &str = "a\u{202e}b\u{9b}31mc\u{2028}d";

fn address_of(replica: &Replica) -> [(&'static str, String); 1] {
    [("CATALOG_ADDR", replica.addr().to_string())]
}

#[tokio::test]
async fn a_stale_copy_says_so_beside_the_rows() {
    let (replica, _server, _proxy) = cut_off().await;
    let here = address_of(&replica);
    eventually("copies are stale", PATIENCE, async || {
        run(&["list"], &here).await.err.contains("stale")
    })
    .await;
    for form in [&[][..], &["-o", "json"]] {
        let listed = run(&[&["list"], form].concat(), &here).await;
        listed.with(0, &["warning: a stale copy"]);
        assert!(!listed.out.contains("warning"), "{listed:?}");
    }
}

#[tokio::test]
async fn flags_and_settings_of_before_the_database_was_lost_say_so_beside_the_rows() {
    let (replica, _server, _proxy) = cut_off().await;
    let here = address_of(&replica);
    for command in [
        &["admin", "flags", "list"][..],
        &["admin", "flags", "get", "ai_tips"],
        &["admin", "settings", "list", "-o", "json"],
    ] {
        let listed = run(command, &here).await;
        listed.with(0, &["warning: the server cannot read its database"]);
        assert!(!listed.out.contains("warning"), "{listed:?}");
    }
    let well = Replica::start(&[]).await;
    let listed = run(&["admin", "flags", "list"], &address_of(&well)).await;
    assert_eq!(listed.err, "");
}

#[tokio::test]
async fn without_the_database_a_status_of_all_is_that_of_the_replica_that_answers() {
    let (replica, _server, _proxy) = cut_off().await;
    let here = address_of(&replica);
    let status = ["admin", "cache", "status", "--all"];
    eventually("it knows that the database is lost", PATIENCE, async || {
        run(&status, &here).await.out.contains("database lost")
    })
    .await;
    let ended = run(&status, &here).await;
    ended.with(1, &["error: the other replicas are unknown", "database"]);
    assert!(ended.out.contains("database lost"), "{ended:?}");
    let ended = run(&[&status[..], &["-o", "json"]].concat(), &here).await;
    ended.with(1, &["the other replicas are unknown"]);
    let told: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(told["replicas"][0]["mode"], "database_lost");
    assert!(told["others_unknown"].is_string(), "{told}");
    let watch = ["--watch", "--interval", "100ms"];
    let arguments = [&status[..], &watch].concat();
    let mut watching = Command::new(env!("CARGO_BIN_EXE_challenges-catalog"))
        .args(arguments)
        .env("CATALOG_ADDR", replica.addr().to_string())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut looks = BufReader::new(watching.stdout.take().unwrap()).lines();
    let look = timeout(PATIENCE, looks.next_line()).await.unwrap().unwrap();
    assert_eq!(look.as_deref(), Some("–\t–\t1\tunknown"));
    run(&["admin", "cache", "status"], &here).await.with(0, &[]);
}

#[tokio::test]
async fn a_tip_that_stands_in_says_so_beside_its_text() {
    let replica = Replica::start(&[]).await;
    let here = address_of(&replica);
    let note = "note: written by a person, because of: no provider";
    for form in [&[][..], &["-o", "json"]] {
        let ended = run(&[&["tips", SEEDED], form].concat(), &here).await;
        ended.with(0, &[note]);
        assert!(!ended.out.contains(note), "{ended:?}");
    }
}

#[tokio::test]
async fn what_steers_a_terminal_is_an_escape_in_every_form() {
    let replica = Replica::start(&[]).await;
    let here = address_of(&replica);
    let tips = format!("--tips={EVIL}");
    let refused = run(&["admin", "challenges", "update", SEEDED, &tips], &here).await;
    // Where the server takes such a text, it is shown harmlessly; where not, so is the refusal.
    for form in ["table", "json", "yaml"] {
        let shown = run(&["get", SEEDED, "-o", form], &here).await;
        for text in [&refused.err, &refused.out, &shown.out] {
            assert!(
                !text.contains(['\u{202e}', '\u{9b}', '\u{2028}']),
                "{text:?}"
            );
        }
    }
    let ended = run(&["get", SEEDED, "--addr", &format!("h{EVIL}:1")], &[]).await;
    assert!(!ended.err.contains(['\u{202e}', '\u{9b}']), "{ended:?}");
}

#[tokio::test]
async fn an_import_that_is_refused_tells_each_fault_once_and_in_the_words_of_the_command() {
    let replica = Replica::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("there.json");
    let row = format!(r#"[{{"id":"{SEEDED}","difficulty":"beginner","title":"x","points":1}}]"#);
    fs::write(&file, row).unwrap();
    let import = ["admin", "challenges", "import", file.to_str().unwrap()];
    let ended = run(&import, &address_of(&replica)).await;
    ended.with(1, &[]);
    assert_eq!(
        ended.err,
        "error: the file cannot be imported; nothing was changed\n  line 1, id: is in the catalog \
         already; --upsert would change that challenge\n"
    );
}

#[tokio::test]
async fn an_id_may_be_as_short_as_a_table_shows_it() {
    let replica = Replica::start(&[]).await;
    let here = address_of(&replica);
    let short = &SEEDED[..8];
    for command in [
        &["get", short][..],
        &["tips", short],
        &["admin", "challenges", "update", short, "--points", "7"],
        &["admin", "challenges", "history", short],
        &["admin", "challenges", "delete", short, "--yes"],
    ] {
        run(command, &here).await.with(0, &[]);
    }
    let gone = run(&["get", short], &here).await;
    gone.with(1, &["no challenge of the catalog", short, "deleted"]);
}

#[tokio::test]
async fn a_pending_migration_is_an_exit_code() {
    let database = postgres::fresh().await;
    let database = [("DATABASE_URL", database.url())];
    let status = run(&["migrate", "status"], &database).await;
    status.with(1, &[]);
    assert!(status.out.contains("pending"), "{status:?}");
    run_well(&["migrate", "up"], &database).await;
    run(&["migrate", "status"], &database).await.with(0, &[]);
}

#[tokio::test]
async fn a_dash_is_standard_output() {
    let replica = Replica::start(&[]).await;
    let here = address_of(&replica);
    let export = ["admin", "challenges", "export"];
    let out = run_well(&export, &here).await;
    assert_eq!(run_well(&[&export[..], &["-"]].concat(), &here).await, out);
}

#[tokio::test]
async fn a_new_database_file_is_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.sqlite");
    run_well(&["migrate", "up"], &sqlite(&file)).await;
    assert_eq!(mode(&file) & 0o777, 0o600);
}

fn mode(file: &Path) -> u32 {
    file.metadata().unwrap().permissions().mode()
}

#[tokio::test]
async fn a_secret_that_others_may_read_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    fs::write(&file, "redis://cache\n").unwrap();
    let path = file.to_str().unwrap().to_owned();
    let warning = "every user of this machine may read";
    for (mode, is_told) in [(0o644, true), (0o640, false), (0o600, false)] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let variables = [("REDIS_URL_FILE", path.clone())];
        let checked = run_well(&["config", "check"], &variables).await;
        assert_eq!(checked.contains(warning), is_told, "{mode:o}: {checked}");
        let listed = run(
            &["list", "--addr", "127.0.0.1:1", "--token-file", &path],
            &[],
        )
        .await;
        assert_eq!(
            listed.err.contains(warning),
            is_told,
            "{mode:o}: {listed:?}"
        );
    }
}

#[tokio::test]
async fn a_settings_file_with_a_secret_that_others_may_read_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    let check = ["config", "check", "--config", file.to_str().unwrap()];
    let warning = "every user of this machine may read";
    let secret = "redis_url = 'redis://:S3CR3T@cache'\ndatabase_url = 'postgres://u:S3CR3T@db/x'";
    for (text, mode, told) in [
        (secret, 0o644, 1),
        (secret, 0o640, 0),
        ("log = 'info'", 0o644, 0),
    ] {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let checked = run_well(&check, &[]).await;
        assert_eq!(
            checked.matches(warning).count(),
            told,
            "{mode:o}: {checked}"
        );
    }
}

#[tokio::test]
async fn a_file_without_an_end_is_refused_with_the_limit() {
    let endless = "/dev/zero";
    let redis = [
        ("REDIS_TLS_CA", endless.to_owned()),
        ("REDIS_URL", "rediss://cache".to_owned()),
    ];
    let key = [("ANTHROPIC_API_KEY_FILE", endless.to_owned())];
    let far = ["list", "--addr", "https://127.0.0.1:1"];
    for (command, environment) in [
        (
            &[&far[..], &["--token-file", endless]].concat()[..],
            &[][..],
        ),
        (&[&far[..], &["--tls-ca", endless]].concat(), &[]),
        (&["config", "check", "--config", endless], &[]),
        (&["config", "check"], &redis),
        (&["config", "check"], &key),
    ] {
        run(command, environment)
            .await
            .with(2, &[endless, "longer than 1MiB"]);
    }
    let seeded = run(&["seed", "--file", endless], &[]).await;
    seeded.with(1, &[endless, "longer than 64MiB"]);
}

#[tokio::test]
async fn the_first_lines_on_a_terminal_say_what_was_made_and_what_to_do_next() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!(
        "cd {} && stty cols 80 rows 24 && exec {} --grpc-addr 127.0.0.1:0",
        folder.path().display(),
        env!("CARGO_BIN_EXE_challenges-catalog")
    );
    let mut terminal = Terminal::shell(&line, &[("USER", "ann".to_owned())]);
    for text in [
        "serves gRPC on 127.0.0.1:",
        "sqlite:challenges.sqlite, made and seeded by this start",
        "none: this replica caches for itself",
        "Ctrl-C; calls are finished first",
        " list --difficulty beginner",
        &format!("tips {SEEDED}"),
    ] {
        terminal.shows(text).await;
    }
    terminal.types("\u{3}").await;
    assert_eq!(terminal.ended().await.0, Some(0));
}
