//! Time limits of one attempt.
use std::time::Duration;

use tokio::time::Instant;

use super::protocol_error::ProtocolError;
use crate::domain::FailureKind;

/// How long an attempt may take. Only text counts as progress: pings and empty deltas keep a
/// connection alive, and have hidden a provider that writes nothing.
#[derive(Clone, Copy, Debug)]
pub struct TimeLimits {
    /// To connect.
    pub connect: Duration,
    /// From the request to the first text.
    pub first_text: Duration,
    /// Between any two reads of the answer's body.
    pub idle: Duration,
    /// Between two pieces of text.
    pub text_idle: Duration,
    /// For all of it.
    pub total: Duration,
}

/// The time limits of one attempt that runs.
#[derive(Debug)]
pub(super) struct Deadlines {
    limits: TimeLimits,
    started: Instant,
    last_text: Option<Instant>,
}

impl Deadlines {
    pub(super) fn from_now(limits: TimeLimits) -> Self {
        Self {
            limits,
            started: Instant::now(),
            last_text: None,
        }
    }

    /// Records that text came.
    pub(super) fn note_text(&mut self) {
        self.last_text = Some(Instant::now());
    }

    /// The earliest time limit that still runs, and its message.
    fn next_deadline(&self) -> (Instant, &'static str) {
        let text = match self.last_text {
            None => (self.started + self.limits.first_text, "no text in time"),
            Some(at) => (at + self.limits.text_idle, "no more text in time"),
        };
        let total = (self.started + self.limits.total, "not written in time");
        text.min(total)
    }

    /// Runs `work` until the earliest time limit.
    pub(super) async fn run_within<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> Result<T, ProtocolError> {
        let (deadline, missed) = self.next_deadline();
        tokio::time::timeout_at(deadline, work)
            .await
            .map_err(|_| ProtocolError::new(FailureKind::TooSlow, missed))
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const LIMITS: TimeLimits = TimeLimits {
        connect: Duration::from_secs(1),
        first_text: Duration::from_secs(10),
        idle: Duration::from_secs(5),
        text_idle: Duration::from_secs(20),
        total: Duration::from_secs(35),
    };

    async fn given_up(deadlines: &Deadlines) -> (u64, String) {
        let error = deadlines.run_within(pending::<()>()).await.unwrap_err();
        (deadlines.started.elapsed().as_secs(), error.detail)
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_text_the_next_and_the_whole_have_a_limit_each() {
        let mut deadlines = Deadlines::from_now(LIMITS);
        assert_eq!(given_up(&deadlines).await, (10, "no text in time".into()));
        deadlines.note_text();
        assert_eq!(
            given_up(&deadlines).await,
            (30, "no more text in time".into())
        );
        deadlines.note_text();
        assert_eq!(
            given_up(&deadlines).await,
            (35, "not written in time".into())
        );
    }
}
