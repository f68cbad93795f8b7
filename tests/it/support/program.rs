//! The built program, run for one command.
use std::process::Output;

use tokio::process::Command;

/// The program with `arguments` and an empty environment.
pub fn program(arguments: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_challenges-catalog"));
    program.args(arguments).env_clear().kill_on_drop(true);
    program
}

/// Runs the program with `arguments` and nothing in its environment but `environment`,
/// in a folder of its own.
pub async fn run(arguments: &[&str], environment: &[(&str, String)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    program(arguments)
        .envs(environment.iter().map(|(name, value)| (*name, value)))
        .current_dir(folder.path())
        .output()
        .await
        .unwrap()
}

/// As [`run`], for a command that must work; its standard output.
pub async fn run_well(arguments: &[&str], environment: &[(&str, String)]) -> String {
    let output = run(arguments, environment).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}
