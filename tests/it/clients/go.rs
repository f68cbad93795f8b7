//! Go: the compiler, the plugins of protoc and the libraries that Debian has.
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use super::{
    client::{self, run, top},
    stubs,
};

/// Where Go finds the stubs and keeps what it has compiled.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("go")
}

/// A Go without modules, which would be fetched: with these stubs, and Debian's libraries.
fn go() -> Command {
    let workspace = workspace();
    let mut go = Command::new("go");
    go.env("GO111MODULE", "off")
        .env(
            "GOPATH",
            format!("{}:/usr/share/gocode", workspace.display()),
        )
        .env("GOCACHE", workspace.join("cache"))
        .current_dir(top());
    go
}

/// The stubs, made once for all tests: to compile them takes long.
static STUBS: LazyLock<()> = LazyLock::new(|| {
    let folder = workspace().join("src");
    match fs::remove_dir_all(&folder) {
        Err(problem) if problem.kind() != io::ErrorKind::NotFound => panic!("{problem}"),
        Ok(()) | Err(_) => fs::create_dir_all(&folder).unwrap(),
    }
    stubs::make(&["go", "go-grpc"], &folder);
    run(go().args(["build", "challenges-catalog/..."]));
});

static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    LazyLock::force(&STUBS);
    let program = workspace().join("catalog");
    run(go()
        .args(["build", "-o"])
        .arg(&program)
        .arg("tests/clients/catalog.go"));
    program
});

fn program() -> Command {
    Command::new(&*PROGRAM)
}

#[test]
fn go_compiles_the_stubs_of_the_whole_contract() {
    LazyLock::force(&STUBS);
    run(go().args(["vet", "challenges-catalog/gen/challenges/admin/v1"]));
}

#[tokio::test]
async fn go_lists_page_by_page() {
    client::lists(program()).await;
}

#[tokio::test]
async fn go_reads_why_a_call_failed() {
    client::reads_a_failure(program()).await;
}

#[tokio::test]
async fn go_streams_a_tip_to_its_end() {
    client::streams(program()).await;
}
