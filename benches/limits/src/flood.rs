//! Offers calls at a rate, whatever becomes of them: more than a server can answer, to see what it does then.
//!
//! A caller that waits for its answer before it asks again slows down with the server, and so never shows an overload.
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use tokio::{
    runtime,
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep_until},
};
use tonic::{Code, Status};

use crate::{
    Result,
    caller::Caller,
    load::{percentile, split},
};

const TICK: Duration = Duration::from_millis(1);
/// So long a caller waits; an answer after that is worth nothing to it.
const PATIENCE: Duration = Duration::from_secs(2);
/// What the product says to whoever is too many, or calls too often.
const REFUSALS: [&str; 3] = [
    "this replica is overloaded",
    "this replica has too many calls in hand",
    "calls more often than it may",
];
/// The type of the details that say when to come again.
const RETRY_INFO: &[u8] = b"google.rpc.RetryInfo";
/// So often health is asked for beside the calls.
const PROBE_INTERVAL: Duration = Duration::from_millis(20);

/// What became of the calls.
#[derive(Default)]
struct Outcomes {
    offered: usize,
    /// What good answers took, in µs.
    good: Vec<u64>,
    /// The same of refusals for load or for a rate, which all say when to come again.
    shed: Vec<u64>,
    /// Everything else, by what it was.
    other: BTreeMap<String, usize>,
}

/// Offers `rate` calls a second for so many seconds after a warm-up of one; prints one line of JSON.
pub async fn flood(
    addr: &str,
    (method, file): (&str, &str),
    (connections, rate, seconds): (usize, usize, u64),
) -> Result<()> {
    let requests = split(std::fs::read(file)?.into());
    let mut callers = Vec::new();
    for _ in 0..connections {
        callers.push(Caller::connect(addr, method).await?);
    }
    let begins = Instant::now() + Duration::from_secs(1);
    let ends = begins + Duration::from_secs(seconds);
    let probed = probe(addr.to_owned(), begins, ends);
    let outcomes = Arc::new(Mutex::new(Outcomes::default()));
    let mut calls = JoinSet::new();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (started, mut sent) = (Instant::now(), 0);
    while Instant::now() < ends {
        ticks.tick().await;
        let due = started.elapsed().as_micros() * rate as u128 / 1_000_000;
        while (sent as u128) < due {
            let caller = callers[sent % connections].clone();
            let request = requests[sent % requests.len()].clone();
            calls.spawn(ask(caller, request, Arc::clone(&outcomes), begins));
            sent += 1;
        }
        while calls.try_join_next().is_some() {}
    }
    while calls.join_next().await.is_some() {}
    let outcomes = std::mem::take(&mut *outcomes.lock().map_err(|_| "a caller panicked")?);
    let Outcomes {
        offered,
        mut good,
        mut shed,
        other,
    } = outcomes;
    let health = probed.join().map_err(|_| "the probe panicked")??;
    good.sort_unstable();
    shed.sort_unstable();
    println!(
        "{{\"offered\": {}, \"good\": {}, \"good_p50_us\": {}, \"good_p99_us\": {}, \"shed\": {}, \"shed_p50_us\": {}, \
         \"shed_p99_us\": {}, \"health_p99_us\": {}, \"health_max_us\": {}, \"other\": {:?}}}",
        offered as u64 / seconds,
        good.len() as u64 / seconds,
        percentile(&good, 50),
        percentile(&good, 99),
        shed.len() as u64 / seconds,
        percentile(&shed, 50),
        percentile(&shed, 99),
        percentile(&health, 99),
        health.last().copied().unwrap_or(0),
        other,
    );
    Ok(())
}

async fn ask(caller: Caller, request: Bytes, outcomes: Arc<Mutex<Outcomes>>, begins: Instant) {
    let asked = Instant::now();
    let answered = tokio::select! {
        answered = answer(caller, request) => answered,
        () = sleep_until((asked + PATIENCE).into()) => Err("late".into()),
    };
    let took = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
    let Ok(mut outcomes) = outcomes.lock() else {
        return;
    };
    if asked < begins {
        return;
    }
    outcomes.offered += 1;
    match answered {
        Ok(Answer::Good) => outcomes.good.push(took),
        Ok(Answer::Shed) => outcomes.shed.push(took),
        Ok(Answer::Other(what)) => *outcomes.other.entry(what).or_default() += 1,
        Err(error) => *outcomes.other.entry(error.to_string()).or_default() += 1,
    }
}

enum Answer {
    Good,
    Shed,
    Other(String),
}

async fn answer(caller: Caller, message: Bytes) -> Result<Answer> {
    let (mut sender, request) = caller.request();
    let request = request
        .header("grpc-timeout", format!("{}m", PATIENCE.as_millis()))
        .body(Full::new(message))?;
    sender.ready().await?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?;
    let status = Status::from_header_map(body.trailers().unwrap_or(&head.headers));
    let status = status.ok_or("there is no status")?;
    if status.code() == Code::Ok {
        return Ok(Answer::Good);
    }
    let is_refusal = REFUSALS.iter().any(|text| status.message().contains(text));
    let details = status.details();
    let has_pause = status.metadata().contains_key("grpc-retry-pushback-ms")
        && details
            .windows(RETRY_INFO.len())
            .any(|part| part == RETRY_INFO);
    Ok(if is_refusal && has_pause {
        Answer::Shed
    } else {
        Answer::Other(format!("{:?}: {}", status.code(), status.message()))
    })
}

/// Asks for health on a thread and a connection of its own, so that the flood holds up the server at most; gives what
/// the answers took, sorted, in µs.
fn probe(
    addr: String,
    begins: Instant,
    ends: Instant,
) -> std::thread::JoinHandle<Result<Vec<u64>>> {
    std::thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let mut caller = Caller::connect(&addr, "grpc.health.v1.Health/Check").await?;
            let mut ticks = interval(PROBE_INTERVAL);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut micros = Vec::new();
            loop {
                ticks.tick().await;
                let asked = Instant::now();
                if asked >= ends {
                    micros.sort_unstable();
                    return Ok(micros);
                }
                caller.call(Bytes::from_static(&[0; 5])).await?;
                if asked >= begins {
                    micros.push(u64::try_from(asked.elapsed().as_micros())?);
                }
            }
        })
    })
}
