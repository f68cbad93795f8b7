use std::{
    collections::VecDeque,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

use super::*;

/// Plays a sink that answers each write so: with a number of bytes, or an error.
struct Scripted {
    answers: VecDeque<Result<usize, ErrorKind>>,
    came: Vec<u8>,
}

impl Write for Scripted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let most = self.answers.pop_front().unwrap_or(Ok(usize::MAX))?;
        let taken = &bytes[..bytes.len().min(most)];
        self.came.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn came(answers: &[Result<usize, ErrorKind>], lines: &[&str]) -> (String, Vec<bool>) {
    let mut sink = Sink::new(Scripted {
        answers: answers.iter().copied().collect(),
        came: Vec::new(),
    });
    let written = lines.iter();
    let written = written.map(|line| sink.write_line(line.as_bytes()).is_ok());
    let written = written.collect();
    (String::from_utf8(sink.writer.came).unwrap(), written)
}

#[test]
fn a_line_that_broke_off_does_not_spoil_the_next() {
    let (text, written) = came(
        &[Ok(2), Err(ErrorKind::StorageFull), Ok(1), Ok(9)],
        &["first\n", "second\n"],
    );
    assert_eq!(
        (text.as_str(), written),
        ("fi\nsecond\n", vec![false, true])
    );
}

#[test]
fn a_line_in_pieces_and_a_pipe_that_is_busy_for_a_moment_lose_nothing() {
    let answers = [
        Ok(3),
        Err(ErrorKind::WouldBlock),
        Err(ErrorKind::Interrupted),
        Ok(1),
    ];
    let (text, written) = came(&answers, &["first\n", "second\n"]);
    assert_eq!(
        (text.as_str(), written),
        ("first\nsecond\n", vec![true, true])
    );
}

/// A sink that takes a write only when somebody receives it.
struct Gated(SyncSender<Vec<u8>>);

impl Write for Gated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.send(bytes.to_vec());
        sent.map_err(|_| ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn gated() -> (LogQueue, Receiver<Vec<u8>>) {
    let (sender, receiver) = sync_channel(0);
    (LogQueue::to(Gated(sender)).unwrap(), receiver)
}

#[test]
fn what_does_not_fit_is_lost_and_counted_and_the_rest_keeps_its_order() {
    let (mut queue, reader) = gated();
    let line = |number: usize| format!("{number:>1023}\n").into_bytes();
    queue.write_all(&line(0)).unwrap();
    // Nobody reads it, so it stays in writing.
    while !queue.0.state.lock().is_writing {
        thread::yield_now();
    }
    let fit = MOST_BYTES / 1024;
    for number in 1..=fit + 3 {
        queue.write_all(&line(number)).unwrap();
    }
    assert_eq!(queue.0.lost.get(), 3);
    for number in 0..=fit {
        assert!(reader.recv().unwrap() == line(number), "{number}");
    }
}

#[test]
fn the_end_waits_for_the_last_lines_and_not_for_a_reader_that_stalls() {
    let (mut queue, reader) = gated();
    queue.write_all(b"last words\n").unwrap();
    let guard = queue.guard();
    let reading = thread::spawn(move || reader.recv().map(|line| (line, reader)));
    drop(guard);
    let (line, _stalled) = reading.join().unwrap().unwrap();
    assert_eq!(line, b"last words\n");
    queue.write_all(b"never read\n").unwrap();
    drop(queue.guard());
}
