//! Stubs of the whole contract, made as its readers make them: with no option but where they go.
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::client::{run, tool, top};

/// All files of the contract, as they are imported.
pub fn contract() -> Vec<PathBuf> {
    let root = top().join("proto");
    let mut folders = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path.strip_prefix(&root).unwrap().to_owned());
            }
        }
    }
    files.sort();
    assert!(files.len() > 10, "{files:?}");
    files
}

/// Has protoc write into `folder` what each of its plugins makes, such as `python` or `go-grpc`.
pub fn make(plugins: &[&str], folder: &Path) {
    let mut protoc = Command::new(tool("python-clients/bin/python"));
    protoc
        .args(["-m", "grpc_tools.protoc", "-Iproto", "-Iprotocols"])
        .current_dir(top());
    for plugin in plugins {
        protoc.arg(format!("--{plugin}_out={}", folder.display()));
    }
    run(protoc.args(contract()));
}
