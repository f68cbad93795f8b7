//! What gRPC answers, as JSON that another implementation makes of it: grpcurl's, in Go.
use std::{env, path::Path};

use serde_json::{Map, Value};
use tokio::process::Command;

use crate::support::replica::Replica;

/// What differs from call to call, and is in headers of HTTP.
const PER_CALL: [&str; 5] = [
    "etag",
    "not_modified",
    "cached",
    "cache_expire_time",
    "freshness",
];

/// The answer of a method of the catalog, by the names of the contract, without what differs from call to call.
pub async fn read_by_grpc(replica: &Replica, method: &str, request: &Value) -> Value {
    let method = format!("challenges.catalog.v1.ChallengesCatalog/{method}");
    let mut answer = call_by_grpc(replica, &method, request).await;
    let fields = answer.as_object_mut().unwrap();
    fields.retain(|name, _| !PER_CALL.contains(&name.as_str()));
    answer
}

/// The answer of any unary method, by the names of the contract, with defaults.
pub async fn call_by_grpc(replica: &Replica, method: &str, request: &Value) -> Value {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/bin/grpcurl");
    let output = Command::new(program)
        .args(["-plaintext", "-emit-defaults", "-d", &request.to_string()])
        .args([&replica.addr().to_string(), method])
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .output()
        .await
        .expect("grpcurl, which `make tools` installs");
    assert!(output.status.success(), "{output:?}");
    by_contract(serde_json::from_slice(&output.stdout).unwrap())
}

/// By the names of the contract, where Go has those of JavaScript, and without what is absent.
fn by_contract(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            let fields = fields.map(|(name, value)| (snake(&name), by_contract(value)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Value::Array(values) => values.into_iter().map(by_contract).collect(),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
