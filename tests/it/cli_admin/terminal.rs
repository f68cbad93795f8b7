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
    seen: Vec<u8>,
}

impl Terminal {
    /// Runs the program with `arguments`, none of which has a space, against the server at `addr`.
    pub fn run(arguments: &[&str], addr: &str) -> Self {
        let program = env!("CARGO_BIN_EXE_challenges-catalog");
        let line = format!("exec {program} {}", arguments.join(" "));
        Self::shell(&line, &[("CATALOG_ADDR", addr.to_owned())])
    }

    /// Runs a line of the shell, with these variables beside those of the test process.
    pub fn shell(line: &str, environment: &[(&str, String)]) -> Self {
        let mut running = Command::new("script")
            .args([
                "--quiet",
                "--flush",
                "--return",
                "--command",
                line,
                "/dev/null",
            ])
            .env("SHELL", "/bin/sh")
            .env("TERM", "xterm")
            .env_remove("NO_COLOR")
            .envs(environment.iter().map(|(name, value)| (*name, value)))
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
            seen: Vec::new(),
        }
    }

    /// Waits until `text` was written.
    pub async fn shows(&mut self, text: &str) {
        while !self.text().contains(text) {
            let more = self.read().await;
            assert!(more > 0, "no {text:?} in {:?}", self.text());
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
        let code = status.expect("it ends").unwrap().code();
        (code, self.text())
    }

    async fn read(&mut self) -> usize {
        let mut bytes = [0; 4096];
        let read = timeout(PATIENCE, self.screen.read(&mut bytes)).await;
        let read = read.unwrap_or_else(|_| panic!("silence after {:?}", self.text()));
        // A terminal that closes is an error on Linux.
        let read = read.unwrap_or(0);
        self.seen.extend(&bytes[..read]);
        read
    }

    /// All that was written, once no character is cut in two.
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }
}
