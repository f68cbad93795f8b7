//! Calls that begin within the poll of their connection.
use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use hyper::rt::Executor;
use hyper_util::rt::TokioExecutor;
use tokio::time::{Instant, Sleep, sleep};

use super::waits::{WaitsOn, observed};
use crate::telemetry::Counter;

/// Runs a connection's calls: each begins at once, within the poll of its connection, and only
/// one that has to wait becomes a task.
///
/// Nearly every call finds its answer in memory, and then needs no task, no queue and no waking
/// of the connection; so the answers to all requests that came together leave together.
#[derive(Clone)]
pub(super) struct InlineExecutor {
    executor: TokioExecutor,
    open: Arc<Calls>,
    /// A caller that takes nothing of an answer for so long has its call ended.
    patience: Duration,
    /// Counts those calls, of all connections.
    stalled: Arc<Counter>,
}

/// The calls of a connection: those that had to wait, and have not ended, and how many began.
#[derive(Default)]
struct Calls {
    waiting: AtomicUsize,
    /// Those of them that wait for this replica, and not for their caller.
    on_us: AtomicUsize,
    /// Those that began since somebody asked, whether they had to wait or not.
    begun: AtomicUsize,
}

impl InlineExecutor {
    /// Ends calls of which nothing was taken for `patience`, and counts them in `stalled`.
    pub(super) fn new(patience: Duration, stalled: Arc<Counter>) -> Self {
        Self {
            executor: TokioExecutor::new(),
            open: Arc::default(),
            patience,
            stalled,
        }
    }

    /// Whether any call had to wait, and still does.
    pub(super) fn has_waiting(&self) -> bool {
        self.open.waiting.load(Relaxed) > 0
    }

    /// How many calls began since this was asked last.
    pub(super) fn take_begun(&self) -> usize {
        self.open.begun.swap(0, Relaxed)
    }

    /// Whether any call waits for this replica.
    pub(super) fn is_at_work(&self) -> bool {
        self.open.on_us.load(Relaxed) > 0
    }
}

impl<F> Executor<F> for InlineExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, call: F) {
        self.open.begun.fetch_add(1, Relaxed);
        let mut call = Box::pin(call);
        // Whoever is to be woken is told in the next poll, which is the task's first.
        let poll = || call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let (polled, met) = observed(poll);
        if polled.is_pending() {
            let waits_on = met.unwrap_or(WaitsOn::Us);
            self.executor
                .execute(WaitingCall::that_waits(call, waits_on, self.clone()));
        }
    }
}

/// A call that had to wait.
struct WaitingCall<F> {
    work: Pin<Box<F>>,
    waits_on: WaitsOn,
    /// Runs while the caller is to take something.
    stall: Option<Pin<Box<Sleep>>>,
    calls: InlineExecutor,
}

impl<F> WaitingCall<F> {
    fn that_waits(work: Pin<Box<F>>, waits_on: WaitsOn, calls: InlineExecutor) -> Self {
        calls.open.waiting.fetch_add(1, Relaxed);
        calls.open.on_us.fetch_add(1, Relaxed);
        let mut call = Self {
            work,
            waits_on: WaitsOn::Us,
            stall: None,
            calls,
        };
        call.turn_to(waits_on);
        call
    }

    fn turn_to(&mut self, waits_on: WaitsOn) {
        let on_us = &self.calls.open.on_us;
        match (self.waits_on == WaitsOn::Us, waits_on == WaitsOn::Us) {
            (false, true) => on_us.fetch_add(1, Relaxed),
            (true, false) => on_us.fetch_sub(1, Relaxed),
            (true, true) | (false, false) => 0,
        };
        self.waits_on = waits_on;
        match (waits_on, &mut self.stall) {
            (WaitsOn::Us | WaitsOn::Request, stall) => *stall = None,
            (WaitsOn::Taking, Some(stall)) => {
                stall.as_mut().reset(Instant::now() + self.calls.patience);
            }
            (WaitsOn::Taking, stall @ None) => {
                *stall = Some(Box::pin(sleep(self.calls.patience)));
            }
        }
    }
}

impl<F: Future<Output = ()>> Future for WaitingCall<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (polled, met) = observed(|| self.work.as_mut().poll(cx));
        if polled.is_ready() {
            return Poll::Ready(());
        }
        // Where nothing was met, it still waits for what it waited for.
        if let Some(waits_on) = met {
            self.turn_to(waits_on);
        }
        let stall = self.stall.as_mut().map(|stall| stall.as_mut().poll(cx));
        if stall != Some(Poll::Ready(())) {
            return Poll::Pending;
        }
        // Dropped, it is reset.
        self.calls.stalled.add(1);
        Poll::Ready(())
    }
}

/// However it ends.
impl<F> Drop for WaitingCall<F> {
    fn drop(&mut self) {
        self.calls.open.waiting.fetch_sub(1, Relaxed);
        if self.waits_on == WaitsOn::Us {
            self.calls.open.on_us.fetch_sub(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Mutex},
        task::Poll,
    };

    use tokio::{sync::Notify, task};

    use super::*;

    fn eager() -> InlineExecutor {
        InlineExecutor::new(Duration::from_secs(30), Arc::default())
    }

    #[tokio::test]
    async fn what_needs_not_wait_is_done_at_once_and_what_does_is_finished_later() {
        let (told, go_on) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Notify::new()));
        let (told_by_call, gate) = (Arc::clone(&told), Arc::clone(&go_on));
        let executor = eager();
        let done = Arc::new(Notify::new());
        let finished = Arc::clone(&done);
        executor.execute(async move {
            told_by_call.lock().unwrap().push("begun");
            gate.notified().await;
            told_by_call.lock().unwrap().push("ended");
            finished.notify_one();
        });
        assert_eq!(*told.lock().unwrap(), ["begun"]);
        assert!(executor.has_waiting());
        go_on.notify_one();
        done.notified().await;
        assert_eq!(*told.lock().unwrap(), ["begun", "ended"]);
    }

    #[tokio::test]
    async fn a_call_that_yields_is_not_lost() {
        let done = Arc::new(Notify::new());
        let finished = Arc::clone(&done);
        let mut polls = 0;
        eager().execute(std::future::poll_fn(move |cx| {
            polls += 1;
            if polls < 3 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            finished.notify_one();
            Poll::Ready(())
        }));
        task::yield_now().await;
        done.notified().await;
    }
}
