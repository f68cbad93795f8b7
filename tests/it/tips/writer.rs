//! A provider that does what a test says.
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use challenges_catalog::domain::{
    Completion, FailureKind, Prompt, Route, Stop, StreamEvent, TipWriter, Usage, WriteFailure,
};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::{sync::Semaphore, time::Instant};

/// What a tip costs here.
pub const USAGE: Usage = Usage {
    input_tokens: 100,
    output_tokens: 50,
    is_estimated: false,
};

/// One thing that the provider does.
#[derive(Clone, Debug)]
pub enum Act {
    Say(String),
    /// Says that all so far was none of the tip.
    TakeBack,
    Pause(Duration),
    /// Waits until the test opens the gate once more.
    Gate,
    Fail(WriteFailure),
    /// Breaks off without a word, against the port's promise.
    Vanish,
    Hang,
    End,
}

/// Does one script for each request; the last one is done again and again.
pub struct Writer {
    route: Route,
    scripts: Mutex<VecDeque<Vec<Act>>>,
    gate: Arc<Semaphore>,
    requests: Mutex<Vec<Instant>>,
    under_way: Arc<AtomicUsize>,
}

impl Writer {
    pub fn new(name: &str, scripts: impl IntoIterator<Item = Vec<Act>>) -> Arc<Self> {
        Arc::new(Self {
            route: Route {
                provider: name.to_owned(),
                model: "model".to_owned(),
                temperature_milli: 700,
                max_output_tokens: 200,
            },
            scripts: Mutex::new(scripts.into_iter().collect()),
            gate: Arc::new(Semaphore::new(0)),
            requests: Mutex::default(),
            under_way: Arc::default(),
        })
    }

    /// When each request came.
    pub fn requests(&self) -> Vec<Instant> {
        self.requests.lock().unwrap().clone()
    }

    /// How many requests came.
    pub fn calls(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// How many it works on: neither ended nor dropped.
    pub fn under_way(&self) -> usize {
        self.under_way.load(SeqCst)
    }

    /// Lets so many gates be passed.
    pub fn open(&self, gates: usize) {
        self.gate.add_permits(gates);
    }

    fn script(&self) -> Vec<Act> {
        let mut scripts = self.scripts.lock().unwrap();
        if scripts.len() > 1 {
            scripts.pop_front().unwrap()
        } else {
            scripts.front().unwrap().clone()
        }
    }
}

impl TipWriter for Writer {
    fn route(&self) -> &Route {
        &self.route
    }

    fn write(&self, _: &Prompt) -> BoxStream<'static, Result<StreamEvent, WriteFailure>> {
        self.requests.lock().unwrap().push(Instant::now());
        let working = Working::new(&self.under_way);
        let acts = VecDeque::from(self.script());
        let state = (acts, Arc::clone(&self.gate), working);
        stream::unfold(state, |(mut acts, gate, working)| async move {
            loop {
                let event = match acts.pop_front()? {
                    Act::Say(text) => Ok(StreamEvent::Text(text)),
                    Act::TakeBack => Ok(StreamEvent::TakenBack),
                    Act::Fail(failure) => Err(failure),
                    Act::End => Ok(StreamEvent::Ended(Completion {
                        stop: Stop::EndTurn,
                        usage: USAGE,
                        model: "model-1".to_owned(),
                    })),
                    Act::Vanish => return None,
                    Act::Hang => std::future::pending().await,
                    Act::Pause(pause) => {
                        tokio::time::sleep(pause).await;
                        continue;
                    }
                    Act::Gate => {
                        gate.acquire().await.unwrap().forget();
                        continue;
                    }
                };
                return Some((event, (acts, gate, working)));
            }
        })
        .boxed()
    }
}

/// One request under way.
struct Working(Arc<AtomicUsize>);

impl Working {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// A text in pieces, with a pause before each, and its end.
pub fn spoken(pieces: &[&str], pause: Duration) -> Vec<Act> {
    let each = |piece: &&str| [Act::Pause(pause), Act::Say((*piece).to_owned())];
    let said = pieces.iter().flat_map(each);
    said.chain([Act::End]).collect()
}

/// A text in pieces, with a gate before each and before the end.
pub fn gated(pieces: &[&str]) -> Vec<Act> {
    let each = |piece: &&str| [Act::Gate, Act::Say((*piece).to_owned())];
    let said = pieces.iter().flat_map(each);
    said.chain([Act::Gate, Act::End]).collect()
}

/// Some text, if any, and then a failure.
pub fn failing(text: &str, kind: FailureKind) -> Vec<Act> {
    let said = (!text.is_empty()).then(|| Act::Say(text.to_owned()));
    // Long enough for readers to have it.
    let pause = Act::Pause(Duration::from_millis(10));
    let failure = Act::Fail(WriteFailure::new(kind));
    said.into_iter().chain([pause, failure]).collect()
}
