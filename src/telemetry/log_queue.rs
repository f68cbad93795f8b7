//! Log lines on their way to standard error.
//!
//! A pipe whose reader stalls blocks whoever writes to it, for as long as it likes. So a thread of
//! its own writes; everybody else only hands a line over, and a line for which there is no room is
//! lost and counted. Nothing but the log is harmed by what becomes of the log.
use std::{
    io::{self, ErrorKind, Write},
    mem,
    os::fd::AsFd,
    sync::Arc,
    thread,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};
use tracing_subscriber::fmt::MakeWriter;

use super::{Counter, Page};

/// Most bytes that may wait to be written; as many again may be in writing.
const MOST_BYTES: usize = 1 << 20;
/// How long the lines that still wait may take to be written at the end of the process.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// A pipe that somebody else made non-blocking is tried again after this.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// Takes log lines: each `write` is one line. Clones are the same queue.
#[derive(Clone, Default)]
pub struct LogQueue(Arc<SharedQueue>);

#[derive(Default)]
struct SharedQueue {
    state: Mutex<QueueState>,
    /// There is something to write.
    filled: Condvar,
    /// All is written.
    emptied: Condvar,
    lost: Counter,
}

#[derive(Default)]
struct QueueState {
    waiting: LineBuffer,
    is_writing: bool,
}

/// Lines, one behind the other.
#[derive(Default)]
struct LineBuffer {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// Lines that were lost, as far as the log has it.
#[derive(Default)]
struct Losses {
    reported: u64,
    problem: Option<String>,
}

impl Losses {
    /// Tells of those beyond the ones before, where `lost` are all.
    fn report(&mut self, lost: u64) {
        if lost > self.reported {
            let problem = self.problem.take();
            tracing::warn!(
                component = "log",
                lines = lost - self.reported,
                problem = problem.unwrap_or_else(|| "they were read too slowly".to_owned()),
                "log lines were lost; they went to no other place"
            );
            self.reported = lost;
        }
    }
}

/// Gives what still waits a moment to be written when it is dropped, and not more.
#[must_use = "what was logged last is lost without it"]
pub struct LogFlushGuard(LogQueue);

impl LogQueue {
    /// A queue that a thread writes to standard error, to the end of the process.
    ///
    /// # Errors
    ///
    /// When the system has no file descriptor or thread for it.
    pub fn to_stderr() -> io::Result<Self> {
        // Not through `io::stderr`: its lock would be held for as long as the reader stalls.
        let stderr = io::stderr().as_fd().try_clone_to_owned()?;
        Self::to(std::fs::File::from(stderr))
    }

    fn to(sink: impl Write + Send + 'static) -> io::Result<Self> {
        let queue = Self::default();
        let lines = queue.clone();
        let work = move || lines.write_to(&mut Sink::new(sink));
        thread::Builder::new().name("log".to_owned()).spawn(work)?;
        Ok(queue)
    }

    /// What waits for the last lines when the process ends.
    pub fn guard(&self) -> LogFlushGuard {
        LogFlushGuard(self.clone())
    }

    /// Writes how many lines were lost.
    pub fn collect(&self, page: &mut Page) {
        page.counter(
            "catalog_log_lines_lost_total",
            "Log lines dropped because standard error was read too slowly or refused them.",
        )
        .sample(&[], self.0.lost.get());
    }

    fn put(&self, line: &[u8]) {
        let mut state = self.0.state.lock();
        if state.waiting.bytes.len() + line.len() > MOST_BYTES {
            self.0.lost.add(1);
            return;
        }
        state.waiting.put(line);
        drop(state);
        self.0.filled.notify_one();
    }

    /// Writes for ever, and tells of what was lost as soon as lines arrive again.
    fn write_to(&self, sink: &mut Sink<impl Write>) {
        let (mut lines, mut losses) = (LineBuffer::default(), Losses::default());
        let mut are_written = true;
        loop {
            self.take(&mut lines);
            // Where there was none before, there is room for it now.
            if are_written {
                losses.report(self.0.lost.get());
            }
            are_written = true;
            for line in lines.iter() {
                if let Err(error) = sink.write_line(line) {
                    self.0.lost.add(1);
                    losses.problem = Some(error.to_string());
                    are_written = false;
                }
            }
            if are_written && self.has_room() {
                losses.report(self.0.lost.get());
            }
        }
    }

    fn has_room(&self) -> bool {
        self.0.state.lock().waiting.bytes.len() < MOST_BYTES / 2
    }

    /// Waits for lines, and takes all that there are.
    fn take(&self, lines: &mut LineBuffer) {
        lines.clear();
        let mut state = self.0.state.lock();
        state.is_writing = false;
        if state.waiting.ends.is_empty() {
            self.0.emptied.notify_all();
        }
        let has_none = |state: &mut QueueState| state.waiting.ends.is_empty();
        self.0.filled.wait_while(&mut state, has_none);
        mem::swap(&mut state.waiting, lines);
        state.is_writing = true;
    }

    fn wait_until_empty(&self, at_most: Duration) {
        let is_busy = |state: &mut QueueState| state.is_writing || !state.waiting.ends.is_empty();
        // Whoever does not read in time is not waited for.
        let mut state = self.0.state.lock();
        self.0.emptied.wait_while_for(&mut state, is_busy, at_most);
    }
}

impl Drop for LogFlushGuard {
    fn drop(&mut self) {
        self.0.wait_until_empty(LAST_WORDS);
    }
}

impl MakeWriter<'_> for LogQueue {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Write for LogQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl LineBuffer {
    fn put(&mut self, line: &[u8]) {
        self.bytes.extend_from_slice(line);
        self.ends.push(self.bytes.len());
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let ranges = starts.zip(&self.ends);
        ranges.filter_map(|(start, end)| self.bytes.get(start..*end))
    }
}

/// Where lines go, and whether one of them broke off there.
struct Sink<W> {
    writer: W,
    is_mid_line: bool,
}

impl<W: Write> Sink<W> {
    fn new(writer: W) -> Self {
        Self {
            writer,
            is_mid_line: false,
        }
    }

    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        // What broke off must not spoil the line behind it as well.
        if self.is_mid_line {
            self.write_all(b"\n")?;
        }
        self.write_all(line)
    }

    fn write_all(&mut self, mut rest: &[u8]) -> io::Result<()> {
        while !rest.is_empty() {
            match self.writer.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    rest = rest.get(written..).unwrap_or_default();
                    self.is_mid_line = !rest.is_empty();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(BUSY_PAUSE),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "log_queue_tests.rs"]
mod tests;
