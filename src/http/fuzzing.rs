//! What the targets in `fuzz/` try of this module: how it reads what callers send.
//!
//! It is always compiled, so that the targets are built from the same crate as all tests. The product calls none of it.
use std::sync::LazyLock;

use bytes::Bytes;
use http::Method;
use prost::Message;
use prost_reflect::{DynamicMessage, MethodDescriptor};

use super::{
    compat_query::{CompatForm, CompatQuery},
    json::json,
    request_problems::Unreadable,
    routes::{Routes, RoutesError},
    service::Read,
    transcode,
};
use crate::{domain::FieldViolation, transport::ReadRequest};

static ROUTES: LazyLock<Result<Routes, RoutesError>> = LazyLock::new(Routes::read);

/// A request that has a route, as it was read.
#[derive(Debug)]
pub struct RoutedRequest {
    rpc: MethodDescriptor,
    /// The message of its method; or all that the caller is told is wrong.
    pub read: Result<RoutedMessage, Vec<String>>,
}

/// A message that a request asks its method with.
#[derive(Debug, PartialEq)]
pub struct RoutedMessage {
    /// In protobuf.
    pub bytes: Vec<u8>,
    /// In JSON.
    pub json: Bytes,
}

impl RoutedMessage {
    fn of(message: &DynamicMessage) -> Self {
        Self {
            bytes: message.encode_to_vec(),
            json: json(message),
        }
    }
}

impl RoutedRequest {
    /// What its message's JSON is read as.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn again(&self, json: &[u8]) -> Result<RoutedMessage, Vec<String>> {
        told(transcode::request_of_line(&self.rpc, 1, json))
    }
}

fn told(read: Result<DynamicMessage, Unreadable>) -> Result<RoutedMessage, Vec<String>> {
    match read {
        Ok(message) => Ok(RoutedMessage::of(&message)),
        Err(Unreadable::Malformed(problem)) => Err(vec![problem]),
        Err(Unreadable::Fields(violations)) => {
            let violations: Vec<FieldViolation> = violations.into();
            Err(violations.iter().map(ToString::to_string).collect())
        }
    }
}

/// Reads a request; `None` if it has no route.
#[must_use]
pub fn asked(verb: &Method, path: &str, query: &str, body: &[u8]) -> Option<RoutedRequest> {
    let routes = ROUTES.as_ref().ok()?;
    let found = routes.find(verb, path).ok()?;
    let read = transcode::request(found.route, &found.variables, query, body);
    Some(RoutedRequest {
        rpc: found.route.rpc().clone(),
        read: told(read),
    })
}

/// The same for the reads that are called most, which are read without descriptors: the message in protobuf, or how
/// many things are wrong.
#[must_use]
pub fn plain_read(path: &str, query: &str) -> Option<Result<Vec<u8>, usize>> {
    let (_method, read) = Read::at(path)?.query(query);
    Some(match read {
        Ok(read) => Ok(match read.request {
            ReadRequest::List(request) => request.encode_to_vec(),
            ReadRequest::Get(request) => request.encode_to_vec(),
            ReadRequest::BatchGet(request) => request.encode_to_vec(),
        }),
        Err(violations) => Err(violations.len()),
    })
}

/// The limit that a query asks the old list for, in either form; or the JSON that refuses it.
///
/// # Errors
///
/// The body of the refusal.
pub fn old_limit(query: &str, form: CompatForm) -> Result<Option<u32>, Bytes> {
    let read = CompatQuery::read(query, form);
    read.map(|asked| asked.limit).map_err(|it| it.body)
}
