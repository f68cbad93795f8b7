//! Runs the calls of one HTTP/2 connection: starts each inside the connection's poll, makes a task of a call that waits, and
//! cancels a call whose client reads nothing for `stall_timeout`.
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

use super::waits::{WaitsFor, poll_and_record};
use crate::telemetry::Counter;

/// Starts each call of a connection inside the connection's poll. Only a call that has to wait becomes a task.
///
/// Nearly every call finds its answer in memory, and then needs no task, no queue and no waking
/// of the connection; so the answers to all requests that came together leave together.
#[derive(Clone)]
pub(super) struct InlineExecutor {
    executor: TokioExecutor,
    open: Arc<Calls>,
    /// If a client reads nothing of its response for this long, the call is cancelled.
    stall_timeout: Duration,
    /// Counts those calls, of all connections.
    stalled: Arc<Counter>,
}

/// Counts the calls of a connection: those that wait, and those that began.
#[derive(Default)]
struct Calls {
    waiting: AtomicUsize,
    /// Waiting calls that wait for this server, and not for their client.
    on_server: AtomicUsize,
    /// Calls that began since [`InlineExecutor::take_begun`], whether they had to wait or not.
    begun: AtomicUsize,
}

impl InlineExecutor {
    /// Cancels calls whose client reads nothing for `stall_timeout`, and counts them in `stalled`.
    pub(super) fn new(stall_timeout: Duration, stalled: Arc<Counter>) -> Self {
        Self {
            executor: TokioExecutor::new(),
            open: Arc::default(),
            stall_timeout,
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

    /// Counts calls that ended because their client read nothing.
    pub(super) fn count_stalled(&self) {
        self.stalled.add(1);
    }

    /// Whether any call waits for this server.
    pub(super) fn is_at_work(&self) -> bool {
        self.open.on_server.load(Relaxed) > 0
    }
}

impl<F> Executor<F> for InlineExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, call: F) {
        self.open.begun.fetch_add(1, Relaxed);
        let mut call = Box::pin(call);
        // The task's first poll registers the waker.
        let poll = || call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let (polled, last_wait) = poll_and_record(poll);
        if polled.is_pending() {
            let waits_for = last_wait.unwrap_or(WaitsFor::Server);
            self.executor
                .execute(WaitingCall::new(call, waits_for, self.clone()));
        }
    }
}

/// A call that had to wait.
struct WaitingCall<F> {
    work: Pin<Box<F>>,
    waits_for: WaitsFor,
    /// Runs while the call waits for the client to read.
    stall: Option<Pin<Box<Sleep>>>,
    calls: InlineExecutor,
}

impl<F> WaitingCall<F> {
    fn new(work: Pin<Box<F>>, waits_for: WaitsFor, calls: InlineExecutor) -> Self {
        calls.open.waiting.fetch_add(1, Relaxed);
        calls.open.on_server.fetch_add(1, Relaxed);
        let mut call = Self {
            work,
            waits_for: WaitsFor::Server,
            stall: None,
            calls,
        };
        call.set_waits_for(waits_for);
        call
    }

    fn set_waits_for(&mut self, waits_for: WaitsFor) {
        let on_server = &self.calls.open.on_server;
        match (
            self.waits_for == WaitsFor::Server,
            waits_for == WaitsFor::Server,
        ) {
            (false, true) => on_server.fetch_add(1, Relaxed),
            (true, false) => on_server.fetch_sub(1, Relaxed),
            (true, true) | (false, false) => 0,
        };
        self.waits_for = waits_for;
        match (waits_for, &mut self.stall) {
            (WaitsFor::Server | WaitsFor::RequestBody, stall) => *stall = None,
            (WaitsFor::ClientToRead, Some(stall)) => {
                stall
                    .as_mut()
                    .reset(Instant::now() + self.calls.stall_timeout);
            }
            (WaitsFor::ClientToRead, stall @ None) => {
                *stall = Some(Box::pin(sleep(self.calls.stall_timeout)));
            }
        }
    }
}

impl<F: Future<Output = ()>> Future for WaitingCall<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (polled, last_wait) = poll_and_record(|| self.work.as_mut().poll(cx));
        if polled.is_ready() {
            return Poll::Ready(());
        }
        // If no body was polled, the call still waits for the same as before.
        if let Some(waits_for) = last_wait {
            self.set_waits_for(waits_for);
        }
        let stall = self.stall.as_mut().map(|stall| stall.as_mut().poll(cx));
        if stall != Some(Poll::Ready(())) {
            return Poll::Pending;
        }
        // The caller drops this future, which resets the stream.
        self.calls.stalled.add(1);
        Poll::Ready(())
    }
}

impl<F> Drop for WaitingCall<F> {
    fn drop(&mut self) {
        self.calls.open.waiting.fetch_sub(1, Relaxed);
        if self.waits_for == WaitsFor::Server {
            self.calls.open.on_server.fetch_sub(1, Relaxed);
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
