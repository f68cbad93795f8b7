//! What needs no server: version, completions, help.
use super::ended::{SECRET, run};
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
