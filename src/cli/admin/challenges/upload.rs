//! Turns a file into the messages of an import.
use std::io::BufRead;

use futures_util::{Stream, StreamExt, stream};
use prost::Message;
use tokio::sync::oneshot;

use super::file::{ChallengeFile, FileRow, LineProblem};
use crate::{
    cli::{challenge, progress::Progress},
    pb::admin::v1::{ImportChallengesRequest, ImportOptions, ImportRow},
};

/// A message has as many rows as fit, so that none is too large for the server and none is too small.
const MESSAGE_BYTES: usize = 128 << 10;
const MESSAGE_ROWS: usize = 1_000;
/// How many problems of a file are printed.
const PROBLEMS_MAX: usize = 20;

/// What is wrong with a file.
#[derive(Debug)]
pub(super) struct FileProblems {
    /// The first of them.
    pub(super) first: Vec<LineProblem>,
    /// Whether there are others.
    pub(super) has_more: bool,
}

/// The messages of an import, read when they are wanted; `length` is that of the file in bytes,
/// where it is known, and shown as progress. Once a problem is met they never end, for
/// their end would mean that the file was whole; the problems come by the second way.
pub(super) fn messages<R: BufRead + Send + 'static>(
    file: ChallengeFile<R>,
    options: ImportOptions,
    length: Option<u64>,
    progress: Progress,
) -> (
    impl Stream<Item = ImportChallengesRequest> + Send,
    oneshot::Receiver<FileProblems>,
) {
    let (sender, problems) = oneshot::channel();
    let source = MessageSource {
        file,
        options: Some(options),
        next: None,
        length,
        progress,
        sent: 0,
    };
    let messages = stream::unfold((source, Some(sender)), async |(mut source, mut sender)| {
        match source.message() {
            Ok(message) => message.map(|message| (message, (source, sender))),
            Err(problems) => {
                if let Some(sender) = sender.take() {
                    // Nobody listens when the call is over, and then nobody needs to.
                    let _ = sender.send(problems);
                }
                std::future::pending().await
            }
        }
    });
    (messages.boxed(), problems)
}

struct MessageSource<R> {
    file: ChallengeFile<R>,
    /// Goes with the first message.
    options: Option<ImportOptions>,
    /// A row that did not fit into the message before.
    next: Option<ImportRow>,
    length: Option<u64>,
    progress: Progress,
    sent: usize,
}

impl<R: BufRead> MessageSource<R> {
    fn message(&mut self) -> Result<Option<ImportChallengesRequest>, FileProblems> {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while rows.len() < MESSAGE_ROWS {
            let row = match self.next.take() {
                Some(row) => row,
                None => match self.read()? {
                    Some(row) => row,
                    None => break,
                },
            };
            bytes += row.encoded_len();
            if bytes > MESSAGE_BYTES && !rows.is_empty() {
                self.next = Some(row);
                break;
            }
            rows.push(row);
        }
        self.sent += rows.len();
        // An import of nothing is a message too, so that the server says what it thinks of it.
        let options = self.options.take();
        let is_over = rows.is_empty() && options.is_none();
        let next = if is_over { ", being written" } else { "" };
        let words = format!("{} challenges sent{next}", self.sent);
        self.progress.at(self.file.bytes, self.length, &words);
        Ok((!is_over).then_some(ImportChallengesRequest { options, rows }))
    }

    fn read(&mut self) -> Result<Option<ImportRow>, FileProblems> {
        match self.file.next() {
            Ok(row) => Ok(row.map(import_row)),
            Err(problems) => Err(self.all_problems(problems)),
        }
    }

    /// Looks through the rest of the file, so that all that is wrong is told at once.
    fn all_problems(&mut self, mut first: Vec<LineProblem>) -> FileProblems {
        while first.len() <= PROBLEMS_MAX && !self.file.is_over() {
            match self.file.next() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(more) => first.extend(more),
            }
        }
        let has_more = first.len() > PROBLEMS_MAX;
        first.truncate(PROBLEMS_MAX);
        FileProblems { first, has_more }
    }
}

fn import_row(FileRow { line, challenge }: FileRow) -> ImportRow {
    ImportRow {
        line: i64::try_from(line).unwrap_or(0),
        challenge: Some(challenge::imported(challenge)),
    }
}
