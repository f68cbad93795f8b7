//! aimock, a simulator of model providers by others (npmjs.com/package/@copilotkit/aimock).
use std::{fs, net::TcpStream, path::Path};

use serde_json::{Value, json};

use super::process::{self, Plan, Process};

/// A simulator of the test's own.
pub struct Aimock {
    _process: Process,
    port: u16,
}

/// Starts one that answers as these fixtures say: the first whose `match` fits the request.
pub fn start(fixtures: &[Value]) -> Aimock {
    process::on_free_port("aimock", |port| Aimock::start(port, fixtures))
}

impl Aimock {
    fn start(port: u16, fixtures: &[Value]) -> Result<Self, String> {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let process = Process::new(&Plan {
            program: top.join(".tools/bin/aimock"),
            args: ["--config", "aimock.json"].map(Into::into).into(),
            env: Vec::new(),
            end_signal: "KILL",
            user: None,
        });
        let config = json!({"host": "127.0.0.1", "port": port, "llm": {"fixtures": "fixtures.json",
            // Pieces of a few letters, so that there is a middle to break off in.
            "chunkSize": 6, "latency": 5}});
        for (name, content) in [
            ("aimock.json", config),
            ("fixtures.json", json!({"fixtures": fixtures})),
        ] {
            fs::write(process.folder().join(name), content.to_string()).unwrap();
        }
        process.start();
        process.wait_until_ready(|| TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        Ok(Self {
            _process: process,
            port,
        })
    }

    /// The base URL of its Anthropic.
    pub fn anthropic_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The base URL of its `OpenAI`.
    pub fn openai_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }
}
