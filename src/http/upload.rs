//! NDJSON of a request as the messages of a client stream, read line by line.
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use parking_lot::Mutex;
use prost_reflect::MethodDescriptor;
use thiserror::Error;

use super::{frames::framed, request_problems::Unreadable, transcode::request_of_line};

/// Why an upload ended before its end.
pub(super) type UploadProblem = Arc<Mutex<Option<Unreadable>>>;

/// The lines of a body, as framed messages.
pub(super) struct Upload<B> {
    body: B,
    rpc: MethodDescriptor,
    limit_bytes: usize,
    /// What came and is no whole line yet.
    rest: BytesMut,
    /// How many of its bytes have been searched for the end of a line.
    searched: usize,
    lines: usize,
    is_over: bool,
    problem: UploadProblem,
}

/// The upload cannot be read, or broke off.
#[derive(Debug, Error)]
#[error("the lines of the request cannot be read")]
pub(super) struct UploadError;

impl<B> Upload<B> {
    /// Reads `body` as messages of `rpc`, each of at most `limit_bytes`; what is wrong with a line will be told.
    pub(super) fn new(body: B, rpc: MethodDescriptor, limit_bytes: usize) -> (Self, UploadProblem) {
        let problem = UploadProblem::default();
        let upload = Self {
            body,
            rpc,
            limit_bytes,
            rest: BytesMut::new(),
            searched: 0,
            lines: 0,
            is_over: false,
            problem: Arc::clone(&problem),
        };
        (upload, problem)
    }

    /// The next line that is whole, without its end; what is left, when the body is over.
    fn line(&mut self) -> Option<BytesMut> {
        let unsearched = self.rest.get(self.searched..).unwrap_or_default();
        if let Some(at) = unsearched.iter().position(|byte| *byte == b'\n') {
            let line = self.rest.split_to(self.searched + at + 1);
            self.searched = 0;
            return Some(line);
        }
        self.searched = self.rest.len();
        let is_last = self.is_over && !self.rest.is_empty();
        is_last.then(|| self.rest.split())
    }

    fn message(&mut self, line: &[u8]) -> Result<Option<Bytes>, UploadError> {
        self.lines += 1;
        if line.trim_ascii().is_empty() {
            return Ok(None);
        }
        match request_of_line(&self.rpc, self.lines, line) {
            Ok(message) => Ok(Some(framed(&message))),
            Err(problem) => Err(self.fail(problem)),
        }
    }

    fn fail(&mut self, problem: Unreadable) -> UploadError {
        *self.problem.lock() = Some(problem);
        self.is_over = true;
        self.rest.clear();
        UploadError
    }
}

impl<B> Body for Upload<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        loop {
            while let Some(line) = self.line() {
                match self.message(&line) {
                    Ok(None) => {}
                    Ok(Some(message)) => return Poll::Ready(Some(Ok(Frame::data(message)))),
                    Err(error) => return Poll::Ready(Some(Err(error))),
                }
            }
            if self.is_over {
                return Poll::Ready(None);
            }
            if self.rest.len() > self.limit_bytes {
                let (line, limit) = (self.lines + 1, self.limit_bytes);
                let problem = format!("line {line} is longer than {limit} bytes");
                return Poll::Ready(Some(Err(self.fail(Unreadable::Malformed(problem)))));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let data = frame.into_data().unwrap_or_default();
                    self.rest.extend_from_slice(&data);
                }
                Some(Err(_)) => {
                    let problem = Unreadable::Malformed("the body broke off".to_owned());
                    return Poll::Ready(Some(Err(self.fail(problem))));
                }
                None => self.is_over = true,
            }
        }
    }
}
