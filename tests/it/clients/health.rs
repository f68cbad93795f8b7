//! `grpcurl`, which knows the health service from the server's reflection, as probes call it.
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::client::tool;
use crate::support::replica::Replica;

/// What `grpcurl` ends with, beside the code of the call.
const FAILED: i32 = 64;
const NOT_FOUND: i32 = 5;
const DEADLINE_EXCEEDED: i32 = 4;

/// Calls a method; a stream is read for a second.
fn call(replica: &Replica, method: &str, name: &str) -> Output {
    Command::new(tool("bin/grpcurl"))
        .args(["-plaintext", "-emit-defaults", "-max-time", "1", "-d"])
        .arg(json!({ "service": name }).to_string())
        .arg(replica.addr().to_string())
        .arg(format!("grpc.health.v1.Health/{method}"))
        .output()
        .unwrap()
}

fn messages(output: &Output) -> Vec<Value> {
    let messages = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
    messages.map(Result::unwrap).collect()
}

#[tokio::test]
async fn grpcurl_checks_a_name_and_is_told_of_one_that_nobody_knows() {
    let replica = Replica::start(&[]).await;
    for name in ["", "readiness", "liveness"] {
        let output = call(&replica, "Check", name);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(messages(&output), [json!({ "status": "SERVING" })]);
    }
    let output = call(&replica, "Check", "no.such.Service");
    assert_eq!(output.status.code(), Some(FAILED + NOT_FOUND));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("no such health name: no.such.Service"),
        "{told}"
    );
}

#[tokio::test]
async fn grpcurl_lists_every_name() {
    let replica = Replica::start(&[]).await;
    let output = Command::new(tool("bin/grpcurl"))
        .arg("-plaintext")
        .arg(replica.addr().to_string())
        .arg("grpc.health.v1.Health/List")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let [all] = &messages(&output)[..] else {
        panic!("{output:?}")
    };
    for name in ["", "readiness", "feature/ai_tips", "setting/cache_ttl_ms"] {
        assert_eq!(all["statuses"][name]["status"], "SERVING", "{name:?}");
    }
}

#[tokio::test]
async fn grpcurl_watches_until_its_time_is_over_also_a_name_that_nobody_knows() {
    let replica = Replica::start(&[]).await;
    for (name, status) in [("", "SERVING"), ("no.such.Service", "SERVICE_UNKNOWN")] {
        let output = call(&replica, "Watch", name);
        assert_eq!(output.status.code(), Some(FAILED + DEADLINE_EXCEEDED));
        assert_eq!(messages(&output), [json!({ "status": status })]);
    }
}
