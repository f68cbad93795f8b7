use std::fs;

use crate::support::process::{self, Plan, Process};

/// What the sentinel calls the servers that it watches.
pub const SERVICE: &str = "catalog";

/// A sentinel that watches a primary by itself, and fails over after half a second.
pub struct Sentinel {
    process: Process,
    port: u16,
}

impl Sentinel {
    /// Watches the server on `port`; `more` are lines of its settings.
    pub fn watching(port: u16, more: &str) -> Self {
        process::on_free_port("Sentinel", |own| Self::start(own, port, more))
    }

    fn start(own: u16, watched: u16, more: &str) -> Result<Self, String> {
        let plan = Plan {
            program: "redis-server".into(),
            args: ["sentinel.conf", "--sentinel"].map(Into::into).into(),
            env: Vec::new(),
            end_signal: "KILL",
            user: None,
        };
        let process = Process::new(&plan);
        let settings = format!(
            "port {own}\nbind 127.0.0.1\n\
             sentinel monitor {SERVICE} 127.0.0.1 {watched} 1\n\
             sentinel down-after-milliseconds {SERVICE} 500\n\
             sentinel failover-timeout {SERVICE} 3000\n{more}\n"
        );
        fs::write(process.folder().join("sentinel.conf"), settings).unwrap();
        process.start();
        let sentinel = Self { process, port: own };
        let log = || sentinel.process.log();
        let is_ready = || log().contains("+monitor master");
        sentinel.process.wait_until_ready(is_ready)?;
        Ok(sentinel)
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        self.process.log()
    }
}
