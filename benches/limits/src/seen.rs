//! How long after a commit of plain SQL every replica shows it.
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use prost::Message;
use sqlx::{Connection, PgConnection};
use tokio::{runtime::Handle, time::sleep_until};
use uuid::Uuid;

use crate::{Result, caller::Caller, messages::Challenge, walk::framed};

/// Between two questions to one replica: closer, and the questions are what is measured.
const PAUSE: Duration = Duration::from_micros(300);
/// A commit that is not seen by then ends the program.
const PATIENCE: Duration = Duration::from_secs(30);

/// A number that a title has, and when it was first seen to have that or a greater one.
type Seen = (u64, Instant);

/// When a statement was sent, and when its commit was known.
type Committed = (Instant, Instant);

/// `GetChallengeResponse`, as far as it is read.
#[derive(Clone, PartialEq, prost::Message)]
struct Answer {
    #[prost(message, optional, tag = "1")]
    challenge: Option<Challenge>,
}

/// `GetChallengeRequest`, as far as it is needed.
#[derive(Clone, PartialEq, prost::Message)]
struct Question {
    #[prost(string, tag = "1")]
    id: String,
}

/// Numbers the title of challenge `id` so many times, `interval` apart whatever replicas do, and asks all of `addrs` for it
/// meanwhile; prints how long after each commit was known, and after its statement was sent, the last of them showed it: as
/// JSON, in microseconds.
pub async fn watch(
    addrs: &str,
    database: &str,
    id: &str,
    commits: u64,
    interval: Duration,
) -> Result<()> {
    let mut connection = PgConnection::connect(database).await?;
    // No title of another run may pass for one of this.
    let prefix = format!("{} ", Uuid::new_v4());
    let begun = Arc::new(AtomicU64::new(0));
    let mut watchers = Vec::new();
    for addr in addrs.split(',') {
        let caller = Caller::connect(addr, "GetChallenge").await?;
        let (begun, prefix, runtime) = (Arc::clone(&begun), prefix.clone(), Handle::current());
        let request = framed(&Question { id: id.to_owned() }.encode_to_vec());
        // Threads, because a runtime's timer only knows whole milliseconds.
        watchers.push(thread::spawn(move || {
            follow(caller, &request, (&begun, commits), &prefix, &runtime)
        }));
    }
    let mut next = tokio::time::Instant::now();
    let mut committed = Vec::new();
    for number in 1..=commits {
        next += interval;
        sleep_until(next).await;
        begun.store(number, Relaxed);
        let sent = Instant::now();
        sqlx::query("UPDATE public.approach_challenges SET title = $1 WHERE id = $2::text::uuid")
            .bind(format!("{prefix}{number}"))
            .bind(id)
            .execute(&mut connection)
            .await?;
        committed.push((sent, Instant::now()));
    }
    let mut delays = vec![[0, 0]; committed.len()];
    for watcher in watchers {
        let seen = watcher.join().map_err(|_| "a watcher panicked")??;
        for (slowest, delay) in delays.iter_mut().zip(delays_of(&committed, &seen)) {
            *slowest = [slowest[0].max(delay[0]), slowest[1].max(delay[1])];
        }
    }
    println!("{delays:?}");
    Ok(())
}

/// Asks one replica as long as it lacks a commit that was begun, until it shows the last one.
fn follow(
    mut caller: Caller,
    request: &Bytes,
    (begun, last): (&AtomicU64, u64),
    prefix: &str,
    runtime: &Handle,
) -> Result<Vec<Seen>> {
    let mut seen: Vec<Seen> = Vec::new();
    let (mut newest, mut progress) = (0, Instant::now());
    while newest < last {
        thread::sleep(PAUSE);
        if newest >= begun.load(Relaxed) {
            progress = Instant::now();
            continue;
        }
        let answer = Answer::decode(runtime.block_on(caller.call(request.clone()))?)?;
        let title = answer.challenge.unwrap_or_default().title;
        let number = title
            .strip_prefix(prefix)
            .and_then(|number| number.parse().ok())
            .unwrap_or(0);
        if number > newest {
            (newest, progress) = (number, Instant::now());
            seen.push((newest, progress));
        }
        if progress.elapsed() > PATIENCE {
            return Err(format!("commit {} is not seen", begun.load(Relaxed)).into());
        }
    }
    Ok(seen)
}

/// How long after each commit one replica showed it; not at all, where it did before the writer heard of the commit.
fn delays_of(committed: &[Committed], seen: &[Seen]) -> Vec<[u128; 2]> {
    let mut seen = seen.iter().peekable();
    let mut delays = Vec::new();
    for (number, (sent, known)) in (1..).zip(committed) {
        while seen.next_if(|(newest, _)| *newest < number).is_some() {}
        let shown = seen.peek().map_or(*known, |(_, at)| *at);
        let after = |moment| shown.saturating_duration_since(moment).as_micros();
        delays.push([after(*known), after(*sent)]);
    }
    delays
}
