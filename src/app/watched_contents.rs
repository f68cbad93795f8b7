//! Files that are read again and again while what was read before is in force, and what the log says of those that
//! cannot be used.
use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use tokio::{
    task::spawn_blocking,
    time::{Instant, timeout},
};

use crate::telemetry::Failing;

/// How long reading may take: a network mount may hang.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Time between two lines of a problem that stays the same.
const REPEAT_LINE_INTERVAL: Duration = Duration::from_mins(1);

/// The contents of files that belong together, as they are in force.
pub(super) struct WatchedContents<T> {
    /// What the log calls them.
    name: &'static str,
    in_force: Mutex<T>,
    is_refused: AtomicBool,
    refusals: Mutex<Refusals>,
}

impl<T: PartialEq + Send + 'static> WatchedContents<T> {
    /// `contents` are in force.
    pub(super) fn new(name: &'static str, contents: T) -> Self {
        Self {
            name,
            in_force: Mutex::new(contents),
            is_refused: AtomicBool::new(false),
            refusals: Mutex::default(),
        }
    }

    /// Whether those that are there cannot be used, so that others are in force.
    pub(super) fn is_refused(&self) -> bool {
        self.is_refused.load(Relaxed)
    }

    /// Reads the contents, and has those that changed take force by `apply`. What could not be used is tried again as
    /// well: its time may have come. Returns whether there was something to apply. The log says of a problem that
    /// changed, or that somebody `is_asking` about, at once.
    pub(super) async fn read_again(
        &self,
        is_asking: bool,
        read: impl FnOnce() -> Result<T, String> + Send + 'static,
        apply: impl FnOnce(&T) -> Result<(), String>,
    ) -> bool {
        let read = timeout(READ_TIMEOUT, spawn_blocking(read)).await;
        let read = match read {
            Ok(Ok(read)) => read,
            Ok(Err(_)) | Err(_) => Err("not read in time".to_owned()),
        };
        let applied = read.and_then(|contents| {
            let mut in_force = self.in_force.lock();
            if *in_force == contents && !self.is_refused() {
                return Ok(false);
            }
            apply(&contents)?;
            *in_force = contents;
            Ok(true)
        });
        let name = self.name;
        match applied {
            Ok(false) => false,
            Ok(true) => {
                self.is_refused.store(false, Relaxed);
                self.refusals().end();
                tracing::info!("the {name} was read again, and is in force for new calls");
                true
            }
            Err(problem) => {
                self.is_refused.store(true, Relaxed);
                let line = self.refusals().note(&problem, is_asking, Instant::now());
                if let Some(Failing { failures, lasted }) = line {
                    tracing::warn!(
                        problem,
                        failures,
                        ?lasted,
                        "the {name} cannot be used; what was read before stays in force"
                    );
                }
                true
            }
        }
    }

    fn refusals(&self) -> MutexGuard<'_, Refusals> {
        self.refusals.lock()
    }
}

/// Decides which refusals are logged.
#[derive(Default)]
struct Refusals {
    since: Option<Instant>,
    /// Since the line before.
    untold: u64,
    told: Option<(String, Instant)>,
}

impl Refusals {
    /// Takes in a refusal for this `problem`. Returns what its line says, if it has one.
    fn note(&mut self, problem: &str, is_asking: bool, now: Instant) -> Option<Failing> {
        let since = *self.since.get_or_insert(now);
        self.untold += 1;
        let is_told = self.told.as_ref().is_some_and(|(told, at)| {
            told == problem && now.duration_since(*at) < REPEAT_LINE_INTERVAL
        });
        if is_told && !is_asking {
            return None;
        }
        self.told = Some((problem.to_owned(), now));
        Some(Failing {
            failures: std::mem::take(&mut self.untold),
            lasted: now.duration_since(since),
        })
    }

    fn end(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(watched: &WatchedContents<String>, text: Result<&str, &str>) -> bool {
        let text = text.map(str::to_owned).map_err(str::to_owned);
        let apply = |text: &String| (text != "bad").then_some(()).ok_or("it is bad".to_owned());
        watched.read_again(false, || text, apply).await
    }

    #[tokio::test]
    async fn what_cannot_be_used_is_refused_until_it_can_be() {
        let watched = WatchedContents::new("file", "one".to_owned());
        assert!(!read(&watched, Ok("one")).await && !watched.is_refused());
        for refused in [Ok("bad"), Err("it is gone"), Ok("bad")] {
            assert!(read(&watched, refused).await && watched.is_refused());
        }
        assert!(read(&watched, Ok("one")).await && !watched.is_refused());
        assert!(read(&watched, Ok("two")).await && !watched.is_refused());
        assert!(!read(&watched, Ok("two")).await);
    }

    #[test]
    fn a_problem_that_changes_is_told_at_once_and_one_that_stays_once_a_minute_or_when_asked() {
        let (mut refusals, start) = (Refusals::default(), Instant::now());
        let mut told = |problem, is_asking, seconds| {
            let now = start + Duration::from_secs(seconds);
            let line = refusals.note(problem, is_asking, now);
            line.map(|line| (line.failures, line.lasted.as_secs()))
        };
        assert_eq!(told("a", false, 0), Some((1, 0)));
        assert_eq!(told("a", false, 10), None);
        assert_eq!(told("b", false, 20), Some((2, 20)));
        assert_eq!(told("b", false, 30), None);
        assert_eq!(told("b", true, 31), Some((2, 31)));
        assert_eq!(told("b", false, 90), None);
        assert_eq!(told("b", false, 91), Some((2, 91)));
        refusals.end();
        let line = refusals.note("b", false, start + Duration::from_secs(92));
        assert_eq!(line.map(|line| line.failures), Some(1));
    }
}
