//! The context of a call: correlation id, deadline, peer, principal.
use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, HeaderValue, Request, uri::PathAndQuery};
use tonic::Status;
use tracing::{Instrument, Span, error_span, level_filters::LevelFilter};

use super::status::{self, to_status};
use crate::domain::{Error, Principal, hex};

/// The correlation id, in requests and responses.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_MAX_BYTES: usize = 128;
/// How long the caller waits.
const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// What belongs to one call, beside its message.
#[derive(Clone, Debug)]
pub(super) struct RequestContext {
    /// Taken from the caller, or made here. Only letters, digits and `-_.:/+=`, so that it is
    /// the same text in every log.
    pub(super) request_id: HeaderValue,
    /// When its head had come.
    pub(super) began: Instant,
    /// When the call's time is over: the caller's limit or ours, whichever is earlier.
    pub(super) deadline: Instant,
    /// The address of the caller's end of the connection, where that is known.
    pub(super) peer: Option<IpAddr>,
    /// Who calls, where credentials are asked for.
    pub(super) principal: Option<Arc<Principal>>,
    /// What it is about, as text, once its message was read; for the audit trail, if it is to be there.
    pub(super) subject: Option<Arc<OnceLock<String>>>,
    path: Option<PathAndQuery>,
    /// What is wrong with the caller's limit. The call is refused for it: a caller that means to wait for a second
    /// must not keep the server at work for longer.
    bad_timeout: Option<&'static str>,
}

impl RequestContext {
    /// Reads the head of a call that starts now and may take `at_most`.
    pub(super) fn start<B>(request: &Request<B>, at_most: Duration, peer: Option<IpAddr>) -> Self {
        let headers = request.headers();
        let (limit, bad_timeout) = match time_limit(headers) {
            Ok(limit) => (limit.unwrap_or(at_most).min(at_most), None),
            Err(problem) => (at_most, Some(problem)),
        };
        let began = Instant::now();
        Self {
            request_id: request_id_of(headers),
            began,
            deadline: began + limit,
            peer,
            principal: None,
            subject: None,
            path: request.uri().path_and_query().cloned(),
            bad_timeout,
        }
    }

    /// The status for a call whose head cannot be read.
    pub(super) fn unreadable(&self) -> Option<Status> {
        let error = Error::invalid(TIMEOUT.as_str(), self.bad_timeout?);
        Some(self.refused(&error))
    }

    /// What the log lines of this call stand in, whatever the log's filter lets through.
    ///
    /// Made where something may be logged: it costs more than the rest of a near hit.
    pub(super) fn span(&self) -> Span {
        let method = self.path.as_ref().map_or("", PathAndQuery::path);
        error_span!("call", request_id = self.request_id(), method)
    }

    /// Does what needs no waiting, and logs at most for those who debug.
    pub(super) fn at_once<T>(&self, work: impl FnOnce() -> T) -> T {
        if LevelFilter::current() >= LevelFilter::DEBUG {
            self.span().in_scope(work)
        } else {
            work()
        }
    }

    /// Does what may take time, fail, and be logged.
    pub(super) async fn waiting<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Status> {
        let answer = async { self.result(work.await) };
        answer.instrument(self.span()).await
    }

    /// The answer, or the status for its error.
    pub(super) fn result<T>(&self, answer: Result<T, Error>) -> Result<T, Status> {
        answer.map_err(|error| self.refused(&error))
    }

    /// The status for `error`.
    pub(super) fn refused(&self, error: &Error) -> Status {
        to_status(error, self.request_id())
    }

    /// The correlation id as it goes back. No two are alike, so HPACK's table is
    /// spared: it would drop for them what all answers share.
    pub(super) fn returned_id(&self) -> HeaderValue {
        let mut id = self.request_id.clone();
        id.set_sensitive(true);
        id
    }

    /// The correlation id as text.
    pub(super) fn request_id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }
}

/// A request's message, its metadata and its context.
///
/// # Errors
///
/// For a request that did not come through the edge.
pub(super) fn parts<M>(
    request: tonic::Request<M>,
) -> Result<(M, HeaderMap, RequestContext), Status> {
    let (metadata, mut extensions, message) = request.into_parts();
    let call = extensions.remove::<RequestContext>();
    let call = call.ok_or_else(|| status::internal("unknown"))?;
    Ok((message, metadata.into_headers(), call))
}

/// The correlation id of a request that is answered before it becomes a call: the caller's, or a new one.
#[must_use]
pub fn request_id_of(headers: &HeaderMap) -> HeaderValue {
    let usable = headers
        .get(REQUEST_ID)
        .filter(|id| is_usable(id.as_bytes()));
    usable.cloned().unwrap_or_else(new_request_id)
}

fn is_usable(id: &[u8]) -> bool {
    let ordinary = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
    (1..=REQUEST_ID_MAX_BYTES).contains(&id.len()) && id.iter().all(ordinary)
}

fn new_request_id() -> HeaderValue {
    let digits = rand::random::<[u64; 2]>().map(hex);
    let id = HeaderValue::from_bytes(digits.as_flattened());
    id.unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

/// The caller's limit, if there is one; or what is wrong with it.
fn time_limit(headers: &HeaderMap) -> Result<Option<Duration>, &'static str> {
    let mut values = headers.get_all(TIMEOUT).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err("must not be there twice");
    }
    let limit = grpc_timeout(value);
    limit
        .map(Some)
        .ok_or("must be 1 to 8 digits and one of H, M, S, m, u and n, such as 250m")
}

/// `TimeoutValue TimeoutUnit` of the gRPC protocol: 1 to 8 digits and one of H, M, S, m, u, n.
fn grpc_timeout(value: &HeaderValue) -> Option<Duration> {
    let (unit, digits) = value.as_bytes().split_last()?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    match unit {
        b'H' => Some(Duration::from_hours(count)),
        b'M' => Some(Duration::from_mins(count)),
        b'S' => Some(Duration::from_secs(count)),
        b'm' => Some(Duration::from_millis(count)),
        b'u' => Some(Duration::from_micros(count)),
        b'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeout(text: &'static str) -> Option<Duration> {
        grpc_timeout(&HeaderValue::from_static(text))
    }

    #[test]
    fn timeouts_are_read_as_the_protocol_writes_them() {
        assert_eq!(timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(timeout("99999999H"), Some(Duration::from_hours(99_999_999)));
        for text in ["", "S", "1", "-1S", "1s", "123456789S", "1 S"] {
            assert_eq!(timeout(text), None, "{text}");
        }
    }

    #[test]
    fn a_limit_is_there_once_or_not_at_all() {
        let mut headers = HeaderMap::new();
        assert_eq!(time_limit(&headers), Ok(None));
        headers.append(TIMEOUT, HeaderValue::from_static("1S"));
        assert_eq!(time_limit(&headers), Ok(Some(Duration::from_secs(1))));
        headers.append(TIMEOUT, HeaderValue::from_static("1S"));
        assert!(time_limit(&headers).is_err());
    }

    #[test]
    fn a_request_id_is_kept_when_it_can_be_and_made_when_not() {
        let with = |id: &str| {
            let mut request = Request::new(());
            let id = HeaderValue::from_str(id).unwrap();
            request.headers_mut().insert(REQUEST_ID, id);
            RequestContext::start(&request, Duration::from_secs(1), None)
                .request_id()
                .to_owned()
        };
        assert_eq!(with("abc-1.2"), "abc-1.2");
        for bad in ["", "two words", "{\"json\"}", &"x".repeat(129)] {
            assert_eq!(with(bad).len(), 32, "{bad}");
        }
    }
}
