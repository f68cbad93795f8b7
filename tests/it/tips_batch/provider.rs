//! A provider of batches that does what a test wants: loses answers, shuffles, errs, expires.
use std::{
    sync::{Arc, Mutex},
    time::SystemTime,
};

use serde_json::{Value, json};

use crate::{
    llm::fixture::answer,
    support::scripted::{Act, Exchange, Scripted},
};

/// What every order of a batch reads and writes, in tokens.
pub const USED: (u64, u64) = (100, 20);
/// What that costs at half of a dollar and five for a million.
pub const COST: u64 = 100;

/// What becomes of an order, by the number of its batch and its own.
type Fate = fn(usize, usize) -> Value;

/// A tip for everybody.
pub fn written(_: usize, number: usize) -> Value {
    tip(&format!(
        "Breathe, look up, and say hello. This is number {number}."
    ))
}

/// A result with this text.
pub fn tip(text: &str) -> Value {
    json!({"type": "succeeded", "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "model-1-a",
        "content": [{"type": "text", "text": text}], "stop_reason": "end_turn",
        "usage": {"input_tokens": USED.0, "output_tokens": USED.1}}})
}

/// A result that says that the order failed so.
pub fn errored(kind: &str) -> Value {
    json!({"type": "errored", "error": {"type": "error", "error": {"type": kind, "message": "no"}}})
}

/// A result that says that the order's turn never came.
pub fn expired() -> Value {
    json!({"type": "expired"})
}

#[derive(Default)]
struct State {
    /// The orders of each batch.
    batches: Vec<Vec<String>>,
    /// When all batches ended, if they have.
    ended_at: Option<String>,
    deleted: Vec<String>,
    /// What becomes of the next hand-in.
    mishap: Option<Mishap>,
    /// The results stop after so many, until the test opens a gate.
    gate_after: Option<usize>,
}

/// What may befall a batch on its way in. Both look the same from the other end.
#[derive(Clone, Copy)]
pub enum Mishap {
    /// It is taken, and the connection breaks before the answer.
    AnswerLost,
    /// The connection breaks before it is taken.
    NeverArrived,
}

/// The provider.
pub struct Batches {
    pub server: Scripted,
    state: Arc<Mutex<State>>,
}

impl Batches {
    /// One whose batches end when the test says so.
    pub async fn with(fate: Fate) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let author = {
            let state = Arc::clone(&state);
            move |exchange: &Exchange| play(&mut state.lock().unwrap(), exchange, fate)
        };
        Self {
            server: Scripted::answering(author).await,
            state,
        }
    }

    /// From now on every batch has ended.
    #[expect(
        clippy::disallowed_methods,
        reason = "a tip is current from then on, by the clock of the replicas"
    )]
    pub fn end(&self) {
        let now = humantime::format_rfc3339_micros(SystemTime::now());
        self.state.lock().unwrap().ended_at = Some(now.to_string());
    }

    /// Has this happen to the next batch that is handed in.
    pub fn meet(&self, mishap: Mishap) {
        self.state.lock().unwrap().mishap = Some(mishap);
    }

    /// Holds results back after so many, until a gate is opened.
    pub fn hold_results_after(&self, count: usize) {
        self.state.lock().unwrap().gate_after = Some(count);
    }

    /// How many orders each batch had.
    pub fn sizes(&self) -> Vec<usize> {
        let state = self.state.lock().unwrap();
        state.batches.iter().map(Vec::len).collect()
    }

    /// The batches that it was told to forget.
    pub fn deleted(&self) -> Vec<String> {
        self.state.lock().unwrap().deleted.clone()
    }
}

fn play(state: &mut State, exchange: &Exchange, fate: Fate) -> Vec<Act> {
    let mut words = exchange.head.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let below = path.strip_prefix("/v1/messages/batches").expect(path);
    match (method, below) {
        ("POST", "") => submit(state, &exchange.body),
        ("GET", "?limit=100") => {
            let all = (0..state.batches.len()).rev();
            let all: Vec<_> = all.map(|number| status(state, number)).collect();
            json(&json!({"data": all, "has_more": false}))
        }
        ("GET", below) => match below.strip_suffix("/results") {
            Some(id) => results(state, number(id), fate),
            None => json(&status(state, number(below))),
        },
        ("DELETE", id) => {
            state.deleted.push(id[1..].to_owned());
            json(&json!({"type": "message_batch_deleted"}))
        }
        other => panic!("{other:?}"),
    }
}

fn submit(state: &mut State, body: &str) -> Vec<Act> {
    let body: Value = serde_json::from_str(body).unwrap();
    let requests = body["requests"].as_array().unwrap();
    for request in requests {
        let params = &request["params"];
        assert_eq!(params["messages"][0]["role"], "user");
        assert!(params.get("stream").is_none(), "batches take no word on it");
    }
    let ids = requests
        .iter()
        .map(|request| request["custom_id"].as_str().unwrap().to_owned());
    let ids = ids.collect();
    match state.mishap.take() {
        Some(Mishap::NeverArrived) => return vec![Act::Reset],
        Some(Mishap::AnswerLost) => {
            state.batches.push(ids);
            return vec![Act::Reset];
        }
        None => state.batches.push(ids),
    }
    json(&status(state, state.batches.len() - 1))
}

fn number(path: &str) -> usize {
    path.strip_prefix("/msgbatch_").unwrap().parse().unwrap()
}

fn status(state: &State, number: usize) -> Value {
    let orders = state.batches[number].len();
    let has_ended = state.ended_at.is_some();
    let (processing, succeeded) = if has_ended { (0, orders) } else { (orders, 0) };
    json!({
        "id": format!("msgbatch_{number}"), "type": "message_batch",
        "processing_status": if has_ended { "ended" } else { "in_progress" },
        "request_counts": {"processing": processing, "succeeded": succeeded, "errored": 0,
            "canceled": 0, "expired": 0},
        "ended_at": state.ended_at,
        // Whoever follows this gives the key away.
        "results_url": "http://192.0.2.1/stolen",
    })
}

/// In another order than they were asked for, the last one twice.
fn results(state: &State, batch: usize, fate: Fate) -> Vec<Act> {
    let orders = &state.batches[batch];
    let line = |place: usize| {
        // 7 919 is prime, so every order comes up, and neighbours are far apart.
        let number = (place * 7_919 + 3) % orders.len();
        let result = fate(batch, number);
        json!({"custom_id": orders[number], "result": result}).to_string() + "\n"
    };
    let places: Vec<_> = (0..orders.len()).chain([orders.len() - 1]).collect();
    let head = answer("200 OK", "content-type: application/x-jsonl\r\n", "");
    let lines = |places: &[usize]| {
        let lines: String = places.iter().map(|place| line(*place)).collect();
        Act::Send(lines.into_bytes())
    };
    match state.gate_after {
        Some(count) if count < places.len() => {
            let (first, rest) = places.split_at(count);
            vec![head, lines(first), Act::Gate, lines(rest)]
        }
        Some(_) | None => vec![head, lines(&places)],
    }
}

fn json(value: &Value) -> Vec<Act> {
    let headers = "content-type: application/json\r\n";
    vec![answer("200 OK", headers, value.to_string())]
}
