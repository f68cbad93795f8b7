//! The messages that a call answers with, one after the other, and how it ends.
use std::convert::Infallible;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::stream::{self, Stream, StreamExt};
use http::{
    HeaderName, HeaderValue, Response,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use prost_reflect::{DynamicMessage, MessageDescriptor};
use tonic::{Code, Status};

use super::{body::HttpBody, frames::MessageReader, json::json, problem::Problem};
use crate::transport::ResponseBody;

/// Proxies keep back what they can compress or collect, unless they are told.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The messages of one answer.
pub(super) struct Answers {
    body: ResponseBody,
    reader: MessageReader,
    request_id: HeaderValue,
}

impl Answers {
    pub(super) fn new(
        body: ResponseBody,
        kind: MessageDescriptor,
        request_id: &HeaderValue,
    ) -> Self {
        Self {
            body,
            reader: MessageReader::new(kind),
            request_id: request_id.clone(),
        }
    }

    /// The next message; none when the call ended well.
    ///
    /// # Errors
    ///
    /// How the call ended.
    pub(super) async fn next(&mut self) -> Result<Option<DynamicMessage>, Problem> {
        loop {
            match self.reader.next() {
                Ok(None) => {}
                Ok(Some(message)) => return Ok(Some(message)),
                Err(error) => return Err(self.unreadable(&error)),
            }
            let Some(frame) = self.body.frame().await else {
                return match self.reader.end() {
                    Ok(()) => Ok(None),
                    Err(error) => Err(self.unreadable(&error)),
                };
            };
            let frame = frame.map_err(|status| Problem::of(&status, &self.request_id))?;
            match frame.into_data() {
                Ok(mut data) => {
                    while data.has_remaining() {
                        self.reader.push(data.chunk());
                        data.advance(data.chunk().len());
                    }
                }
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    match Status::from_header_map(&trailers) {
                        Some(status) if status.code() != Code::Ok => {
                            return Err(Problem::of(&status, &self.request_id));
                        }
                        Some(_) | None => {}
                    }
                }
            }
        }
    }

    fn unreadable(&self, error: &dyn std::error::Error) -> Problem {
        tracing::error!(%error, "an answer of this process cannot be read");
        Problem::internal(&self.request_id)
    }

    /// The one message of a call that answers with one.
    ///
    /// # Errors
    ///
    /// How the call ended, if not well.
    pub(super) async fn only(&mut self) -> Result<DynamicMessage, Problem> {
        let message = self.next().await?;
        // What follows is how it ended.
        while self.next().await?.is_some() {}
        message.ok_or_else(|| Problem::internal(&self.request_id))
    }
}

/// A message a line; a problem on the last one, in an object of its own, where the call did not end well.
pub(super) fn lines(answers: Answers) -> Response<HttpBody> {
    let lines = stream::unfold(Some(answers), |answers| async {
        let mut answers = answers?;
        let (line, rest) = match answers.next().await {
            Ok(Some(message)) => (json(&message), Some(answers)),
            Ok(None) => return None,
            Err(problem) => {
                let mut line = BytesMut::from(&b"{\"error\":"[..]);
                line.put_slice(&problem.json());
                line.put_u8(b'}');
                (line.freeze(), None)
            }
        };
        let mut line = BytesMut::from(line);
        line.put_u8(b'\n');
        Some((line.freeze(), rest))
    });
    streamed(lines, "application/x-ndjson")
}

/// A response whose body is made as it is read, and that nobody keeps or holds back.
pub(super) fn streamed(
    pieces: impl Stream<Item = Bytes> + Send + 'static,
    kind: &'static str,
) -> Response<HttpBody> {
    let frames = pieces.map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
    let mut response = Response::new(HttpBody::stream(StreamBody::new(frames)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    let kept = HeaderValue::from_static("no-store, no-transform");
    headers.insert(CACHE_CONTROL, kept);
    headers.insert(UNBUFFERED, HeaderValue::from_static("no"));
    response
}
