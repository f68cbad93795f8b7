use std::{
    io::{IsTerminal, Write, stderr},
    time::{Duration, Instant},
};

/// How wide the bar is, in characters.
const WIDTH: u64 = 30;
/// It is drawn no more often than eyes can follow.
const REDRAWN_AFTER: Duration = Duration::from_millis(100);

/// Shows on a terminal how much of something is done; nowhere else, and never on standard output.
pub(super) struct Bar {
    total_bytes: Option<u64>,
    drawn: Option<Instant>,
    is_shown: bool,
}

impl Bar {
    /// A bar for so many bytes, where that is known.
    pub(super) fn new(total_bytes: Option<u64>) -> Self {
        Self {
            total_bytes,
            drawn: None,
            is_shown: stderr().is_terminal(),
        }
    }

    /// Shows that so much is done.
    pub(super) fn show(&mut self, bytes: u64, rows: usize) {
        let is_due = self.drawn.is_none_or(|at| at.elapsed() >= REDRAWN_AFTER);
        if self.is_shown && is_due {
            self.drawn = Some(Instant::now());
            // Who cannot see it misses nothing that matters.
            let _ = write!(stderr(), "\r{}", picture(self.total_bytes, bytes, rows));
            let _ = stderr().flush();
        }
    }
}

/// It leaves no trace, however the work ends.
impl Drop for Bar {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            let _ = write!(stderr(), "\r\u{1b}[K");
            let _ = stderr().flush();
        }
    }
}

fn picture(total_bytes: Option<u64>, bytes: u64, rows: usize) -> String {
    let Some(total) = total_bytes.filter(|total| *total > 0) else {
        return format!("{rows} challenges sent");
    };
    let share = |of: u64| bytes.min(total).saturating_mul(of) / total;
    let done = usize::try_from(share(WIDTH)).unwrap_or(0);
    let left = usize::try_from(WIDTH).unwrap_or(0).saturating_sub(done);
    let bar = "#".repeat(done) + &".".repeat(left);
    format!("[{bar}] {:>3} %  {rows} challenges sent", share(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_tells_the_share_where_the_whole_is_known() {
        let half = picture(Some(200), 100, 7);
        let expected = format!(
            "[{}{}]  50 %  7 challenges sent",
            "#".repeat(15),
            ".".repeat(15)
        );
        assert_eq!(half, expected);
        assert!(
            picture(Some(200), 300, 7).contains("100 %"),
            "it grew meanwhile"
        );
        for unknown in [None, Some(0)] {
            assert_eq!(picture(unknown, 100, 7), "7 challenges sent");
        }
    }
}
