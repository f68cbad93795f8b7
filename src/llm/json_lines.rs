use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream, stream::BoxStream};
use tokio::time::timeout;

use super::flaw::Flaw;
use crate::domain::FailureKind;

/// The longest line, in bytes. The result of a tip has about a thousand.
const LINE_BYTES: usize = 256 * 1024;
/// The longest body, in bytes: ten thousand results of some size, and far less than a disk.
const BODY_BYTES: usize = 256 * 1024 * 1024;

/// The lines of `body`, without their ends and without empty ones; the last needs no end.
///
/// Fails, and ends, when no byte comes for `idle`, a line or the whole is too large, or `body` fails.
pub(super) fn lines(
    body: impl Stream<Item = Result<Bytes, Flaw>> + Send + 'static,
    idle: Duration,
) -> impl Stream<Item = Result<Bytes, Flaw>> + Send {
    let lines = Lines {
        body: body.boxed(),
        idle,
        read: BytesMut::new(),
        searched: 0,
        body_bytes: 0,
        has_ended: false,
    };
    stream::try_unfold(lines, |mut lines| async move {
        let line = lines.next().await?;
        Ok(line.map(|line| (line, lines)))
    })
}

struct Lines {
    body: BoxStream<'static, Result<Bytes, Flaw>>,
    idle: Duration,
    /// What belongs to no line that was given.
    read: BytesMut,
    /// So much of it holds no line end.
    searched: usize,
    body_bytes: usize,
    has_ended: bool,
}

impl Lines {
    async fn next(&mut self) -> Result<Option<Bytes>, Flaw> {
        loop {
            if let Some(line) = self.take_line() {
                if !line.trim_ascii().is_empty() {
                    return Ok(Some(line));
                }
            } else if self.has_ended {
                return Ok(None);
            } else if self.read.len() > LINE_BYTES {
                return Err(Flaw::new(FailureKind::Malformed, "a result has no end"));
            } else {
                self.read_more().await?;
            }
        }
    }

    fn take_line(&mut self) -> Option<Bytes> {
        let unsearched = self.read.iter().skip(self.searched);
        match unsearched.clone().position(|byte| *byte == b'\n') {
            Some(end) => {
                let line = self.read.split_to(self.searched + end + 1);
                self.searched = 0;
                Some(line.freeze())
            }
            None if self.has_ended && !self.read.is_empty() => {
                self.searched = 0;
                Some(self.read.split().freeze())
            }
            None => {
                self.searched = self.read.len();
                None
            }
        }
    }

    async fn read_more(&mut self) -> Result<(), Flaw> {
        let chunk = timeout(self.idle, self.body.next()).await;
        let silence = |_| Flaw::new(FailureKind::TooSlow, "the results fell silent");
        let Some(chunk) = chunk.map_err(silence)?.transpose()? else {
            self.has_ended = true;
            return Ok(());
        };
        self.body_bytes = self.body_bytes.saturating_add(chunk.len());
        if self.body_bytes > BODY_BYTES {
            return Err(Flaw::new(FailureKind::CutOff, "the results have no end"));
        }
        self.read.extend_from_slice(&chunk);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;

    use super::*;

    const IDLE: Duration = Duration::from_secs(5);

    async fn read(chunks: Vec<&'static [u8]>) -> Result<Vec<String>, Flaw> {
        let chunks = chunks
            .into_iter()
            .map(|chunk| Ok(Bytes::from_static(chunk)));
        let lines = lines(stream::iter(chunks), IDLE);
        let text = |line: Bytes| String::from_utf8_lossy(line.trim_ascii()).into_owned();
        lines.map_ok(text).try_collect().await
    }

    #[tokio::test]
    async fn lines_are_whole_however_the_body_is_cut() {
        let body = b"{\"a\":1}\r\n\n{\"b\":\"\xC3\xA9\"}\n{\"c\":3}";
        let expected = ["{\"a\":1}", "{\"b\":\"é\"}", "{\"c\":3}"];
        for size in 1..=body.len() {
            let lines = read(body.chunks(size).collect()).await.unwrap();
            assert_eq!(lines, expected, "{size}");
        }
    }

    #[tokio::test]
    async fn a_line_without_an_end_is_not_read_to_it() {
        let endless = stream::repeat_with(|| Ok(Bytes::from(vec![b'x'; 10_000]))).take(1_000);
        let flaw = lines(endless, IDLE).try_collect::<Vec<_>>().await;
        let flaw = flaw.unwrap_err();
        assert_eq!(flaw.kind, FailureKind::Malformed);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_it_and_a_slow_reader_does_not() {
        let stalled = stream::iter([Ok(Bytes::from_static(b"1\n2"))]).chain(stream::pending());
        let mut lines = Box::pin(lines(stalled, IDLE));
        assert!(lines.next().await.unwrap().is_ok());
        tokio::time::sleep(10 * IDLE).await;
        let flaw = lines.next().await.unwrap().unwrap_err();
        assert_eq!(flaw.kind, FailureKind::TooSlow);
    }
}
