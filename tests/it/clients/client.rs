//! A program of `tests/clients/`, and what it must get.
use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::support::{llmock, replica::Replica};

const TIP: &str = "Say the name once, warmly, and walk on. The smile that you bring is all that \
                   is asked of you, whatever comes back.";

/// The top of the repository.
pub fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What `make tools` put there.
pub fn tool(path: &str) -> PathBuf {
    top().join(".tools").join(path)
}

/// What a program printed that must end well.
pub fn run(command: &mut Command) -> String {
    let output = command.output();
    let output =
        output.unwrap_or_else(|problem| panic!("{command:?}: {problem}; run `make tools`"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// Has a client take one of its steps, and gives what it got.
fn ask(mut client: Command, replica: &Replica, step: &str) -> Value {
    let answer = run(client.arg(replica.addr().to_string()).arg(step));
    serde_json::from_str(&answer).unwrap()
}

/// It lists, page by page.
pub async fn lists(client: Command) {
    let replica = Replica::start(&[]).await;
    let titles = [
        "Ask a stranger for a recommendation",
        "Greet a neighbour by name",
    ];
    assert_eq!(
        ask(client, &replica, "list"),
        json!({"total": 6, "titles": titles})
    );
}

/// It reads why a call failed, from the status and from its details.
pub async fn reads_a_failure(client: Command) {
    let replica = Replica::start(&[]).await;
    let id = "00000000-0000-4000-8000-000000000000";
    let told = json!({
        "code": "NOT_FOUND",
        "message": format!("no such challenge: {id}"),
        "error": "challenges-catalog CHALLENGE_NOT_FOUND",
        "resource": format!("challenge {id}"),
    });
    assert_eq!(ask(client, &replica, "fail"), told);
}

/// It reads a tip as it is written, piece by piece, until its done, whose hash it compares.
pub async fn streams(client: Command) {
    let provider = llmock::start();
    provider.next(&json!({"type": "reply", "text": TIP}));
    let replica = Replica::start(&[
        ("ANTHROPIC_API_KEY", "key".to_owned()),
        ("ANTHROPIC_BASE_URL", provider.anthropic_url()),
    ])
    .await;
    let heard = json!({"text": TIP, "several": true, "source": "TIP_SOURCE_AI"});
    assert_eq!(ask(client, &replica, "stream"), heard);
}
