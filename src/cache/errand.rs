use std::{
    future::poll_fn,
    pin::pin,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// Work that a caller began and that others may wait for.
///
/// The caller does it itself, beside its own: that saves a task, and two switches between tasks.
/// When the caller leaves early, a task brings it to its end.
pub(super) struct Errand {
    work: Option<BoxFuture<'static, ()>>,
    tasks: TaskTracker,
}

impl Errand {
    /// `work`, if there is any; `tasks` get what is left of it.
    pub(super) fn new(work: Option<BoxFuture<'static, ()>>, tasks: TaskTracker) -> Self {
        Self { work, tasks }
    }

    /// Does the work for as long as `own` is not done.
    pub(super) async fn beside<T>(mut self, own: impl Future<Output = T>) -> T {
        let mut own = pin!(own);
        poll_fn(|cx| {
            self.go_on(cx);
            own.as_mut().poll(cx)
        })
        .await
    }

    fn go_on(&mut self, cx: &mut Context<'_>) {
        if let Some(work) = &mut self.work
            && let Poll::Ready(()) = work.as_mut().poll(cx)
        {
            self.work = None;
        }
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            self.tasks.spawn(work.in_current_span());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use futures_util::FutureExt;
    use tokio::{
        sync::Notify,
        time::{sleep, timeout},
    };

    use super::*;

    /// An errand that takes a second and then says so.
    fn errand(tasks: &TaskTracker) -> (Errand, Arc<Notify>) {
        let done = Arc::new(Notify::new());
        let says = Arc::clone(&done);
        let work = async move {
            sleep(Duration::from_secs(1)).await;
            says.notify_one();
        };
        (Errand::new(Some(work.boxed()), tasks.clone()), done)
    }

    #[tokio::test(start_paused = true)]
    async fn the_caller_does_the_work_while_it_waits() {
        let tasks = TaskTracker::new();
        let (errand, done) = errand(&tasks);
        errand.beside(done.notified()).await;
        assert!(tasks.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_its_caller_left_is_brought_to_its_end() {
        let tasks = TaskTracker::new();
        let (errand, done) = errand(&tasks);
        let left = timeout(Duration::from_millis(1), errand.beside(done.notified()));
        assert!(left.await.is_err());
        assert_eq!(tasks.len(), 1);
        done.notified().await;
    }
}
