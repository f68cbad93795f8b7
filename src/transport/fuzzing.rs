//! What the targets in `fuzz/` try of this module: how it reads what callers send.
//!
//! It is always compiled, so that the targets are built from the same crate as all tests. The product calls none of it.
use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request};
use http_body::{Body, Frame};
use http_body_util::StreamBody;
use tonic::Status;

use super::{
    caller, compression,
    context::RequestContext,
    page_token::PageTokens,
    request_body::{RequestBodies, Share},
    resume_token, revision_token,
    upload::Upload,
};
use crate::domain::{Answer, ChallengeId, Cursor, Error, ListQuery, ResumePoint};

fn body(pieces: Vec<Bytes>) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
    StreamBody::new(stream::iter(pieces.into_iter().map(Frame::data).map(Ok)))
}

fn context() -> RequestContext {
    RequestContext::start(&Request::new(()), Duration::from_mins(1), None)
}

/// The one message of a request whose body comes in these pieces, with its prefix.
///
/// # Errors
///
/// What the caller is told.
pub async fn message(
    pieces: Vec<Bytes>,
    headers: &HeaderMap,
    limit_bytes: usize,
) -> Result<Bytes, Status> {
    let bodies = RequestBodies::new(limit_bytes);
    let read = bodies.read_framed(body(pieces), headers, &context()).await;
    read.map(|(message, _share): (_, Share)| message)
}

/// The messages of a request whose body comes in these pieces, and what the caller is told when one cannot be read.
pub async fn messages(
    pieces: Vec<Bytes>,
    headers: &HeaderMap,
    limit_bytes: usize,
) -> (Vec<Bytes>, Option<Status>) {
    let bodies = RequestBodies::new(limit_bytes);
    let mut upload = Upload::new(body(pieces), headers.clone(), &bodies, &context());
    let mut messages = Vec::new();
    loop {
        match upload.next_framed().await {
            Ok(Some(message)) => messages.push(message),
            Ok(None) => return (messages, None),
            Err(status) => return (messages, Some(status)),
        }
    }
}

/// What is read of the head of a call.
#[derive(Debug)]
pub struct CallHead {
    /// As it goes back.
    pub request_id: String,
    /// How long the call may take.
    pub limit: Duration,
    /// What the caller is told of a limit that cannot be read.
    pub refusal: Option<Status>,
    /// Whose limits hold.
    pub caller: Result<String, String>,
}

/// Reads the head of a call that may take `at_most`.
#[must_use]
pub fn call_head(headers: HeaderMap, at_most: Duration) -> CallHead {
    let mut request = Request::new(());
    *request.headers_mut() = headers;
    let call = RequestContext::start(&request, at_most, None);
    let limit = |end: Instant| end.duration_since(call.began);
    CallHead {
        request_id: call.request_id().to_owned(),
        limit: limit(call.deadline),
        refusal: call.unreadable(),
        caller: caller::caller(request.headers(), &call).map(|id| id.0),
    }
}

/// The compressed message of an answer with these `fields` of its call, as `transport::compression` makes it.
#[must_use]
pub fn compressed(answer: &Answer, fields: &[u8], headers: &HeaderMap) -> Option<Bytes> {
    compression::compressed(answer, fields, headers)
}

/// The token for the page of `query` behind `cursor`.
#[must_use]
pub fn page_token(tokens: &PageTokens, query: &ListQuery, cursor: &Cursor) -> String {
    tokens.make(query, cursor)
}

/// Where the page of `token` starts.
///
/// # Errors
///
/// What `PageTokens` says.
pub fn read_page_token(
    tokens: &PageTokens,
    query: &ListQuery,
    token: &str,
) -> Result<Option<Cursor>, Error> {
    tokens.read(token, query)
}

/// The token for the revisions before `number`.
#[must_use]
pub fn revision_token(tokens: &PageTokens, challenge: Option<ChallengeId>, number: i64) -> String {
    revision_token::make(tokens, challenge, number)
}

/// Before which revision the page of `token` starts.
///
/// # Errors
///
/// What `revision_token` says.
pub fn read_revision_token(
    tokens: &PageTokens,
    challenge: Option<ChallengeId>,
    token: &str,
) -> Result<Option<i64>, Error> {
    revision_token::read(tokens, challenge, token)
}

/// The token that leads to `point`.
#[must_use]
pub fn resume_token(point: &ResumePoint) -> Vec<u8> {
    resume_token::make(point)
}

/// Where a resume token leads.
#[must_use]
pub fn read_resume_token(token: &[u8]) -> Option<ResumePoint> {
    resume_token::read(token)
}
