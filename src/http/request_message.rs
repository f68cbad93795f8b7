//! The message of a call, made of an HTTP request when the call has been let in: who may not call is refused before
//! anything is read.
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use http_body::{Body, Frame};
use parking_lot::Mutex;
use tonic::Status;

use super::problem::Problem;

/// Why a request could not be read.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestProblem(Arc<Mutex<Option<Problem>>>);

impl RequestProblem {
    /// Notes what is wrong, and breaks the request off: the call then ends with this status.
    pub(super) fn note(&self, problem: Problem) -> Status {
        *self.0.lock() = Some(problem);
        Status::cancelled("the request cannot be read")
    }

    /// What the caller is told of a call that ended with `problem`: if its request broke off or did not come in time,
    /// that.
    pub(super) fn or(&self, problem: Problem) -> Problem {
        // Both end a call that still waits for its request.
        let is_unread = problem.status() == StatusCode::GATEWAY_TIMEOUT;
        let noted = is_unread.then(|| self.0.lock().take());
        noted.flatten().unwrap_or(problem)
    }
}

type Reading = Pin<Box<dyn Future<Output = Result<Bytes, Problem>> + Send>>;

/// The body of a gRPC request: one framed message.
pub(super) struct RequestMessage {
    reading: Option<Reading>,
    problem: RequestProblem,
}

impl RequestMessage {
    /// The message that `reading` gives; what is wrong with it is noted in `problem`, and until it is read, that it is
    /// late.
    pub(super) fn new(
        reading: impl Future<Output = Result<Bytes, Problem>> + Send + 'static,
        problem: &RequestProblem,
        request_id: &HeaderValue,
    ) -> Self {
        *problem.0.lock() = Some(Problem::too_slow(request_id));
        Self {
            reading: Some(Box::pin(reading)),
            problem: problem.clone(),
        }
    }
}

impl Body for RequestMessage {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(reading) = &mut self.reading else {
            return Poll::Ready(None);
        };
        let read = ready!(reading.as_mut().poll(cx));
        self.reading = None;
        Poll::Ready(Some(match read {
            Ok(message) => {
                *self.problem.0.lock() = None;
                Ok(Frame::data(message))
            }
            Err(problem) => Err(self.problem.note(problem)),
        }))
    }
}
