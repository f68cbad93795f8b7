//! What needs no server: version, completions, help.
use std::path::Path;

use super::ended::{Ended, SECRET, run};
use crate::{
    cli_admin::terminal::Terminal,
    support::{process::free_port, program::run_well, replica::Replica},
};

const SEEDED: &str = "7368dad2-43a3-4359-95c9-2405f700f00e";

#[tokio::test]
async fn the_version_is_that_of_the_package() {
    let version = env!("CARGO_PKG_VERSION");
    let told = run_well(&["version"], &[]).await;
    assert!(told.contains(version), "{told}");
    let json = run_well(&["version", "--output", "json"], &[]).await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["version"], version);
    assert!(run_well(&["--version"], &[]).await.contains(version));
}

#[tokio::test]
async fn completions_are_a_script_that_bash_can_read() {
    let script = run_well(&["completions", "bash"], &[]).await;
    assert!(script.contains("challenges-catalog"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("completions.bash");
    std::fs::write(&file, script).unwrap();
    let mut bash = tokio::process::Command::new("bash");
    let read = bash.arg("-n").arg(&file).status().await.unwrap();
    assert!(read.success());
    run(&["completions", "cobol"], &[])
        .await
        .with(2, &["cobol"]);
}

/// What bash offers when the tabulator is pressed behind `words`, the last of which is begun.
const COMPLETE: &str = r#"
source "$1"
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
registered=($(complete -p challenges-catalog))
while [ "${registered[0]}" != -F ]; do registered=("${registered[@]:1}"); done
"${registered[1]}" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
echo "${COMPREPLY[@]}"
"#;

#[tokio::test]
async fn bash_completes_commands_flags_and_values_at_every_depth() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("completions.bash");
    std::fs::write(&file, run_well(&["completions", "bash"], &[]).await).unwrap();
    for (words, offered) in [
        (&["li"][..], "list"),
        (&["admin", "fl"], "flags"),
        (&["admin", "flags", ""], "list get set unset help --help"),
        (&["admin", "flags", "set", "--roll"], "--rollout"),
        (&["list", "--difficulty", "b"], "beginner"),
        (&["help", "admin", "ca"], "cache"),
        (&["admin", "flags", "get", "ai"], "ai_tips"),
        (&["admin", "settings", "set", "cache"], "cache_ttl_ms"),
        (&["-o", "json", "admin", "flags", "unset", "ai"], "ai_tips"),
        (&["--output", ""], "table json yaml"),
        (&["list", "--output", ""], "table json yaml"),
        (&["serve", "--tip-refresh", ""], "all local nobody"),
        (
            &["admin", "cache", "invalidate", "--tag", "chal"],
            "challenges",
        ),
    ] {
        assert_eq!(complete(&file, words, &[]).await, offered, "{words:?}");
    }
}

/// What bash offers behind the words, by the script in `file`, which says nothing beside that.
async fn complete(file: &Path, words: &[&str], environment: &[(&str, String)]) -> String {
    let mut bash = tokio::process::Command::new("bash");
    bash.args(["--norc", "-c", COMPLETE, "bash"]).arg(file);
    bash.envs(environment.iter().map(|(name, value)| (*name, value)));
    let ended = bash.arg("challenges-catalog").args(words).output();
    let ended: Ended = ended.await.unwrap().into();
    assert_eq!(ended.err, "", "{words:?}");
    ended.out.trim().to_owned()
}

#[tokio::test]
async fn bash_completes_the_ids_that_the_server_has() {
    let replica = Replica::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("completions.bash");
    std::fs::write(&file, run_well(&["completions", "bash"], &[]).await).unwrap();
    let addr = replica.addr().to_string();
    for before in [
        &["get"][..],
        &["tips"],
        &["admin", "cache", "invalidate", "--id"],
        &["admin", "cache", "warm", "--id"],
        &["admin", "tips", "generate"],
        &["admin", "challenges", "history"],
    ] {
        let words = [&["--addr", &addr], before, &["7368"]].concat();
        assert_eq!(complete(&file, &words, &[]).await, SEEDED, "{words:?}");
    }
    let here = [("CATALOG_ADDR", addr)];
    let all = complete(&file, &["get", ""], &here).await;
    let ids = all.split(' ').filter(|word| !word.starts_with("--"));
    assert_eq!(ids.count(), 18, "{all}");
    let new = ["admin", "challenges", "create", "--id", "7"];
    assert_eq!(complete(&file, &new, &here).await, "");
    // A server that never answers is not waited for.
    replica.pause();
    assert_eq!(complete(&file, &["get", "7"], &here).await, "");
    replica.resume();
}

#[tokio::test]
async fn without_a_server_no_id_is_offered_and_nothing_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("completions.bash");
    std::fs::write(&file, run_well(&["completions", "bash"], &[]).await).unwrap();
    let nobody = [("CATALOG_ADDR", format!("127.0.0.1:{}", free_port()))];
    let offered = complete(&file, &["get", ""], &nobody).await;
    assert!(
        offered.split(' ').all(|word| word.starts_with("--")),
        "{offered}"
    );
}

#[tokio::test]
async fn help_and_faults_of_usage_fit_a_terminal_of_40_columns() {
    for line in [
        "admin cache invalidate --help",
        "get",
        "list --page-size many",
    ] {
        let program = env!("CARGO_BIN_EXE_challenges-catalog");
        let line = format!("stty cols 40 rows 24; {program} {line} 2>&1");
        let (_, screen) = Terminal::shell(&line, &[("NO_COLOR", "1".to_owned())])
            .ended()
            .await;
        for shown in screen.lines() {
            // A word that somebody may copy stays whole.
            let is_a_word = !shown.trim().contains(' ');
            assert!(
                shown.trim_end().chars().count() <= 40 || is_a_word,
                "{line}: {shown:?}"
            );
        }
    }
}

#[tokio::test]
async fn wrong_usage_is_told_without_repeating_a_password() {
    let url = format!("postgres://app:{SECRET}@db/shop");
    for arguments in [
        &["serv"][..],
        &["serve", "--databse-url", &url],
        &["serve", "--database-url", &url, "and-more"],
        &["migrate", "up", &url],
        &["seed", &url],
    ] {
        run(arguments, &[]).await.with(2, &["error:"]);
    }
    let help = run_well(&["--help"], &[]).await;
    for command in ["serve", "migrate", "seed", "verify", "config", "health"] {
        assert!(help.contains(command), "{command}");
    }
}
