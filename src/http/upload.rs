//! NDJSON of a request as the messages of a client stream, read line by line.
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use http_body::{Body, Frame};
use prost_reflect::MethodDescriptor;
use tonic::Status;

use super::{
    frames::framed, problem::Problem, request_message::RequestProblem, transcode::request_of_line,
};

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
    /// What is wrong with its headers.
    refusal: Option<Problem>,
    problem: RequestProblem,
    request_id: HeaderValue,
}

impl<B> Upload<B> {
    /// Reads `body` as messages of `rpc`, each of at most so many bytes, unless there is a `refusal`; what is wrong is
    /// noted in `problem`.
    pub(super) fn new(
        body: B,
        (rpc, limit_bytes): (MethodDescriptor, usize),
        refusal: Option<Problem>,
        problem: &RequestProblem,
        request_id: &HeaderValue,
    ) -> Self {
        Self {
            body,
            rpc,
            limit_bytes,
            rest: BytesMut::new(),
            searched: 0,
            lines: 0,
            is_over: false,
            refusal,
            problem: problem.clone(),
            request_id: request_id.clone(),
        }
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

    fn message(&mut self, line: &[u8]) -> Result<Option<Bytes>, Status> {
        self.lines += 1;
        if line.trim_ascii().is_empty() {
            return Ok(None);
        }
        match request_of_line(&self.rpc, self.lines, line) {
            Ok(message) => Ok(Some(framed(&message))),
            Err(wrong) => Err(self.fail(Problem::unreadable(wrong, &self.request_id))),
        }
    }

    fn fail(&mut self, problem: Problem) -> Status {
        self.is_over = true;
        self.rest.clear();
        self.problem.note(problem)
    }
}

impl<B> Body for Upload<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(problem) = self.refusal.take() {
            return Poll::Ready(Some(Err(self.fail(problem))));
        }
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
                let problem = Problem::malformed(&problem, &self.request_id);
                return Poll::Ready(Some(Err(self.fail(problem))));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let data = frame.into_data().unwrap_or_default();
                    self.rest.extend_from_slice(&data);
                }
                Some(Err(_)) => {
                    let problem = Problem::malformed("the body broke off", &self.request_id);
                    return Poll::Ready(Some(Err(self.fail(problem))));
                }
                None => self.is_over = true,
            }
        }
    }
}
