//! Shows tips beside their challenges when they are due, so that many that are written together change the
//! catalog once.
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use tokio::time::{sleep, timeout};

use super::service::{Core, STORE_TIMEOUT};

/// Whether tips are due, and whether somebody here waits to show them.
#[derive(Debug, Default)]
pub(super) struct Showing {
    is_due: AtomicBool,
    is_under_way: AtomicBool,
}

impl Core {
    /// A tip was kept that the catalog is to show: it is shown in the background as soon as it may be. One that
    /// cannot be, because the store fails or this replica ends, is shown with the next that is kept
    /// anywhere, or when some replica prunes.
    pub(super) fn show_soon(self: &Arc<Self>) {
        self.showing.is_due.store(true, SeqCst);
        if self.showing.is_under_way.swap(true, SeqCst) {
            return;
        }
        let core = Arc::clone(self);
        let show = async move {
            loop {
                while core.showing.is_due.swap(false, SeqCst) {
                    core.show_what_is_due().await;
                }
                core.showing.is_under_way.store(false, SeqCst);
                // One that was kept just before that did not begin another round.
                let is_due = core.showing.is_due.load(SeqCst);
                if !is_due || core.showing.is_under_way.swap(true, SeqCst) {
                    return;
                }
            }
        };
        let stop = self.stop.clone();
        self.tasks.spawn(stop.run_until_cancelled_owned(show));
    }

    async fn show_what_is_due(&self) {
        loop {
            let shown = timeout(STORE_TIMEOUT, self.store.show_due()).await;
            let Some(Some(left)) = self.of_store("show", shown) else {
                return;
            };
            sleep(left).await;
        }
    }
}
