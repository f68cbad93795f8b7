//! Many callers, all asking something else: h2load can only send one request.
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes};
use prost::Message;
use tokio::task::JoinSet;

use crate::{
    Result,
    caller::Caller,
    messages::{NEAR_CACHE, Tail},
};

/// What one caller saw.
#[derive(Default)]
struct Seen {
    micros: Vec<u64>,
    from_near: usize,
}

/// Asks for `seconds` after a warm-up of a second; prints one line of JSON.
pub async fn load(
    addr: &str,
    (method, file): (&str, &str),
    connections: usize,
    streams: usize,
    seconds: u64,
) -> Result<()> {
    let requests = Arc::new(split(std::fs::read(file)?.into()));
    let next = Arc::new(AtomicUsize::new(0));
    let begins = Instant::now() + Duration::from_secs(1);
    let ends = begins + Duration::from_secs(seconds);
    let mut callers = JoinSet::new();
    for _ in 0..connections {
        let caller = Caller::connect(addr, method).await?;
        for _ in 0..streams {
            let (caller, requests, next) =
                (caller.clone(), Arc::clone(&requests), Arc::clone(&next));
            callers.spawn(ask(caller, requests, next, begins, ends));
        }
    }
    let (mut micros, mut from_near) = (Vec::new(), 0);
    while let Some(seen) = callers.join_next().await {
        let seen = seen??;
        micros.extend(seen.micros);
        from_near += seen.from_near;
    }
    micros.sort_unstable();
    let count = micros.len().max(1);
    println!(
        "{{\"answers\": {count}, \"rate\": {}, \"p50_us\": {}, \"p99_us\": {}, \"max_us\": {}, \"from_near\": {from_near}}}",
        count as u64 / seconds,
        percentile(&micros, 50),
        percentile(&micros, 99),
        micros.last().copied().unwrap_or(0),
    );
    Ok(())
}

async fn ask(
    mut caller: Caller,
    requests: Arc<Vec<Bytes>>,
    next: Arc<AtomicUsize>,
    begins: Instant,
    ends: Instant,
) -> Result<Seen> {
    let mut seen = Seen::default();
    loop {
        let request = requests[next.fetch_add(1, Relaxed) % requests.len()].clone();
        let asked = Instant::now();
        if asked >= ends {
            return Ok(seen);
        }
        let answer = caller.call(request).await?;
        if asked < begins {
            continue;
        }
        seen.micros
            .push(u64::try_from(asked.elapsed().as_micros())?);
        let freshness = Tail::decode(answer)?.freshness.unwrap_or_default();
        seen.from_near += usize::from(freshness.source == NEAR_CACHE);
    }
}

/// The value that so many percent of the sorted `figures` do not exceed.
pub fn percentile(figures: &[u64], percent: usize) -> u64 {
    let at = figures.len() * percent / 100;
    figures.get(at).copied().unwrap_or(0)
}

/// The framed messages that lie in `all` one behind the other, each with its prefix.
pub fn split(mut all: Bytes) -> Vec<Bytes> {
    let mut frames = Vec::new();
    while all.len() >= 5 {
        let length = 5 + (&all[1..5]).get_u32() as usize;
        frames.push(all.split_to(length));
    }
    frames
}
