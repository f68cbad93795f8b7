//! Callers over HTTP, through a cache at the edge: what they are told is judged by its `Age` and its version.
use std::time::Duration;

use challenges_catalog::pb::catalog::v1 as pb;
use rand::{Rng, SeedableRng, rngs::StdRng};
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::{
    catalog::{LISTS, Row, difficulty_name, id_of, page_digest},
    history::{Asked, History, Micros, Outcome, Read, Version},
    readers::Question,
    servers::{EDGE_ORIGIN, Servers},
};

/// How long the edge may keep an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgeProfile {
    /// As long as the answer is called fresh.
    Proof,
    /// A minute, and another one while it asks anew; purged on commits.
    Edge,
}

impl EdgeProfile {
    pub fn of(name: &str) -> Self {
        match name {
            "proof" => Self::Proof,
            "edge" => Self::Edge,
            _ => panic!("PROFILE is proof or edge"),
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Proof => "proof",
            Self::Edge => "edge",
        }
    }

    /// The largest `Age` that an answer may have, in seconds.
    pub const fn max_age(self) -> u64 {
        match self {
            Self::Proof => 2,
            Self::Edge => 120,
        }
    }
}

/// A cache at the edge, before one replica.
#[derive(Clone, Copy)]
pub struct EdgePlan {
    pub profile: EdgeProfile,
    /// VCL of a deliberate fault, before what is documented.
    pub fault: &'static str,
}

/// The edge drops less than a second of an answer's age, and counts from when the answer came in.
const ROUNDED: Micros = 2_000_000;
const DEADLINE: Duration = Duration::from_secs(12);
/// Varnish ends connections that were idle for 5 s, perhaps while the next request is on its way.
const IDLE: Duration = Duration::from_secs(1);

/// Reads through the edge every `pace` until `stop`.
pub async fn edge_reader(
    servers: &Servers,
    history: &History,
    seed: u64,
    pace: Duration,
    stop: &CancellationToken,
) {
    let Some(url) = servers.edge_url() else {
        return;
    };
    let client = Client::builder()
        .timeout(DEADLINE)
        .pool_idle_timeout(IDLE)
        .build()
        .unwrap();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut next = Instant::now() + pace.mul_f64(rng.random_range(0.0..1.0));
    while !stop.is_cancelled() {
        sleep_until(next).await;
        next = Instant::now().max(next + pace);
        let asked = Question::random(&mut rng, history).asked;
        let called = history.now();
        let told = client.get(format!("{url}{}", path(&asked))).send().await;
        let outcome = match told {
            Ok(response) => outcome(response, &asked, history).await,
            Err(error) => failed(Code::Unknown, error.to_string()),
        };
        history.read(Read {
            replica: EDGE_ORIGIN,
            run: servers.slots[EDGE_ORIGIN].run(),
            called,
            returned: history.now(),
            asked,
            ticket: None,
            outcome,
        });
    }
}

fn path(asked: &Asked) -> String {
    match asked {
        Asked::List(index) => {
            let (difficulty, page_size) = LISTS[*index];
            let filter = match difficulty {
                0 => String::new(),
                one => format!("difficulty={}&", difficulty_name(one)),
            };
            format!("/v1/challenges?{filter}page_size={page_size}")
        }
        Asked::Rows(rows) => match rows.as_slice() {
            [row] => format!("/v1/challenges/{}", id_of(*row)),
            rows => {
                let ids: Vec<_> = rows.iter().copied().map(id_of).collect();
                format!("/v1/challenges:batchGet?ids={}", ids.join(","))
            }
        },
    }
}

async fn outcome(response: Response, asked: &Asked, history: &History) -> Outcome {
    let is_one = matches!(asked, Asked::Rows(rows) if rows.len() == 1);
    let header = |name: &str| {
        let value = response.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
            .to_owned()
    };
    let (age, version) = (header("age"), header("x-catalog-version"));
    let is_stale = header("cache-status").contains("detail=stale");
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND if is_one => return Outcome::NotFound,
        status => {
            let text = response.text().await.unwrap_or_default();
            let code = match status {
                StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
                StatusCode::NOT_FOUND => Code::NotFound,
                StatusCode::GATEWAY_TIMEOUT => Code::DeadlineExceeded,
                _ => Code::Unknown,
            };
            return failed(code, format!("{status} {text}"));
        }
    }
    let age: u64 = age.parse().expect("an age in seconds");
    let body = response.bytes().await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let shown = shown(&body, asked, history);
    // A stale answer says how old it is, and the edge does not keep it.
    if !is_stale {
        history.saw_edge_age(age);
    }
    Outcome::Answer {
        shown,
        version: Version::of(&version),
        // Whether it is fresh is not said; its age is.
        stale: true,
        bound: age * 1_000_000 + ROUNDED,
        near: false,
    }
}

fn shown(body: &Value, asked: &Asked, history: &History) -> Vec<u64> {
    let rows = |list: &Value| -> Vec<Row> {
        let list = list.as_array().unwrap();
        list.iter().map(row).collect()
    };
    let one = |row: &Row| {
        history.describe(row.digest(), || format!("{row:?}"));
        row.digest()
    };
    match asked {
        Asked::List(_) => {
            let rows = rows(&body["challenges"]);
            let total = usize::try_from(body["total_count"].as_u64().unwrap()).unwrap();
            let digest = page_digest(total, rows.iter());
            history.describe(digest, || format!("{total} in all, {rows:?}"));
            vec![digest]
        }
        Asked::Rows(asked) if asked.len() == 1 => vec![one(&row(&body["challenge"]))],
        Asked::Rows(_) => rows(&body["challenges"]).iter().map(one).collect(),
    }
}

fn row(challenge: &Value) -> Row {
    let text = |name: &str| challenge[name].as_str().unwrap().to_owned();
    let difficulty = pb::Difficulty::from_str_name(&text("difficulty")).unwrap();
    Row::of_answer(&pb::Challenge {
        id: text("id"),
        difficulty: difficulty.into(),
        title: text("title"),
        points: i32::try_from(challenge["points"].as_i64().unwrap()).unwrap(),
        ..Default::default()
    })
}

fn failed(code: Code, reason: String) -> Outcome {
    Outcome::Failed { code, reason }
}
