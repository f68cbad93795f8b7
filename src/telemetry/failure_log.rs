//! What the log has of failures that many callers meet: a few lines, however many there are.
use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

/// A failure that lasts, such as a dependency that is away: a line when it begins, one a minute as
/// long as it goes on, and one when it is over. Where it comes and goes, no more than one beginning
/// in ten seconds is told.
///
/// Every line says how many failures it stands for, so none is hidden.
#[derive(Debug, Default)]
pub struct FailureLog {
    /// Looked at first by all that works.
    is_failing: AtomicBool,
    state: Mutex<FailureState>,
}

/// What a line has to say of a failure that lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failing {
    /// How often it failed since the line before; where it is over, in all.
    pub failures: u64,
    /// For how long it has failed without working in between.
    pub lasted: Duration,
}

#[derive(Debug, Default)]
struct FailureState {
    since: Option<Instant>,
    /// Whether the log has the beginning of this failure.
    is_told: bool,
    told_last: Option<Instant>,
    failures: u64,
    /// Since it worked last.
    all: u64,
}

/// No more than one beginning is told in this time.
const BEGINNINGS: Duration = Duration::from_secs(10);
/// A failure that goes on is told again after this.
const SAMPLES: Duration = Duration::from_mins(1);

impl FailureLog {
    /// Takes in a failure. The caller logs it if there is something to say.
    pub fn failed(&self) -> Option<Failing> {
        let mut state = self.lock();
        self.is_failing.store(true, Relaxed);
        state.failed(Instant::now())
    }

    /// Takes in that it works. The caller logs that it works again if there is something to say.
    pub fn worked(&self) -> Option<Failing> {
        if !self.is_failing.load(Relaxed) {
            return None;
        }
        let mut state = self.lock();
        self.is_failing.store(false, Relaxed);
        state.worked(Instant::now())
    }

    /// Whether it failed the last time.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.is_failing.load(Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, FailureState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FailureState {
    fn failed(&mut self, now: Instant) -> Option<Failing> {
        (self.failures, self.all) = (self.failures + 1, self.all + 1);
        let since = *self.since.get_or_insert(now);
        let pause = if self.is_told { SAMPLES } else { BEGINNINGS };
        let is_quiet = self
            .told_last
            .is_some_and(|told| now.duration_since(told) < pause);
        if is_quiet {
            return None;
        }
        (self.is_told, self.told_last) = (true, Some(now));
        Some(self.line(since, now))
    }

    fn worked(&mut self, now: Instant) -> Option<Failing> {
        let (since, all) = (self.since.take()?, std::mem::take(&mut self.all));
        std::mem::take(&mut self.is_told).then(|| Failing {
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

/// Lines that one call each may cause, with what finds that call again: ten of them in ten seconds,
/// and how many were left out before.
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
    /// Nothing was told yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(Window {
            began: None,
            lines: 0,
            left_out: 0,
        }))
    }

    /// Whether the line may be told, and then how many were not since the line before; for the
    /// line's field `left_out`.
    pub fn admit(&self) -> Option<u64> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
