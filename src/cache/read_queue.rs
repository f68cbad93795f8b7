//! The queue in front of the database: so many reads run at once, and no other waits for longer than is worth it.
//!
//! A queue that only grows serves nobody: whoever reaches its head has given up before, and its read is work for
//! nothing. So a read that could not have its turn in time is refused when it comes, which costs next to nothing.
use std::{
    mem,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout},
};

/// A read that would have to wait longer for its turn is refused when it comes.
const EXPECTED_WAIT_MAX: Duration = Duration::from_millis(500);
/// No read waits longer for its turn: half of what the service config for clients gives a call. Those that were let in have
/// their turn by then unless reads became twice as slow, so few are refused after they have waited.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// By this part of its difference a read moves the average. Reads that run together end together, so their intervals
/// differ much.
const WEIGHT: u64 = 16;

/// The reads that run, and those that wait for their turn.
pub(super) struct ReadQueue {
    turns: Semaphore,
    concurrency: u64,
    waiting: AtomicUsize,
    /// From one end of a read to the next one: a moving average, in nanoseconds. What a read takes says too little where
    /// the processor is busy: the next one is also waited for to begin.
    interval_nanos: AtomicU64,
    /// Reads that have ended.
    ended: AtomicU64,
    /// When the last one ended, if others were waiting.
    last_end: Mutex<Option<Instant>>,
}

/// Why a read does not get its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTurn {
    /// There are more reads than can be done in time.
    Full,
    /// None of those that run has ended meanwhile.
    Stuck,
}

/// The right to read. The read ends when this is dropped.
pub(super) struct Turn<'a> {
    queue: &'a ReadQueue,
    pub(super) began: Instant,
    _permit: SemaphorePermit<'a>,
}

/// A place in the queue, until it is dropped.
struct Place<'a>(&'a AtomicUsize);

impl ReadQueue {
    /// At most `concurrency` reads run at once.
    pub(super) fn new(concurrency: usize) -> Self {
        Self {
            turns: Semaphore::new(concurrency),
            concurrency: u64::try_from(concurrency).unwrap_or(u64::MAX),
            waiting: AtomicUsize::new(0),
            interval_nanos: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            last_end: Mutex::default(),
        }
    }

    /// Waits for a turn, in the order in which reads come.
    pub(super) async fn turn(&self) -> Result<Turn<'_>, NoTurn> {
        if let Ok(permit) = self.turns.try_acquire() {
            return Ok(self.begin(permit));
        }
        let place = Place::at_the_end_of(&self.waiting);
        if self.expected_wait() > EXPECTED_WAIT_MAX {
            return Err(NoTurn::Full);
        }
        let ended = self.ended.load(Relaxed);
        let permit = timeout(WAIT_MAX, self.turns.acquire()).await;
        drop(place);
        match permit {
            Ok(Ok(permit)) => Ok(self.begin(permit)),
            Ok(Err(_)) | Err(_) if self.ended.load(Relaxed) == ended => Err(NoTurn::Stuck),
            Ok(Err(_)) | Err(_) => Err(NoTurn::Full),
        }
    }

    fn begin<'a>(&'a self, permit: SemaphorePermit<'a>) -> Turn<'a> {
        Turn {
            queue: self,
            began: Instant::now(),
            _permit: permit,
        }
    }

    /// How long the last one in the queue will wait, if reads go on to end as they did.
    fn expected_wait(&self) -> Duration {
        let waiting = u64::try_from(self.waiting.load(Relaxed)).unwrap_or(u64::MAX);
        Duration::from_nanos(self.interval_nanos.load(Relaxed).saturating_mul(waiting))
    }

    fn end(&self, began: Instant) {
        let now = Instant::now();
        let are_others_waiting = self.waiting.load(Relaxed) > 0;
        let mut last_end = self.last_end.lock();
        let before = mem::replace(&mut *last_end, are_others_waiting.then_some(now));
        let interval = match before {
            Some(before) => now.duration_since(before).as_nanos(),
            // Nobody was kept waiting by it.
            None => now.duration_since(began).as_nanos() / u128::from(self.concurrency),
        };
        // Whoever was waiting may have left, and then nothing was read for hours.
        let interval = interval.min(WAIT_MAX.as_nanos());
        let interval = u64::try_from(interval).unwrap_or(u64::MAX);
        let average = self.interval_nanos.load(Relaxed);
        let moved = match self.ended.fetch_add(1, Relaxed) {
            0 => interval,
            _ => average - average / WEIGHT + interval / WEIGHT,
        };
        self.interval_nanos.store(moved, Relaxed);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.queue.end(self.began);
    }
}

impl<'a> Place<'a> {
    fn at_the_end_of(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Relaxed);
        Self(waiting)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::time::{advance, sleep};

    use super::*;

    const READ: Duration = Duration::from_millis(100);

    /// A queue that knows what a read takes.
    async fn used(concurrency: usize) -> ReadQueue {
        let queue = ReadQueue::new(concurrency);
        let turn = queue.turn().await;
        advance(READ).await;
        drop(turn);
        queue
    }

    #[tokio::test(start_paused = true)]
    async fn who_could_not_have_its_turn_in_time_is_refused_at_once() {
        let queue = used(2).await;
        let running = [queue.turn().await, queue.turn().await];
        let mut waiting: Vec<_> = (0..10).map(|_| Box::pin(queue.turn())).collect();
        for turn in &mut waiting {
            assert!(turn.now_or_never().is_none(), "half a second is enough");
        }
        assert_eq!(
            queue.turn().now_or_never().unwrap().err(),
            Some(NoTurn::Full)
        );
        advance(READ).await;
        drop(running);
        let mut first = waiting.drain(..2);
        assert!(first.all(|turn| turn.now_or_never().unwrap().is_ok()));
    }

    #[tokio::test(start_paused = true)]
    async fn callers_that_leave_make_room() {
        let queue = used(1).await;
        let _running = queue.turn().await;
        for _ in 0..100 {
            let mut turn = Box::pin(queue.turn());
            assert!((&mut turn).now_or_never().is_none());
        }
        assert_eq!(queue.waiting.load(Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_hour_after_a_caller_left_does_not_make_reads_look_slow() {
        let queue = used(1).await;
        let running = queue.turn().await;
        let mut leaving = Box::pin(queue.turn());
        assert!((&mut leaving).now_or_never().is_none());
        drop(running);
        drop(leaving);
        advance(Duration::from_hours(1)).await;
        drop(queue.turn().await);
        let _running = queue.turn().await;
        assert!(queue.turn().now_or_never().is_none(), "it may wait");
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_in_which_nothing_ends_is_stuck() {
        let queue = ReadQueue::new(1);
        let _running = queue.turn().await;
        assert_eq!(queue.turn().await.err(), Some(NoTurn::Stuck));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_because_reads_became_slower() {
        let queue = used(1).await;
        let running = queue.turn().await;
        let first = async {
            let turn = queue.turn().await;
            sleep(WAIT_MAX * 2).await;
            drop(turn);
        };
        let second = async {
            let came = Instant::now();
            let refused = queue.turn().await.err();
            (refused, came.elapsed())
        };
        let release = async {
            sleep(READ).await;
            drop(running);
        };
        let ((), second, ()) = tokio::join!(first, second, release);
        assert_eq!(second, (Some(NoTurn::Full), WAIT_MAX));
    }
}
