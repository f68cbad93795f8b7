//! llmock, a simulator of model providers by others (pypi.org/project/llmock).
use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    time::Duration,
};

use serde_json::{Value, json};

use super::process::{self, Plan, Process};

/// A simulator of the test's own; it behaves until a test makes it misbehave.
pub struct Llmock {
    _process: Process,
    port: u16,
}

/// Starts one.
pub fn start() -> Llmock {
    process::on_free_port("llmock", Llmock::start)
}

impl Llmock {
    fn start(port: u16) -> Result<Self, String> {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let port_text = port.to_string();
        // Written at once, an answer would be whole before it could notice who hung up.
        let args = [
            "serve",
            "--host",
            "127.0.0.1",
            "--port",
            &port_text,
            "--stream-chunk-delay-ms",
            "20",
        ];
        let process = Process::new(&Plan {
            program: top.join(".tools/bin/llmock"),
            args: args.map(Into::into).into(),
            // Else it quotes the prompt, whose tags no tip may hold.
            env: vec![("LLMOCK_RESPONSE_STYLE".into(), "hello".into())],
            end_signal: "KILL",
            user: None,
        });
        process.start();
        process.wait_until_ready(|| TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        Ok(Self {
            _process: process,
            port,
        })
    }

    /// The base URL of its Anthropic.
    pub fn anthropic_url(&self) -> String {
        format!("http://127.0.0.1:{}/anthropic", self.port)
    }

    /// The base URL of its `OpenAI`.
    pub fn openai_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// Sets what the next request meets, such as `{"type": "reply", "text": "Hello."}`.
    pub fn next(&self, behavior: &Value) {
        let answer = self.ask("POST", "scenario", &json!({"behaviors": [behavior]}));
        assert_eq!(answer["queued"], 1, "{answer}");
    }

    /// Every request it has served, in order.
    pub fn requests(&self) -> Vec<Value> {
        let mut answer = self.ask("GET", "requests", &Value::Null);
        serde_json::from_value(answer["requests"].take()).unwrap()
    }

    /// What it thinks of its clients so far: see its `/_llmock/verdict`.
    pub fn verdict(&self) -> Value {
        self.ask("GET", "verdict", &Value::Null)
    }

    /// Talks to its control interface.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        write!(
            stream,
            "{method} /_llmock/{path} HTTP/1.1\r\nhost: llmock\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        serde_json::from_str(body).unwrap()
    }
}
