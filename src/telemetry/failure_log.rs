//! Reduces a lasting failure to a few log lines: one when it begins, one a minute, one when it ends.
use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

/// Decides which failures of one kind, such as an outage of a dependency, are logged: one line when they begin, one a minute
/// while they last, and one when they end. If failures come and go, at most one beginning in ten seconds is logged.
///
/// Every line says how many failures it stands for, so none is hidden.
#[derive(Debug, Default)]
pub struct FailureLog {
    /// Read without the lock on every success.
    is_failing: AtomicBool,
    state: Mutex<FailureState>,
}

/// What a line of the log says of a failure that lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failing {
    /// Failures since the line before; in the line of the end, all of them.
    pub failures: u64,
    /// For how long it has failed without working in between.
    pub lasted: Duration,
}

#[derive(Debug, Default)]
struct FailureState {
    since: Option<Instant>,
    /// Whether the beginning of this failure was logged.
    start_was_logged: bool,
    last_logged_at: Option<Instant>,
    failures: u64,
    /// Failures since the last success.
    all: u64,
}

/// Shortest time between two lines of which the later one says that a failure began.
const START_LINE_INTERVAL: Duration = Duration::from_secs(10);
/// Time between two lines of a failure that lasts.
const REPEAT_LINE_INTERVAL: Duration = Duration::from_mins(1);

impl FailureLog {
    /// Records a failure. The caller logs a line if this returns something.
    pub fn failed(&self) -> Option<Failing> {
        let mut state = self.state.lock();
        self.is_failing.store(true, Relaxed);
        state.failed(Instant::now())
    }

    /// Records a success. The caller logs the end of the failure if this returns something.
    pub fn worked(&self) -> Option<Failing> {
        if !self.is_failing.load(Relaxed) {
            return None;
        }
        let mut state = self.state.lock();
        self.is_failing.store(false, Relaxed);
        state.worked(Instant::now())
    }

    /// Whether the last attempt failed.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.is_failing.load(Relaxed)
    }
}

impl FailureState {
    fn failed(&mut self, now: Instant) -> Option<Failing> {
        (self.failures, self.all) = (self.failures + 1, self.all + 1);
        let since = *self.since.get_or_insert(now);
        let pause = if self.start_was_logged {
            REPEAT_LINE_INTERVAL
        } else {
            START_LINE_INTERVAL
        };
        let is_quiet = self
            .last_logged_at
            .is_some_and(|logged| now.duration_since(logged) < pause);
        if is_quiet {
            return None;
        }
        (self.start_was_logged, self.last_logged_at) = (true, Some(now));
        Some(self.line(since, now))
    }

    fn worked(&mut self, now: Instant) -> Option<Failing> {
        let (since, all) = (self.since.take()?, std::mem::take(&mut self.all));
        std::mem::take(&mut self.start_was_logged).then(|| Failing {
            failures: all,
            ..self.line(since, now)
        })
    }

    fn line(&mut self, since: Instant, now: Instant) -> Failing {
        Failing {
            failures: std::mem::take(&mut self.failures),
            lasted: now.duration_since(since),
        }
    }
}

/// Limits lines that single calls cause, each with a field that identifies its call, to ten in ten seconds. The next line
/// says how many were left out.
#[derive(Debug, Default)]
pub struct LineLimit(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    began: Option<Instant>,
    lines: u32,
    left_out: u64,
}

const WINDOW: Duration = Duration::from_secs(10);
const LINES: u32 = 10;

impl LineLimit {
    /// Nothing was logged yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(Window {
            began: None,
            lines: 0,
            left_out: 0,
        }))
    }

    /// Returns `None` if the line must be left out; else how many were left out since the line before, for the field
    /// `left_out`.
    pub fn admit(&self) -> Option<u64> {
        let mut window = self.0.lock();
        window.admit(Instant::now())
    }
}

impl Window {
    fn admit(&mut self, now: Instant) -> Option<u64> {
        let is_over = self
            .began
            .is_none_or(|began| now.duration_since(began) >= WINDOW);
        if is_over {
            (self.began, self.lines) = (Some(now), 0);
        }
        if self.lines >= LINES {
            self.left_out += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// What the log has of attempts that end so, at these seconds: failures and seconds of each line.
    fn told(attempts: &[(u64, bool)]) -> Vec<Option<(u64, u64)>> {
        let (mut state, start) = (FailureState::default(), Instant::now());
        let attempts = attempts.iter();
        let line = |(at, works): &(u64, bool)| {
            let now = start + seconds(*at);
            let line = if *works {
                state.worked(now)
            } else {
                state.failed(now)
            };
            line.map(|line| (line.failures, line.lasted.as_secs()))
        };
        attempts.map(line).collect()
    }

    #[test]
    fn the_beginning_and_the_end_of_a_failure_are_told_and_samples_between() {
        let attempts = [
            (0, true),
            (1, false),
            (2, false),
            (60, false),
            (61, false),
            (62, false),
            (91, true),
            (92, true),
        ];
        let lines = [
            None,
            Some((1, 0)),
            None,
            None,
            Some((3, 60)),
            None,
            Some((5, 90)),
            None,
        ];
        assert_eq!(told(&attempts), lines);
    }

    #[test]
    fn what_fails_now_and_then_is_told_of_every_ten_seconds_and_counted_in_full() {
        let attempts = [
            (0, false),
            (1, true),
            (2, false),
            (3, true),
            (4, false),
            (10, false),
            (11, true),
        ];
        let lines = [
            Some((1, 0)),
            Some((1, 1)),
            None,
            None,
            None,
            Some((3, 6)),
            Some((2, 7)),
        ];
        assert_eq!(told(&attempts), lines);
    }

    #[test]
    fn ten_lines_in_ten_seconds_are_let_through_and_the_next_tells_of_the_others() {
        let (mut window, start) = (Window::default(), Instant::now());
        for _ in 0..10 {
            assert_eq!(window.admit(start), Some(0));
        }
        for _ in 0..7 {
            assert_eq!(window.admit(start + seconds(9)), None);
        }
        assert_eq!(window.admit(start + seconds(10)), Some(7));
        assert_eq!(window.admit(start + seconds(10)), Some(0));
    }
}
