//! `buf curl`, which knows the contract from the server's reflection.
use std::process::{Command, Output};

use base64::{Engine, prelude::BASE64_STANDARD};
use ring::digest::{SHA256, digest};
use serde_json::Value;

use super::client::tool;
use crate::support::replica::Replica;

/// A call by gRPC without TLS.
async fn call(method: &str, request: &str) -> Output {
    let replica = Replica::start(&[]).await;
    let addr = replica.addr();
    Command::new(tool("bin/buf"))
        .args(["curl", "--protocol", "grpc", "--http2-prior-knowledge"])
        .args(["--data", request])
        .arg(format!(
            "http://{addr}/challenges.catalog.v1.ChallengesCatalog/{method}"
        ))
        .output()
        .unwrap()
}

/// The messages of a call that ended well.
async fn answers(method: &str, request: &str) -> Vec<Value> {
    let output = call(method, request).await;
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{problem}");
    let messages = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
    messages.map(Result::unwrap).collect()
}

#[tokio::test]
async fn buf_curl_lists() {
    let answers = answers("ListChallenges", r#"{"page_size": 2}"#).await;
    assert_eq!(answers[0]["challenges"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn buf_curl_shows_why_a_call_failed() {
    let request = r#"{"id": "00000000-0000-4000-8000-000000000000"}"#;
    let output = call("GetChallenge", request).await;
    // It shifts the code by three.
    assert_eq!(output.status.code(), Some(5 << 3));
    let problem: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(problem["code"], "not_found");
    assert_eq!(problem["details"][0]["type"], "google.rpc.ErrorInfo");
    assert_eq!(problem["details"][1]["type"], "google.rpc.ResourceInfo");
}

#[tokio::test]
async fn buf_curl_streams_a_tip_to_its_end() {
    let request = r#"{"challenge_id": "7368dad2-43a3-4359-95c9-2405f700f00e"}"#;
    let answers = answers("StreamTips", request).await;
    let texts = answers.iter().filter_map(|it| it["delta"]["text"].as_str());
    let hash = BASE64_STANDARD.encode(digest(&SHA256, texts.collect::<String>().as_bytes()));
    assert_eq!(answers.last().unwrap()["done"]["sha256"], hash);
}
