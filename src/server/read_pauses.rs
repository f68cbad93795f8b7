//! Pauses the reading of a connection whose caller is refused because it calls too often.
//!
//! A refusal is small, and reading its call and sending it cost most of it, when calls come one by one. Until the caller may call
//! again there is no hurry: what comes meanwhile is read, refused and answered together.
use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

use crate::domain::Throttle;

/// No pause is longer: a caller is to learn soon that it is refused.
const LONGEST: Duration = Duration::from_millis(200);
/// Nor shorter: hardly anything would come meanwhile.
const SHORTEST: Duration = Duration::from_millis(10);

/// The pauses of one connection.
pub(super) struct ReadPauses {
    throttle: Throttle,
    pause: Option<Pin<Box<Sleep>>>,
}

impl ReadPauses {
    /// Pauses when `throttle` asks for it.
    pub(super) fn new(throttle: Throttle) -> Self {
        Self {
            throttle,
            pause: None,
        }
    }

    /// Whether the connection is not read in this turn. Its task is woken when the pause is over.
    pub(super) fn is_pausing(&mut self, cx: &mut Context<'_>) -> bool {
        let pausing = self.pause.as_mut().map(|pause| pause.as_mut().poll(cx));
        if pausing == Some(Poll::Ready(())) {
            self.pause = None;
        }
        self.pause.is_some()
    }

    /// Begins a pause if calls were refused in this turn, and all that came was read.
    pub(super) fn end_turn(&mut self, has_read_all: bool) {
        let Some(asked) = self.throttle.take() else {
            return;
        };
        if asked < SHORTEST || !has_read_all || self.pause.is_some() {
            return;
        }
        // Connections that were paused together must not be read together: others would wait for all of them.
        let jitter = rand::random_range(0.5..1.0);
        let length = asked.min(LONGEST).mul_f64(jitter);
        self.pause = Some(Box::pin(sleep(length)));
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::Instant;

    use super::*;

    /// Waits for the end of a pause; how long that took.
    async fn waited(pauses: &mut ReadPauses) -> Duration {
        let began = Instant::now();
        poll_fn(|cx| {
            if pauses.is_pausing(cx) {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
        began.elapsed()
    }

    /// Ends a turn in which a call was refused that may come again in `pause`.
    fn refuse(pauses: &mut ReadPauses, pause: Duration, has_read_all: bool) {
        pauses.throttle.ask(pause);
        pauses.end_turn(has_read_all);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_refused_pauses_once_and_for_no_longer_than_it_must_wait() {
        let mut pauses = ReadPauses::new(Throttle::default());
        for (asked, longest) in [
            (Duration::from_mins(1), LONGEST),
            (LONGEST / 2, LONGEST / 2),
        ] {
            refuse(&mut pauses, asked, true);
            let waited_for = waited(&mut pauses).await;
            // To the millisecond, as timers are.
            let bounds = longest / 2..=longest + Duration::from_millis(1);
            assert!(bounds.contains(&waited_for), "{waited_for:?}");
            pauses.end_turn(true);
            assert_eq!(waited(&mut pauses).await, Duration::ZERO);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_may_call_again_soon_is_not_held_up() {
        let mut pauses = ReadPauses::new(Throttle::default());
        refuse(&mut pauses, Duration::from_millis(3), true);
        assert_eq!(waited(&mut pauses).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_come_is_read_before_a_pause() {
        let mut pauses = ReadPauses::new(Throttle::default());
        refuse(&mut pauses, LONGEST, false);
        assert_eq!(waited(&mut pauses).await, Duration::ZERO);
    }
}
