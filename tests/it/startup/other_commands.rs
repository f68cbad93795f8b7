//! What needs no server: version, completions, help.
use super::ended::{Ended, SECRET, run};
use crate::support::program::run_well;

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
        (&["admin", "flags", ""], "-h --help list get set unset help"),
        (&["admin", "flags", "set", "--roll"], "--rollout"),
        (&["list", "--difficulty", "b"], "beginner"),
        (&["help", "admin", "ca"], "cache"),
    ] {
        let mut bash = tokio::process::Command::new("bash");
        bash.args(["--norc", "-c", COMPLETE, "bash"]).arg(&file);
        let ended = bash.arg("challenges-catalog").args(words).output();
        let ended: Ended = ended.await.unwrap().into();
        assert_eq!(
            (ended.out.trim(), ended.err.as_str()),
            (offered, ""),
            "{words:?}"
        );
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
