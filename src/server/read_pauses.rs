//! Pauses the reading of a connection whose caller is refused because it calls too often.
//!
//! A refusal is small, and reading its call and sending it cost most of it, when calls come one by one. Where nobody is let in
//! there is no hurry: the calls of a pause are read, refused and answered together.
use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

use crate::domain::Throttle;

/// A tenth of a second: what comes meanwhile waits for no longer, and a caller over its rate is to wait anyway.
const PAUSE: Duration = Duration::from_millis(100);

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

    /// Begins a pause if a call was refused in this turn, and all that came was read: more of it would not be cheaper.
    pub(super) fn end_turn(&mut self, has_read_all: bool) {
        if self.throttle.take() && has_read_all {
            self.pause.get_or_insert_with(|| Box::pin(sleep(PAUSE)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_was_asked_for_lasts_a_tenth_of_a_second_and_is_the_only_one() {
        let throttle = Throttle::default();
        let mut pauses = ReadPauses::new(throttle.clone());
        throttle.ask();
        pauses.end_turn(true);
        let began = Instant::now();
        let over = |pauses: &mut ReadPauses, cx: &mut Context<'_>| match pauses.is_pausing(cx) {
            true => Poll::Pending,
            false => Poll::Ready(()),
        };
        poll_fn(|cx| over(&mut pauses, cx)).await;
        assert_eq!(began.elapsed(), PAUSE);
        pauses.end_turn(true);
        poll_fn(|cx| over(&mut pauses, cx)).await;
        assert_eq!(began.elapsed(), PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_come_is_read_before_a_pause() {
        let throttle = Throttle::default();
        let mut pauses = ReadPauses::new(throttle.clone());
        throttle.ask();
        pauses.end_turn(false);
        assert!(!poll_fn(|cx| Poll::Ready(pauses.is_pausing(cx))).await);
    }
}
