//! The one allowed way to wait: for a condition, up to a deadline.
use std::{
    thread,
    time::{Duration, Instant},
};

/// Asks `condition` every 5 ms until it holds; panics after `deadline` with `what` was missed.
pub async fn eventually<F, Fut>(what: &str, deadline: Duration, mut condition: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let asked = Instant::now();
    while !condition().await {
        assert!(
            asked.elapsed() < deadline,
            "not within {deadline:?}: {what}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// As [`eventually`], for code outside a runtime; false after `deadline`.
pub fn until(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let asked = Instant::now();
    while !condition() {
        if asked.elapsed() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(2));
    }
    true
}
