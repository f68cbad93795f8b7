//! Node: `@grpc/grpc-js` and `@grpc/proto-loader`.
use std::{fs, process::Command};

use super::{
    client::{self, run, tool, top},
    stubs,
};

/// A Node that finds the packages.
pub fn node() -> Command {
    let mut node = Command::new("node");
    node.env("NODE_PATH", tool("node-clients/node_modules"));
    node
}

fn program() -> Command {
    let mut program = node();
    program.arg(top().join("tests/clients/catalog.js"));
    program
}

#[test]
fn node_has_types_of_the_whole_contract() {
    let folder = tempfile::tempdir().unwrap();
    let generator = "node-clients/node_modules/.bin/proto-loader-gen-types";
    let mut generator = Command::new(tool(generator));
    generator
        .args(["--grpcLib=@grpc/grpc-js", "-I", "proto", "protocols", "-O"])
        .arg(folder.path())
        .args(stubs::contract())
        .current_dir(top());
    run(&mut generator);
    for file in stubs::contract() {
        let types = file.with_extension("ts");
        let types = folder.path().join(types.file_name().unwrap());
        let text = fs::read_to_string(&types).unwrap();
        assert!(text.contains("export interface ProtoGrpcType"), "{types:?}");
    }
}

#[tokio::test]
async fn node_lists_page_by_page() {
    client::lists(program()).await;
}

#[tokio::test]
async fn node_reads_why_a_call_failed() {
    client::reads_a_failure(program()).await;
}

#[tokio::test]
async fn node_streams_a_tip_to_its_end() {
    client::streams(program()).await;
}
