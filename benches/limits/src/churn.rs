//! Connections that come and go in every way that they can, thousands of them: what is left of them is a leak.
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{
    io::AsyncWriteExt,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    Result,
    caller::{Caller, socket},
    walk::framed,
};

/// How connections end, in turn.
#[derive(Clone, Copy)]
enum End {
    /// After a few calls, by closing.
    Closed,
    /// Nothing is said, ever.
    Silent,
    /// In the midst of the first message of a handshake.
    HalfShaken,
    /// With a reset, in the midst of calls.
    Killed,
    /// With a reset, right after the connection was made.
    KilledAtOnce,
    /// In the midst of a stream of a tip.
    StreamLeft,
}

const ENDS: [End; 6] = [
    End::Closed,
    End::Silent,
    End::HalfShaken,
    End::Killed,
    End::KilledAtOnce,
    End::StreamLeft,
];
/// The beginning of a `ClientHello` that says it is longer.
const HALF_HELLO: [u8; 11] = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];
/// So long a connection lives, up to this.
const LIFE: Duration = Duration::from_secs(4);
const CALLS: u32 = 4;
const LIST: &str = "ListChallenges";
const STREAM: &str = "StreamTips";

/// Keeps `at_once` connections of every kind open for so many seconds; prints how many there were, and how many
/// calls on them were answered and failed.
pub async fn churn(addr: &str, challenge: &str, at_once: u32, seconds: u64) -> Result<()> {
    let ends = Instant::now() + Duration::from_secs(seconds);
    let counts: Arc<[AtomicUsize; 3]> = Arc::default();
    let mut callers = JoinSet::new();
    for number in 0..at_once {
        let (addr, counts) = (addr.to_owned(), Arc::clone(&counts));
        // Field 1 is the challenge.
        let length = u8::try_from(challenge.len())?;
        let tip = framed(&[&[10, length], challenge.as_bytes()].concat());
        callers.spawn(async move {
            let mut turn = number;
            // Not all at one time.
            sleep(LIFE * number / at_once).await;
            while Instant::now() < ends {
                let [connections, answered, failed] = &*counts;
                connections.fetch_add(1, Relaxed);
                let life = LIFE * (turn * 7 % 10 + 1) / 10;
                let end = ENDS[turn as usize % ENDS.len()];
                match live(&addr, end, &tip, life).await {
                    Ok(calls) => answered.fetch_add(calls, Relaxed),
                    Err(_) => failed.fetch_add(1, Relaxed),
                };
                turn += 1;
            }
        });
    }
    while callers.join_next().await.is_some() {}
    let [connections, answered, failed] = counts.each_ref().map(|count| count.load(Relaxed));
    println!("{{\"connections\": {connections}, \"answers\": {answered}, \"failed\": {failed}}}");
    Ok(())
}

/// The life of one connection; how many calls were answered on it.
async fn live(addr: &str, end: End, tip: &Bytes, life: Duration) -> Result<usize> {
    match end {
        End::Closed => calls(addr, life).await,
        End::Silent | End::HalfShaken | End::KilledAtOnce => {
            let mut stream = socket(addr).await?;
            match end {
                End::KilledAtOnce => stream.set_zero_linger()?,
                End::HalfShaken => {
                    stream.write_all(&HALF_HELLO).await?;
                    sleep(life).await;
                }
                End::Silent | End::Closed | End::Killed | End::StreamLeft => sleep(life).await,
            }
            Ok(0)
        }
        End::Killed => {
            // The connection is dropped with the call in it.
            let stream = socket(addr).await?;
            stream.set_zero_linger()?;
            let mut caller = Caller::over(stream, addr, LIST).await?;
            let asked = framed(b"");
            let calls = async { while caller.call(asked.clone()).await.is_ok() {} };
            let _ = timeout(life / 4, calls).await;
            Ok(1)
        }
        End::StreamLeft => {
            let mut caller = Caller::connect(addr, STREAM).await?;
            let heard = caller.stream(tip.clone(), "churn", |_| {});
            let _ = timeout(life / 2, heard).await;
            Ok(1)
        }
    }
}

async fn calls(addr: &str, life: Duration) -> Result<usize> {
    let mut caller = Caller::connect(addr, LIST).await?;
    for _ in 0..CALLS {
        caller.call(framed(b"")).await?;
        sleep(life / CALLS).await;
    }
    Ok(CALLS as usize)
}
