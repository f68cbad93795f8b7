use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Waker},
};

use hyper::rt::Executor;
use hyper_util::rt::TokioExecutor;

/// Runs a connection's calls: each begins at once, within the poll of its connection, and only
/// one that has to wait becomes a task.
///
/// Nearly every call finds its answer in memory, and then needs no task, no queue and no waking
/// of the connection; so the answers to all requests that came together leave together.
#[derive(Clone, Default)]
pub(super) struct Eager {
    executor: TokioExecutor,
    waiting: Arc<AtomicUsize>,
}

impl Eager {
    /// Whether any call had to wait, and still does.
    pub(super) fn has_waiting(&self) -> bool {
        self.waiting.load(Relaxed) > 0
    }
}

/// Counts one call that waits, however it ends.
struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn count(waiting: &Arc<AtomicUsize>) -> Self {
        waiting.fetch_add(1, Relaxed);
        Self(Arc::clone(waiting))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl<F> Executor<F> for Eager
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, call: F) {
        let mut call = Box::pin(call);
        // Whoever is to be woken is told in the next poll, which is the task's first.
        let begun = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if begun.is_pending() {
            let waiting = Waiting::count(&self.waiting);
            self.executor.execute(async move {
                call.await;
                drop(waiting);
            });
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

    #[tokio::test]
    async fn what_needs_not_wait_is_done_at_once_and_what_does_is_finished_later() {
        let (told, go_on) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Notify::new()));
        let (told_by_call, gate) = (Arc::clone(&told), Arc::clone(&go_on));
        let executor = Eager::default();
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
        Eager::default().execute(std::future::poll_fn(move |cx| {
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
