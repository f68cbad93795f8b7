//! Callers who want tips all the time, and what they hear.
use std::{collections::BTreeMap, fmt, sync::Mutex, time::Duration};

use challenges_catalog::pb::catalog::v1::{
    StreamTipsRequest, TipDone, TipFallback, TipMode, stream_tips_response::Event,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

use super::fleet::{Client, Fleet, REPLICAS};

const LOCALES: [&str; 8] = ["en", "de", "fr", "es", "it", "pt", "nl", "pl"];
const PERSONAS: [&str; 2] = ["connell", "gentle"];
/// Callers wait for money, and for a request.
const PATIENCE: Duration = Duration::from_secs(40);

/// A replica that gave up on Redis has it again after that.
const REDIS_IS_SEEN: Duration = Duration::from_secs(10);

/// What callers heard.
#[derive(Default)]
pub struct Heard(Mutex<Words>);

#[derive(Default)]
struct Words {
    tips: u64,
    /// By why it was no tip that was asked for.
    fallbacks: BTreeMap<&'static str, u64>,
    broken_off: u64,
    /// The least that had been sold, or was gone with replicas, when somebody heard that all is spent.
    spent_at: Option<u64>,
}

impl Heard {
    /// How many streams ended with this word.
    pub fn count(&self, fallback: TipFallback) -> u64 {
        let words = self.0.lock().unwrap();
        words
            .fallbacks
            .get(fallback.as_str_name())
            .copied()
            .unwrap_or(0)
    }

    /// How many tips came.
    pub fn tips(&self) -> u64 {
        self.0.lock().unwrap().tips
    }

    /// The least that had been sold, or was gone with replicas, when somebody heard that all is spent.
    pub fn spent_at(&self) -> Option<u64> {
        self.0.lock().unwrap().spent_at
    }

    fn note(&self, end: Result<TipDone, Status>, gone: Option<u64>) {
        let mut words = self.0.lock().unwrap();
        match end.map(|done| done.fallback()) {
            Ok(TipFallback::Unspecified) => words.tips += 1,
            Ok(fallback) => {
                *words.fallbacks.entry(fallback.as_str_name()).or_default() += 1;
                if fallback == TipFallback::Budget
                    && let Some(gone) = gone
                {
                    words.spent_at = Some(words.spent_at.map_or(gone, |least| least.min(gone)));
                }
            }
            // Its replica went.
            Err(_) => words.broken_off += 1,
        }
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.0.lock().unwrap();
        write!(f, "{} tips, {} broken off", words.tips, words.broken_off)?;
        for (name, count) in &words.fallbacks {
            let name = name.trim_start_matches("TIP_FALLBACK_").to_lowercase();
            write!(f, ", {count} {name}")?;
        }
        Ok(())
    }
}

/// Asks until `stop`.
pub async fn caller(fleet: &Fleet, heard: &Heard, seed: u64, stop: &CancellationToken) {
    let mut rng = StdRng::seed_from_u64(seed);
    while !stop.is_cancelled() {
        sleep(Duration::from_millis(rng.random_range(0..1_500))).await;
        let question = StreamTipsRequest {
            challenge_id: pick(&mut rng, &fleet.challenges).clone(),
            locale: (*pick(&mut rng, &LOCALES)).to_owned(),
            persona: (*pick(&mut rng, &PERSONAS)).to_owned(),
            mode: pick(&mut rng, &[TipMode::Unspecified, TipMode::Refresh])
                .to_owned()
                .into(),
            ..Default::default()
        };
        let Some(client) = fleet.client(rng.random_range(0..REPLICAS)) else {
            continue;
        };
        let end = ask(client, question).await;
        // A replica that Redis grants nothing says so with the same word.
        let is_granted = fleet.has_redis_for(REDIS_IS_SEEN);
        let gone = fleet.provider.sold() + fleet.held_by_gone();
        heard.note(end, is_granted.then_some(gone));
    }
}

fn pick<'a, T>(rng: &mut StdRng, all: &'a [T]) -> &'a T {
    &all[rng.random_range(0..all.len())]
}

async fn ask(mut client: Client, question: StreamTipsRequest) -> Result<TipDone, Status> {
    let mut request = Request::new(question);
    request.set_timeout(PATIENCE);
    let mut stream = client.stream_tips(request).await?.into_inner();
    while let Some(message) = stream.message().await? {
        if let Some(Event::Done(done)) = message.event {
            return Ok(done);
        }
    }
    Err(Status::unknown("a stream without an end"))
}
