//! One load for each key, however many callers wait for it, and work that outlives the caller that began it.
use std::{collections::HashMap, future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use quick_cache::DefaultHashBuilder;
use tokio::{sync::watch, time::Instant};
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::entry::{CacheEntry, ReadKey};
use crate::domain::{Error, Source, Unavailability};

/// How a load ended.
pub(super) type LoadOutcome = Result<LoadedEntry, LoadFailure>;

/// An entry that a load brought.
#[derive(Clone, Debug)]
pub(super) struct LoadedEntry {
    pub(super) entry: Arc<CacheEntry>,
    pub(super) source: Source,
    /// When the reading statement was sent: a caller that called before this may take
    /// the entry, whatever was committed since. `None` when the entry came out of a cache.
    pub(super) read_from: Option<Instant>,
}

/// A load that failed; the cause was logged where it happened. Whatever it was, an older copy may do,
/// if the catalog allows it.
#[derive(Clone, Debug)]
pub(super) struct LoadFailure {
    /// Why callers without a copy get nothing, if that is for load, or because the database does not answer in time;
    /// and when they may ask again. `None` for a fault of ours, or a load that ended without an outcome.
    unavailable: Option<(Unavailability, Duration)>,
    /// What the shared cache has, if anything.
    pub(super) stale: Option<Arc<CacheEntry>>,
}

impl LoadFailure {
    /// The load failed with `error`.
    pub(super) const fn of(error: &Error, stale: Option<Arc<CacheEntry>>) -> Self {
        let unavailable = if let Error::Unavailable {
            why, retry_after, ..
        } = error
        {
            Some((*why, *retry_after))
        } else {
            None
        };
        Self { unavailable, stale }
    }

    /// The caller cannot wait for the load any longer.
    pub(super) const fn too_slow() -> Self {
        Self {
            unavailable: Some((Unavailability::Datastore, Duration::from_millis(100))),
            stale: None,
        }
    }

    /// The load ended without an outcome.
    const fn without_outcome() -> Self {
        Self {
            unavailable: None,
            stale: None,
        }
    }

    pub(super) fn into_error(self) -> Error {
        match self.unavailable {
            Some((why, retry_after)) => Error::unavailable(why, retry_after),
            None => Error::fault("loading from the catalog"),
        }
    }
}

/// With the near cache's hasher: keys are long, and every load hashes its key twice.
type UnderWay = HashMap<ReadKey, watch::Receiver<Option<LoadOutcome>>, DefaultHashBuilder>;

/// The loads under way, at most one for each key.
#[derive(Debug, Default)]
pub(super) struct SingleFlight {
    under_way: Mutex<UnderWay>,
}

/// Completes the load of one key for all waiters. If dropped before that, waiters get `Internal`.
#[derive(Debug)]
pub(super) struct LoadGuard {
    key: ReadKey,
    outcome: watch::Sender<Option<LoadOutcome>>,
    single_flight: Arc<SingleFlight>,
}

/// Waits for the outcome of one load.
#[derive(Debug)]
pub(super) struct LoadWaiter(watch::Receiver<Option<LoadOutcome>>);

impl SingleFlight {
    /// Joins the load of `key`, or starts one: then the caller gets the guard and must do the load.
    pub(super) fn join(self: &Arc<Self>, key: &ReadKey) -> (LoadWaiter, Option<LoadGuard>) {
        let mut under_way = self.under_way.lock();
        if let Some(outcome) = under_way.get(key) {
            return (LoadWaiter(outcome.clone()), None);
        }
        let (sender, receiver) = watch::channel(None);
        under_way.insert(key.clone(), receiver.clone());
        let guard = LoadGuard {
            key: key.clone(),
            outcome: sender,
            single_flight: Arc::clone(self),
        };
        (LoadWaiter(receiver), Some(guard))
    }
}

impl LoadGuard {
    pub(super) fn key(&self) -> &ReadKey {
        &self.key
    }

    /// Hands the outcome to all waiters. A caller that joins after this starts a new load.
    pub(super) fn complete(self, outcome: LoadOutcome) {
        self.single_flight.under_way.lock().remove(&self.key);
        self.outcome.send_replace(Some(outcome));
    }
}

impl Drop for LoadGuard {
    fn drop(&mut self) {
        if self.outcome.borrow().is_none() {
            self.single_flight.under_way.lock().remove(&self.key);
            let failure = LoadFailure::without_outcome();
            self.outcome.send_replace(Some(Err(failure)));
        }
    }
}

impl LoadWaiter {
    /// Waits until the load is completed.
    pub(super) async fn outcome(mut self) -> LoadOutcome {
        match self.0.wait_for(Option::is_some).await {
            Ok(outcome) => outcome
                .clone()
                .unwrap_or_else(|| Err(LoadFailure::without_outcome())),
            Err(_) => Err(LoadFailure::without_outcome()),
        }
    }
}

/// A load that its first caller drives itself, and that detaches to a task when that caller is dropped.
///
/// Driving it inline saves a task, and two switches between tasks.
pub(super) struct DetachOnDrop {
    work: Option<BoxFuture<'static, ()>>,
    tasks: TaskTracker,
}

impl DetachOnDrop {
    /// Wraps `work`, if there is any; `tasks` get what is left of it.
    pub(super) fn new(work: Option<BoxFuture<'static, ()>>, tasks: TaskTracker) -> Self {
        Self { work, tasks }
    }

    /// Drives the work until `own` is done.
    pub(super) async fn drive_while<T>(mut self, own: impl Future<Output = T>) -> T {
        let mut own = pin!(own);
        poll_fn(|cx| {
            if let Some(work) = &mut self.work
                && let Poll::Ready(()) = work.as_mut().poll(cx)
            {
                self.work = None;
            }
            own.as_mut().poll(cx)
        })
        .await
    }
}

impl Drop for DetachOnDrop {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            self.tasks.spawn(work.in_current_span());
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::{
        sync::Notify,
        time::{sleep, timeout},
    };

    use super::*;

    /// A load that takes a second and then notifies.
    fn load(tasks: &TaskTracker) -> (DetachOnDrop, Arc<Notify>) {
        let done = Arc::new(Notify::new());
        let says = Arc::clone(&done);
        let work = async move {
            sleep(Duration::from_secs(1)).await;
            says.notify_one();
        };
        (DetachOnDrop::new(Some(work.boxed()), tasks.clone()), done)
    }

    #[tokio::test(start_paused = true)]
    async fn the_caller_does_the_work_while_it_waits() {
        let tasks = TaskTracker::new();
        let (load, done) = load(&tasks);
        load.drive_while(done.notified()).await;
        assert!(tasks.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_its_caller_left_is_brought_to_its_end() {
        let tasks = TaskTracker::new();
        let (load, done) = load(&tasks);
        let left = timeout(Duration::from_millis(1), load.drive_while(done.notified()));
        assert!(left.await.is_err());
        assert_eq!(tasks.len(), 1);
        done.notified().await;
    }
}
