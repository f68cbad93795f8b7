//! What one reader saw, checked as it came.
use challenges_catalog::domain::{
    Error, ResetCause, ResumePoint, TipDone, TipEvent, TipEventKind, TipRole, TipSource,
};
use futures_util::{Stream, StreamExt};
use tokio::time::Instant;

use super::fixtures::sha256;

/// A stream, read to its end. Every rule of the port is checked on the way.
#[derive(Debug)]
pub struct Reading {
    pub role: TipRole,
    pub source: TipSource,
    pub text: String,
    pub done: TipDone,
    pub resets: Vec<ResetCause>,
    /// After every event that changed the text: where the reader could go on from.
    pub points: Vec<ResumePoint>,
    /// When each event came.
    pub times: Vec<Instant>,
    pub heartbeats: usize,
    pub ended_at: Instant,
}

/// Reads a stream that ends with a tip.
pub async fn read(stream: impl Stream<Item = Result<TipEvent, Error>> + Unpin) -> Reading {
    read_on(String::new(), stream).await.unwrap()
}

/// As [`read`], by a reader who has text already; it may end with an error.
pub async fn read_on(
    held: String,
    mut stream: impl Stream<Item = Result<TipEvent, Error>> + Unpin,
) -> Result<Reading, Error> {
    let first = stream.next().await.expect("a stream is never empty")?;
    let TipEventKind::Accepted { role, source } = first.kind else {
        panic!("a stream begins with Accepted, not with {first:?}");
    };
    let (mut text, mut resets, mut points, mut heartbeats) = (held, vec![], vec![], 0);
    let mut times = vec![Instant::now()];
    loop {
        let event = stream.next().await.expect("no stream ends without Done")?;
        times.push(Instant::now());
        match event.kind {
            TipEventKind::Accepted { .. } => panic!("accepted twice"),
            TipEventKind::Delta { text: more } => {
                assert!(!more.is_empty());
                text.push_str(&more);
            }
            TipEventKind::Reset { cause, .. } => {
                assert!(!text.is_empty(), "there is nothing to forget");
                text.clear();
                resets.push(cause);
            }
            TipEventKind::Heartbeat { .. } => {
                heartbeats += 1;
                continue;
            }
            TipEventKind::Done(done) => {
                assert!(stream.next().await.is_none(), "nothing follows Done");
                assert_eq!(done.bytes, text.len() as u64);
                assert_eq!(done.sha256, sha256(&text));
                return Ok(Reading {
                    role,
                    source,

                    text,
                    done: *done,
                    resets,
                    points,
                    times,
                    heartbeats,
                    ended_at: Instant::now(),
                });
            }
        }
        assert_eq!(event.at.offset, text.len() as u64, "offsets are contiguous");
        assert_eq!(&event.at.prefix_hash, sha256(&text).first_chunk().unwrap());
        points.push(event.at);
    }
}
