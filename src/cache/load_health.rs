//! Whether reads of the database work, apart from the polls that tell of changes: a right that was
//! revoked, or a column that has another name, ends reads while polls go on.
use std::{
    error::Error as _,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::key::ReadKey;
use crate::domain::Error;

/// How the last reads of lists and of challenges went. The two are told apart, because what keeps one
/// of them from working need not concern the other.
#[derive(Debug, Default)]
pub(super) struct LoadHealth {
    lists: Kind,
    challenges: Kind,
}

/// Reads of one kind.
#[derive(Debug, Default)]
struct Kind(Mutex<State>);

/// Where reads fail now and then, the log says so no more often than this.
const QUIET: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
struct State {
    failing_since: Option<Instant>,
    /// Whether the log has the beginning of this failure.
    is_told: bool,
    told_last: Option<Instant>,
}

/// What the log is to have of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    Nothing,
    Began,
    Ended(Duration),
}

impl LoadHealth {
    /// True as long as the last read of either kind failed.
    pub(super) fn is_failing(&self) -> bool {
        [&self.lists, &self.challenges]
            .iter()
            .any(|kind| kind.lock().failing_since.is_some())
    }

    /// Takes in how a read of `key` went; logs when reads begin to fail, and when they work again.
    pub(super) fn note<T>(&self, key: &ReadKey, read: &Result<T, Error>) {
        let (kind, what) = match key {
            ReadKey::List(_) => (&self.lists, "lists"),
            ReadKey::Challenge(_) | ReadKey::Subject(_) => (&self.challenges, "challenges"),
        };
        match (kind.lock().news(read.is_ok(), Instant::now()), read) {
            (News::Began, Err(error)) => {
                let cause = error.source().map(ToString::to_string);
                tracing::error!(
                    what, %error, cause,
                    "reads of the database fail; copies are served, marked stale, where there are any"
                );
            }
            (News::Ended(lasted), _) => {
                tracing::info!(what, ?lasted, "reads of the database work again");
            }
            (News::Nothing | News::Began, _) => {}
        }
    }
}

impl Kind {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn news(&mut self, is_ok: bool, now: Instant) -> News {
        if is_ok {
            let since = self.failing_since.take();
            let was_told = std::mem::take(&mut self.is_told);
            return match since {
                Some(since) if was_told => News::Ended(now.duration_since(since)),
                Some(_) | None => News::Nothing,
            };
        }
        self.failing_since.get_or_insert(now);
        let is_quiet = self
            .told_last
            .is_some_and(|told| now.duration_since(told) < QUIET);
        if self.is_told || is_quiet {
            return News::Nothing;
        }
        self.is_told = true;
        self.told_last = Some(now);
        News::Began
    }
}

#[cfg(test)]
mod tests {
    use super::{
        News::{Began, Nothing},
        *,
    };

    /// What the log has of reads that end so, at these seconds.
    fn told(reads: &[(u64, bool)]) -> Vec<News> {
        let (mut state, start) = (State::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        reads
            .iter()
            .map(|(seconds, is_ok)| state.news(*is_ok, at(*seconds)))
            .collect()
    }

    #[test]
    fn the_beginning_and_the_end_of_a_failure_are_told_and_nothing_between() {
        let reads = [
            (0, true),
            (1, false),
            (2, false),
            (30, false),
            (61, true),
            (62, true),
        ];
        let ended = News::Ended(Duration::from_mins(1));
        assert_eq!(
            told(&reads),
            [Nothing, Began, Nothing, Nothing, ended, Nothing]
        );
    }

    #[test]
    fn reads_that_fail_now_and_then_are_told_of_every_ten_seconds() {
        let reads = [
            (0, false),
            (1, true),
            (2, false),
            (3, true),
            (4, false),
            (11, false),
        ];
        let ended = News::Ended(Duration::from_secs(1));
        assert_eq!(
            told(&reads),
            [Began, ended, Nothing, Nothing, Nothing, Began]
        );
    }
}
