//! Writers, and answers in both protocols.
use std::{sync::Arc, time::Duration};

use challenges_catalog::{
    domain::{
        Clock, Completion, FailureKind, Prompt, StreamEvent, TipWriter, UnixMicros, WriteFailure,
    },
    llm::{ProviderProtocol, ProviderSettings, ProviderWriter, TimeLimits},
};
use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::support::scripted::{Act, Scripted};

/// A key that must not be found anywhere but in the request.
pub const KEY: &str = "sk-S3CR3T";

/// Longer than any test takes, on any machine.
pub const PATIENT: TimeLimits = TimeLimits {
    connect: Duration::from_secs(30),
    first_text: Duration::from_mins(1),
    idle: Duration::from_mins(1),
    text_idle: Duration::from_mins(1),
    total: Duration::from_mins(1),
};

/// The protocol that writer and server speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Anthropic,
    OpenAi,
}

pub const BOTH: [Protocol; 2] = [Protocol::Anthropic, Protocol::OpenAi];

struct FixedClock;

impl Clock for FixedClock {
    /// 2026-01-01T00:00:00Z.
    fn now(&self) -> UnixMicros {
        UnixMicros(1_767_225_600_000_000)
    }
}

/// A clock that stands still.
pub fn clock() -> Arc<dyn Clock> {
    Arc::new(FixedClock)
}

/// What a writer is usually given.
pub fn settings(url: &str) -> ProviderSettings {
    ProviderSettings {
        key_refused: Arc::default(),
        base_url: url.parse().unwrap(),
        key: Some(KEY.into()),
        auth_token: None,
        extra_headers: Vec::new(),
        token_limit: None,
        stream_usage: None,
        model: "model-1".to_owned(),
        temperature_milli: 1_000,
        max_output_tokens: 400,
        limits: PATIENT,
    }
}

pub fn prompt() -> Prompt {
    Prompt {
        system: "You coach.".to_owned(),
        user: "Say hello.".to_owned(),
    }
}

/// How an attempt went: the text that was published, and its end.
#[derive(Debug)]
pub struct Attempt {
    pub text: String,
    pub end: Result<Completion, WriteFailure>,
}

impl Attempt {
    pub fn failure(self) -> WriteFailure {
        let text = self.text;
        self.end.expect_err(&text)
    }

    pub fn kind(self) -> FailureKind {
        self.failure().kind
    }
}

impl Protocol {
    pub fn writer(self, settings: &ProviderSettings) -> Arc<dyn TipWriter> {
        let protocol = match self {
            Self::Anthropic => ProviderProtocol::Anthropic,
            Self::OpenAi => ProviderProtocol::OpenAi,
        };
        Arc::new(ProviderWriter::new(protocol, settings, clock()).unwrap())
    }

    /// One attempt with a server that plays the script.
    pub async fn attempt(self, script: Vec<Act>) -> Attempt {
        let server = Scripted::playing(script).await;
        let attempt = write(&*self.writer(&settings(&server.url()))).await;
        assert_eq!(server.exchanges().len(), 1, "never a second request");
        attempt
    }

    /// Events up to and with the text.
    pub fn text(self, pieces: &[&str]) -> String {
        let start = match self {
            Self::Anthropic => event(&json!({"type": "message_start", "message": {"id": "msg_1",
                "model": "model-1-a", "usage": {"input_tokens": 9, "output_tokens": 1}}})),
            Self::OpenAi => event(&json!({"id": "cmpl_1", "model": "model-1-a",
                "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})),
        };
        start
            + &pieces
                .iter()
                .map(|text| self.piece(text))
                .collect::<String>()
    }

    /// An event with text.
    pub fn piece(self, text: &str) -> String {
        match self {
            Self::Anthropic => event(&json!({"type": "content_block_delta", "index": 0,
                "delta": {"type": "text_delta", "text": text}})),
            Self::OpenAi => event(&json!({"choices": [{"index": 0, "delta": {"content": text}}]})),
        }
    }

    /// Events that end it, for this reason in the words of the protocol.
    pub fn end(self, reason: &str) -> String {
        match self {
            Self::Anthropic => {
                event(
                    &json!({"type": "message_delta", "delta": {"stop_reason": reason},
                    "usage": {"output_tokens": 5}}),
                ) + &event(&json!({"type": "message_stop"}))
            }
            Self::OpenAi => {
                event(&json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}))
                    + &event(&json!({"choices": [],
                        "usage": {"prompt_tokens": 9, "completion_tokens": 5}}))
                    + "data: [DONE]\n\n"
            }
        }
    }

    /// The good reason.
    pub fn good_end(self) -> String {
        self.end(match self {
            Self::Anthropic => "end_turn",
            Self::OpenAi => "stop",
        })
    }

    /// An event that tells of an error.
    pub fn error(self, error: &Value) -> String {
        match self {
            Self::Anthropic => {
                "event: error\n".to_owned() + &event(&json!({"type": "error", "error": error}))
            }
            Self::OpenAi => event(&json!({"error": error, "choices": []})),
        }
    }
}

fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// Reads an attempt to its end, and checks what holds for every one.
pub async fn write(writer: &dyn TipWriter) -> Attempt {
    let (mut text, mut end) = (String::new(), None);
    let mut writings = writer.write(&prompt());
    while let Some(writing) = writings.next().await {
        assert!(end.is_none(), "nothing follows the end");
        match writing {
            Ok(StreamEvent::Accepted { .. }) => {
                assert!(text.is_empty(), "accepted before any text");
            }
            Ok(StreamEvent::Text(piece)) => {
                assert!(!piece.is_empty(), "text is never empty");
                text.push_str(&piece);
            }
            Ok(StreamEvent::TakenBack) => text.clear(),
            Ok(StreamEvent::Alive) => {}
            Ok(StreamEvent::Ended(ending)) => end = Some(Ok(ending)),
            Err(failure) => {
                let shown = format!("{failure} {failure:?}");
                assert!(!shown.contains(KEY), "{shown}");
                assert!(failure.detail.len() <= 200, "{shown}");
                end = Some(Err(failure));
            }
        }
    }
    let end = end.expect("an end");
    Attempt { text, end }
}

/// An answer with this status line, these headers and, for as long as the connection lasts, a body.
pub fn answer(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Act {
    let mut bytes = format!("HTTP/1.1 {status}\r\n{headers}connection: close\r\n\r\n").into_bytes();
    bytes.extend_from_slice(body.as_ref());
    Act::Send(bytes)
}

/// The head of an event stream and its first events.
pub fn events(body: impl AsRef<[u8]>) -> Act {
    let headers = "content-type: text/event-stream; charset=utf-8\r\nrequest-id: req_1\r\n";
    answer("200 OK", headers, body)
}

/// As [`events`], in chunks, so that the end of the connection is not the end of the answer.
pub fn chunked(body: &str) -> Act {
    let headers = "content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n";
    answer("200 OK", headers, format!("{:x}\r\n{body}\r\n", body.len()))
}

/// What ends an answer in chunks.
pub fn last_chunk() -> Act {
    Act::Send(b"0\r\n\r\n".to_vec())
}
