//! Many readers of streams, which tell when each piece of text reached them.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::time::sleep;

use crate::{
    Result,
    caller::Caller,
    load::{percentile, split},
    stamp,
};

/// One connection carries so many streams.
const STREAMS: usize = 100;

/// When a piece was sent, and when it came.
type Heard = (u64, u64);

/// Reads `count` streams, `at_once` at a time, from the servers of `addrs` in turn, the n-th with the n-th request
/// of `file`, one after the other within `spread`; prints one line of JSON, in microseconds.
pub async fn read(
    addrs: &str,
    file: &str,
    (count, at_once): (usize, usize),
    spread: Duration,
) -> Result<()> {
    let requests = split(std::fs::read(file)?.into());
    let addrs: Vec<&str> = addrs.split(',').collect();
    let mut callers = Vec::new();
    for number in 0..addrs.len() * at_once.div_ceil(STREAMS * addrs.len()) {
        callers.push(Caller::connect(addrs[number % addrs.len()], "StreamTips").await?);
    }
    let all: Mutex<Vec<Heard>> = Mutex::default();
    let heard = Arc::new(all);
    let all_of_them = f64::from(u32::try_from(count)?.max(1));
    let streams = (0..count).map(|number| {
        let caller = callers[number % callers.len()].clone();
        let request = requests[number % requests.len()].clone();
        let heard = Arc::clone(&heard);
        let wait = spread.mul_f64(f64::from(u32::try_from(number).unwrap_or(0)) / all_of_them);
        tokio::spawn(async move {
            sleep(wait).await;
            one(caller, request, number, heard).await
        })
    });
    let mut took = Vec::new();
    let mut results = stream::iter(streams).buffer_unordered(at_once);
    while let Some(result) = results.next().await {
        took.push(result??);
    }
    let heard = std::mem::take(&mut *heard.lock().map_err(|_| "a reader panicked")?);
    print(took, &heard);
    Ok(())
}

/// Reads one stream to its end, and tells how long that took.
async fn one(
    mut caller: Caller,
    request: Bytes,
    number: usize,
    all: Arc<Mutex<Vec<Heard>>>,
) -> Result<u64> {
    let began = Instant::now();
    let mut heard = Vec::new();
    let piece = |piece: &[u8]| {
        let now = stamp::now();
        heard.extend(stamp::moments(piece).map(|sent| (sent, now)));
    };
    // Everybody is a caller of their own, as far as limits are concerned.
    caller
        .stream(request, &format!("bench-{number}"), piece)
        .await?;
    let took = u64::try_from(began.elapsed().as_micros())?;
    all.lock().map_err(|_| "a reader panicked")?.extend(heard);
    Ok(took)
}

fn print(mut took: Vec<u64>, heard: &[Heard]) {
    let mut delays: Vec<u64> = heard
        .iter()
        .map(|(sent, came)| came.saturating_sub(*sent))
        .collect();
    let mut pieces: HashMap<u64, (u64, u64)> = HashMap::new();
    for (sent, came) in heard {
        let (first, last) = pieces.entry(*sent).or_insert((*came, *came));
        (*first, *last) = ((*first).min(*came), (*last).max(*came));
    }
    let mut spreads: Vec<u64> = pieces.values().map(|(first, last)| last - first).collect();
    for figures in [&mut took, &mut delays, &mut spreads] {
        figures.sort_unstable();
    }
    println!(
        "{{\"streams\": {}, \"pieces\": {}, \"took_p50\": {}, \"took_p99\": {}, \"delay_p50\": {}, \"delay_p99\": {}, \"spread_p50\": {}, \"spread_p99\": {}}}",
        took.len(),
        heard.len(),
        percentile(&took, 50),
        percentile(&took, 99),
        percentile(&delays, 50),
        percentile(&delays, 99),
        percentile(&spreads, 50),
        percentile(&spreads, 99),
    );
}
