//! Replicas that are restarted under callers in Python and Node, over TLS: nobody notices.
use std::{
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use super::{client::top, node::node, python};
use crate::{
    access::scene::{Files, token_entry},
    ops::scene::{metric, metrics},
    support::{
        fleet, postgres,
        process::PATIENCE,
        redis,
        replica::Replica,
        scripted::{Act, Scripted},
        wait::eventually,
    },
    tips::provider::{PIECES, ordering_at, tip},
};

const TOKEN: &str = "a-token-that-only-this-test-has";
const ROUNDS: usize = 2;
/// Of each caller: plain calls a second, and tips at once.
const LOAD: [&str; 2] = ["50", "3"];

/// Each caller asks for a tip once: one that is kept is no stream that could be cut.
const MANY: &str = "INSERT INTO approach_challenges (id, difficulty, title, description)
    SELECT md5(n::text)::uuid, 'beginner', 'Challenge ' || n, 'What to do.' FROM generate_series(1, 200) AS n";

/// A caller under way: until its standard input ends.
fn started(mut caller: Command, replicas: &[Replica], files: &Files) -> Child {
    let addrs: Vec<String> = replicas.iter().map(|it| it.addr().to_string()).collect();
    caller
        .args([&addrs.join(","), &files.path("ca.pem"), TOKEN])
        .args(LOAD)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    caller.spawn().expect("run `make tools`")
}

/// What it tells in the end.
fn told(caller: Child) -> Value {
    let output = caller.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn until_both_call(replica: &Replica) {
    eventually("both callers are there", PATIENCE, async || {
        metric(&metrics(replica).await, "catalog_connections ") > 1.5
    })
    .await;
}

#[tokio::test]
async fn no_call_fails_and_no_tip_has_a_gap_while_replicas_are_restarted() {
    let files = Files::new();
    let slowly = Act::Pause(Duration::from_millis(400));
    let provider = Scripted::playing(tip(&PIECES, &slowly)).await;
    let (database, redis) = (postgres::fresh().await, redis::start());
    fleet::migrate(&database).await;
    database.execute(MANY).await;
    let url = provider.url();
    let own = ordering_at(&url).into_iter();
    let own = own.map(|(name, value)| (name, value.to_owned()));
    let mut settings: Vec<_> = files.tls().into_iter().chain(own).collect();
    settings.extend([
        files.access(&token_entry("shop", TOKEN, "viewer", "")),
        ("DATABASE_URL", database.url()),
        ("REDIS_URL", redis.url()),
        ("CATALOG_SHUTDOWN_DELAY", "1s".to_owned()),
    ]);
    let mut replicas = vec![
        Replica::start(&settings).await,
        Replica::start(&settings).await,
    ];
    let stubs = python::stubs();
    let mut in_python = python::python(&stubs);
    in_python.arg(top().join("tests/clients/rolling.py"));
    let mut in_node = node();
    in_node.arg(top().join("tests/clients/rolling.js"));
    let callers = [in_python, in_node].map(|caller| started(caller, &replicas, &files));
    for replica in &replicas {
        until_both_call(replica).await;
    }
    for _ in 0..ROUNDS {
        for replica in &mut replicas {
            let addr: SocketAddr = replica.addr();
            assert!(replica.sigterm_and_wait().await.success());
            *replica = Replica::start_at(addr, &settings).await;
            until_both_call(replica).await;
        }
    }
    for caller in callers {
        let told = tokio::task::spawn_blocking(|| told(caller)).await.unwrap();
        assert_eq!(told["failed"], json!({}), "{told}");
        assert_eq!(told["broken"], json!([]), "{told}");
        assert!(told["calls"].as_u64().unwrap() > 100, "{told}");
        assert!(told["resumed"].as_u64().unwrap() > 0, "{told}");
    }
}
