//! Python: `grpc_tools.protoc`, grpcio and grpcio-status.
use std::{fs, os::unix::fs::symlink, process::Command};

use tempfile::TempDir;

use super::{
    client::{self, run, tool, top},
    stubs,
};

/// A folder with stubs of the contract.
pub fn stubs() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    stubs::make(&["python", "grpc_python"], folder.path());
    folder
}

/// A Python that finds these stubs.
pub fn python(stubs: &TempDir) -> Command {
    let mut python = Command::new(tool("python-clients/bin/python"));
    python.env("PYTHONPATH", stubs.path());
    python
}

fn program(stubs: &TempDir) -> Command {
    let mut program = python(stubs);
    program.arg(top().join("tests/clients/catalog.py"));
    program
}

#[test]
fn python_imports_the_stubs_of_the_whole_contract() {
    let stubs = stubs();
    let files = stubs::contract();
    let imports = files.iter().flat_map(|file| {
        let module = file.with_extension("").display().to_string();
        let module = module.replace('/', ".");
        [
            format!("import {module}_pb2\n"),
            format!("import {module}_pb2_grpc\n"),
        ]
    });
    run(python(&stubs).arg("-c").arg(imports.collect::<String>()));
}

#[test]
fn the_line_of_the_readme_makes_the_stubs() {
    let readme = fs::read_to_string(top().join("README.md")).unwrap();
    let line = readme
        .lines()
        .find(|line| line.contains("grpc_tools.protoc"));
    let folder = tempfile::tempdir().unwrap();
    for root in ["proto", "protocols"] {
        symlink(top().join(root), folder.path().join(root)).unwrap();
    }
    let programs = tool("python-clients/bin");
    let path = format!("{}:/usr/bin:/bin", programs.display());
    let mut shell = Command::new("sh");
    shell.current_dir(folder.path()).env("PATH", path);
    run(shell.args(["-ec", line.unwrap()]));
    let stubs = folder
        .path()
        .join("challenges/catalog/v1/catalog_pb2_grpc.py");
    assert!(stubs.exists());
}

#[tokio::test]
async fn python_lists_page_by_page() {
    client::lists(program(&stubs())).await;
}

#[tokio::test]
async fn pythons_grpc_status_reads_why_a_call_failed() {
    client::reads_a_failure(program(&stubs())).await;
}

#[tokio::test]
async fn python_streams_a_tip_to_its_end() {
    client::streams(program(&stubs())).await;
}
