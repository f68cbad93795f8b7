//! The program on a terminal, which `script` of util-linux makes.
use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(15);

/// A command on a terminal of its own.
pub struct Terminal {
    running: Child,
    keys: ChildStdin,
    screen: ChildStdout,
    seen: String,
}

impl Terminal {
    /// Runs the program with `arguments`, none of which has a space, against the server at `addr`.
    pub fn run(arguments: &[&str], addr: &str) -> Self {
        let program = env!("CARGO_BIN_EXE_challenges-catalog");
        let line = format!("exec {program} {}", arguments.join(" "));
        let mut running = Command::new("script")
            .args([
                "--quiet",
                "--flush",
                "--return",
                "--command",
                &line,
                "/dev/null",
            ])
            .env("CATALOG_ADDR", addr)
            .env("TERM", "xterm")
            .env_remove("NO_COLOR")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("script, of util-linux");
        Self {
            keys: running.stdin.take().unwrap(),
            screen: running.stdout.take().unwrap(),
            running,
            seen: String::new(),
        }
    }

    /// Waits until `text` was written.
    pub async fn shows(&mut self, text: &str) {
        while !self.seen.contains(text) {
            let more = self.read().await;
            assert!(more > 0, "no {text:?} in {:?}", self.seen);
        }
    }

    /// Presses keys.
    pub async fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).await.unwrap();
        self.keys.flush().await.unwrap();
    }

    /// Waits for the end: the exit code, and all that was written.
    pub async fn ended(mut self) -> (Option<i32>, String) {
        while self.read().await > 0 {}
        let status = timeout(PATIENCE, self.running.wait()).await;
        (status.expect("it ends").unwrap().code(), self.seen)
    }

    async fn read(&mut self) -> usize {
        let mut bytes = [0; 4096];
        let read = timeout(PATIENCE, self.screen.read(&mut bytes)).await;
        let read = read.unwrap_or_else(|_| panic!("silence after {:?}", self.seen));
        // A terminal that closes is an error on Linux.
        let read = read.unwrap_or(0);
        self.seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
        read
    }
}
