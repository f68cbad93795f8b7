//! `--timeout`: whoever accepts a connection and says nothing is not waited for.
use tokio::net::TcpListener;

use crate::startup::ended::run;

const COMMANDS: [&[&str]; 6] = [
    &["list"],
    &["get", "7368dad2"],
    &["health"],
    &["health", "--watch"],
    &["admin", "cache", "status"],
    &["admin", "challenges", "export", "-"],
];

/// Runs each command against a server that accepts and says nothing.
async fn each_ends(scheme: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = format!("{scheme}{}", listener.local_addr().unwrap());
    let mut accepted = Vec::new();
    let accepting = async {
        loop {
            accepted.push(listener.accept().await.unwrap());
        }
    };
    let asking = async {
        for command in COMMANDS {
            let bounded = ["--addr", &addr, "--timeout", "300ms"];
            let ended = run(&[command, &bounded].concat(), &[]).await;
            let code = if command[0] == "health" { 2 } else { 1 };
            ended.with(code, &["--timeout grants more"]);
            assert!(!ended.err.contains("http2"), "{command:?}: {ended:?}");
        }
    };
    tokio::select! {
        () = accepting => {}
        () = asking => {}
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_over_tls_ends_every_command() {
    each_ends("https://").await;
}

#[tokio::test]
async fn a_server_that_says_nothing_over_plain_tcp_ends_every_command() {
    each_ends("http://").await;
}
