//! A progress bar on standard error.
use std::{
    io::{Write, stderr},
    time::{Duration, Instant},
};

use super::{escape::clean, screen::Screen};
use crate::config::EnvVars;

/// A bar on standard error that shows how far long work is, where somebody can see it.
pub(super) struct Progress {
    what: &'static str,
    is_shown: bool,
    drawn: Option<Drawn>,
}

/// The bar as it stands there.
#[derive(Clone, Copy)]
struct Drawn {
    at: Instant,
    percent: Option<u64>,
}

const WIDTH: usize = 30;
/// A bar that grew by less than a hundredth is not drawn more often: many rows would wait for the
/// terminal.
const LEAST_GAP: Duration = Duration::from_millis(50);
const CLEAR: &str = "\r\u{1b}[2K";
/// Words are cut off here, so that the bar stays on one line.
const WORDS_MAX: usize = 38;

impl Progress {
    /// Nothing is shown yet; nothing ever, where what is written cannot be written over.
    pub(super) fn new(what: &'static str, environment: &EnvVars) -> Self {
        Self {
            what,
            is_shown: Screen::of(&stderr(), environment) == Screen::Full,
            drawn: None,
        }
    }

    /// Shows that `done` of `total` are done, as far as that is known, and words about it.
    pub(super) fn at(&mut self, done: u64, total: Option<u64>, words: &str) {
        let percent = total.map(|total| (done * 100).checked_div(total).unwrap_or(100));
        // What comes next may take long, so a bar that is to grow does not wait for its turn.
        let is_soon = self
            .drawn
            .is_some_and(|drawn| drawn.percent == percent && drawn.at.elapsed() < LEAST_GAP);
        if !self.is_shown || is_soon {
            return;
        }
        self.drawn = Some(Drawn {
            at: Instant::now(),
            percent,
        });
        draw(&format!("{CLEAR}{} {}", self.what, bar(done, total, words)));
    }

    /// Takes the bar away; the work's own words take its place.
    pub(super) fn finish(&mut self) {
        if self.drawn.take().is_some() {
            draw(CLEAR);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

fn draw(text: &str) {
    let mut out = stderr().lock();
    // A bar that cannot be drawn is no reason to stop the work.
    let _ = write!(out, "{text}").and_then(|()| out.flush());
}

fn bar(done: u64, total: Option<u64>, words: &str) -> String {
    let words: String = clean(words).chars().take(WORDS_MAX).collect();
    let Some(total) = total else {
        return words;
    };
    let filled = (done.min(total) * WIDTH as u64)
        .checked_div(total)
        .unwrap_or(WIDTH as u64);
    let filled = usize::try_from(filled).unwrap_or(WIDTH);
    let (full, empty) = ("█".repeat(filled), "░".repeat(WIDTH - filled));
    format!("{full}{empty} {words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_grows_to_its_end_and_not_beyond() {
        let none = format!("{} 0/4 a b", "░".repeat(WIDTH));
        assert_eq!(bar(0, Some(4), "0/4 a b"), none);
        let half = format!("{}{} 2/4", "█".repeat(15), "░".repeat(15));
        assert_eq!(bar(2, Some(4), "2/4"), half);
        for (done, total) in [(4, 4), (5, 4), (0, 0)] {
            let full = bar(done, Some(total), "");
            assert!(full.starts_with(&"█".repeat(WIDTH)), "{full}");
        }
        assert_eq!(bar(7, None, "7 rows"), "7 rows");
    }
}
