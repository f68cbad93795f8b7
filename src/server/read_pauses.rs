//! Pauses the reading of a connection whose caller is refused because it calls too often.
//!
//! A refusal is small, and reading its call and sending it cost most of it, when calls come one by one. Where nobody is let in
//! there is no hurry: the calls of a pause are read, refused and answered together, a few at a time.
use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

use crate::domain::Throttle;

/// How many calls are to be refused together. More would save little, and others would wait for them.
const TOGETHER: u32 = 4;
/// The bounds of a pause, which is as long as so many calls take to come. What comes meanwhile waits for no longer, and a
/// caller over its rate is to wait anyway.
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(100);

/// The pauses of one connection.
pub(super) struct ReadPauses {
    throttle: Throttle,
    pause: Option<Pin<Box<Sleep>>>,
    /// How long the last pause was, or the first one will be.
    length: Duration,
    /// Calls that were refused since the last pause.
    refused: u32,
}

impl ReadPauses {
    /// Pauses when `throttle` asks for it.
    pub(super) fn new(throttle: Throttle) -> Self {
        Self {
            throttle,
            pause: None,
            length: LONGEST,
            refused: 0,
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
        let refused = self.throttle.take();
        self.refused = self.refused.saturating_add(refused);
        if refused == 0 || !has_read_all || self.pause.is_some() {
            return;
        }
        let length = self.length * TOGETHER / self.refused;
        self.length = length.clamp(SHORTEST, LONGEST);
        self.refused = 0;
        // Connections that were paused together must not be read together: others would wait for all of them.
        let jitter = rand::random_range(0.5..1.5);
        self.pause = Some(Box::pin(sleep(self.length.mul_f64(jitter))));
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

    /// Ends a turn in which so many calls were refused.
    fn refuse(pauses: &mut ReadPauses, calls: u32, has_read_all: bool) {
        for _ in 0..calls {
            pauses.throttle.ask();
        }
        pauses.end_turn(has_read_all);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_refused_pauses_once_and_for_as_long_as_some_take_to_come() {
        let mut pauses = ReadPauses::new(Throttle::default());
        refuse(&mut pauses, 1, true);
        let alone = waited(&mut pauses).await;
        assert!((LONGEST / 2..=LONGEST * 2).contains(&alone), "{alone:?}");
        pauses.end_turn(true);
        assert_eq!(waited(&mut pauses).await, Duration::ZERO);
        refuse(&mut pauses, 20, true);
        let many = waited(&mut pauses).await;
        assert!((LONGEST / 10..=LONGEST / 3).contains(&many), "{many:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_come_is_read_before_a_pause() {
        let mut pauses = ReadPauses::new(Throttle::default());
        refuse(&mut pauses, 1, false);
        assert_eq!(waited(&mut pauses).await, Duration::ZERO);
    }
}
