//! A bounded number of connections, of which the newest are kept.
use std::collections::VecDeque;

use tokio_util::sync::CancellationToken;

/// The connections that are open, the oldest first. One more than there may be takes the place of
/// the oldest: callers that hold connections and say nothing must not keep a probe away.
pub struct Newest {
    at_most: usize,
    open: VecDeque<CancellationToken>,
}

impl Newest {
    /// Keeps `at_most`.
    #[must_use]
    pub fn of(at_most: usize) -> Self {
        Self {
            at_most,
            open: VecDeque::new(),
        }
    }

    /// Makes room for a connection that `served` serves, and gives what is to be run of it.
    pub fn one_more<F>(&mut self, served: F) -> impl Future<Output = ()> + Send + 'static + use<F>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.open.retain(|is_over| !is_over.is_cancelled());
        if self.open.len() >= self.at_most
            && let Some(oldest) = self.open.pop_front()
        {
            oldest.cancel();
        }
        let cut = CancellationToken::new();
        self.open.push_back(cut.clone());
        async move {
            let _is_over = cut.clone().drop_guard();
            cut.run_until_cancelled(served).await;
        }
    }
}
