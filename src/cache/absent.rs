//! What is kept of questions for what the catalog does not have: unlike challenges there is no end of them.
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// "There is none" is kept no longer. Who made the challenge up may ask for the next one; who deleted
/// it asks for no long time.
pub(super) const ABSENT_TTL: Duration = Duration::from_secs(10);

/// So many of them this replica gives to Redis in a second; the others it keeps for itself.
const A_SECOND: u32 = 100;

/// Bounds how many answers "there is none" Redis has: those of [`ABSENT_TTL`], a thousand for each replica.
#[derive(Debug, Default)]
pub(super) struct AbsentLimit(Mutex<Option<Second>>);

#[derive(Clone, Copy, Debug)]
struct Second {
    began: Instant,
    given: u32,
}

impl AbsentLimit {
    /// Whether Redis may have one more.
    pub(super) fn admits(&self) -> bool {
        let now = Instant::now();
        let mut second = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let current = second
            .filter(|second| now.duration_since(second.began) < Duration::from_secs(1))
            .unwrap_or(Second {
                began: now,
                given: 0,
            });
        let admits = current.given < A_SECOND;
        *second = Some(Second {
            given: current.given + u32::from(admits),
            ..current
        });
        admits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_second_has_a_hundred_and_the_next_one_as_many() {
        let limit = AbsentLimit::default();
        for _ in 0..2 {
            let admitted = (0..500).filter(|_| limit.admits()).count();
            assert_eq!(admitted, 100);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
    }
}
