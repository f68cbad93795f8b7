//! Calls of all other methods: the request becomes a gRPC request of this process, and its answer JSON. So access, limits,
//! deadlines, counts and the audit trail are those of gRPC.
use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, Version,
    header::{
        ACCEPT_ENCODING, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE,
        HOST, IF_NONE_MATCH, TE, TRANSFER_ENCODING,
    },
    request::Parts,
};
use http_body::Body;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::service::Service;
use prost::Message;
use prost_reflect::MethodDescriptor;
use tokio::{sync::Semaphore, time::timeout};
use tonic::{Code, Status};

use super::{
    answers::{Answers, lines},
    body::HttpBody,
    frames::{PREFIX_LEN, framed},
    json::json,
    problem::Problem,
    reads::{JSON, REQUEST_ID, identified},
    routes::{BodyRule, Found, Route},
    time_limit,
    tip_events::{self, Resume},
    transcode::request,
    upload::Upload,
};
use crate::{
    domain::FieldViolation,
    transport::{Edge, request_id_of},
};

/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(5);
/// How many bodies are read at once: they are read before anybody knows whose they are.
const BODIES_MAX: usize = 64;

/// The bounds of request bodies.
#[derive(Clone, Debug)]
pub(super) struct Bodies {
    limit_bytes: usize,
    places: Arc<Semaphore>,
}

impl Bodies {
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            places: Arc::new(Semaphore::new(BODIES_MAX)),
        }
    }

    async fn read<B>(&self, body: B, request_id: &HeaderValue) -> Result<Bytes, Problem>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if body.is_end_stream() {
            return Ok(Bytes::new());
        }
        let _place = self.places.try_acquire().map_err(|_| {
            let detail = "this replica reads as many request bodies as it may";
            Problem::overloaded(detail, request_id)
        })?;
        let body = Limited::new(body, self.limit_bytes);
        match timeout(BODY_WITHIN, body.collect()).await {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                Err(Problem::too_large(self.limit_bytes, request_id))
            }
            Ok(Err(_)) => Err(Problem::malformed("the body broke off", request_id)),
            Err(_) => Err(Problem::too_slow(request_id)),
        }
    }

    /// Reads a body that must be empty.
    pub(super) async fn expect_none<B>(
        &self,
        body: B,
        request_id: &HeaderValue,
    ) -> Result<(), Problem>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if self.read(body, request_id).await?.is_empty() {
            return Ok(());
        }
        let violation = FieldViolation::new("body", "must be empty".to_owned());
        Err(Problem::invalid(vec![violation], request_id))
    }
}

/// Answers a request that the contract has a route for.
pub(super) async fn call<B>(
    edge: &Edge,
    bodies: &Bodies,
    found: Found<'_>,
    (head, body): (Parts, B),
) -> Response<HttpBody>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let request_id = request_id_of(&head.headers);
    let answer = attempt(edge, bodies, found, (head, body), &request_id).await;
    let response = answer.unwrap_or_else(|problem| problem.response());
    identified(response, request_id)
}

async fn attempt<B>(
    edge: &Edge,
    bodies: &Bodies,
    found: Found<'_>,
    (mut head, body): (Parts, B),
    request_id: &HeaderValue,
) -> Result<Response<HttpBody>, Problem>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    head.headers.insert(REQUEST_ID, request_id.clone());
    time_limit::translate(&mut head.headers)
        .map_err(|violation| Problem::invalid(vec![violation], request_id))?;
    let Found { route, variables } = found;
    if route.rpc().is_client_streaming() {
        if !is_of_type(&head.headers, NDJSON) {
            return Err(Problem::media_type(NDJSON, request_id));
        }
        let (upload, problem) = Upload::new(body, route.rpc().clone(), bodies.limit_bytes);
        let call = MethodCall::new(edge, route, &head.headers, request_id);
        let answer = call.send(upload).await;
        let problem = problem.lock().take();
        return match (problem, answer) {
            (Some(unreadable), _) => Err(Problem::unreadable(unreadable, request_id)),
            (None, answer) => answer,
        };
    }
    let body = bodies.read(body, request_id).await?;
    let has_body = !body.is_empty() && *route.body() != BodyRule::None;
    if has_body && !is_of_type(&head.headers, APPLICATION_JSON) {
        return Err(Problem::media_type(APPLICATION_JSON, request_id));
    }
    let query = head.uri.query().unwrap_or_default();
    let message = request(route, &variables, query, &body);
    let mut message = message.map_err(|wrong| Problem::unreadable(wrong, request_id))?;
    let call = MethodCall::new(edge, route, &head.headers, request_id);
    if !tip_events::are_of(route.rpc()) {
        return call.send(Full::new(framed(&message))).await;
    }
    if head.method == Method::HEAD {
        // Nothing is written for who reads nothing.
        tip_events::begin_nothing(&mut message);
        call.answers(Full::new(framed(&message))).await?;
        return Ok(tip_events::without_events());
    }
    let resume = Resume::take(&mut message, &head.headers);
    let answers = call.answers(Full::new(framed(&message))).await?;
    tip_events::answer(answers, resume).await
}

const APPLICATION_JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

/// Whether the body says to be of this type. Others are refused: browsers send some types to foreign servers without
/// asking.
fn is_of_type(headers: &HeaderMap, taken: &str) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case(taken))
}

/// One call of a method.
struct MethodCall<'a> {
    edge: &'a Edge,
    rpc: &'a MethodDescriptor,
    request: Request<()>,
    request_id: &'a HeaderValue,
}

impl<'a> MethodCall<'a> {
    fn new(
        edge: &'a Edge,
        route: &'a Route,
        headers: &HeaderMap,
        request_id: &'a HeaderValue,
    ) -> Self {
        Self {
            edge,
            rpc: route.rpc(),
            request: grpc_request(route.grpc_path(), headers),
            request_id,
        }
    }

    /// The answer's messages, once it has begun well.
    async fn answers<B>(self, body: B) -> Result<Answers, Problem>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let request = self.request.map(|()| body);
        let response = match self.edge.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        match Status::from_header_map(response.headers()) {
            Some(status) if status.code() != Code::Ok => Err(Problem::of(&status, self.request_id)),
            Some(_) | None => Ok(Answers::new(
                response.into_body(),
                self.rpc.output(),
                self.request_id,
            )),
        }
    }

    async fn send<B>(self, body: B) -> Result<Response<HttpBody>, Problem>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let is_stream = self.rpc.is_server_streaming();
        let mut answers = self.answers(body).await?;
        if is_stream {
            return Ok(lines(answers));
        }
        let message = answers.only().await?;
        let mut response = Response::new(HttpBody::whole(json(&message)));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }
}

/// Calls a method with one message, which answers with one.
///
/// # Errors
///
/// The status that the call ended with.
pub(super) async fn unary<M: Message, R: Message + Default>(
    edge: &Edge,
    path: &str,
    message: &M,
    headers: &HeaderMap,
) -> Result<R, Status> {
    let request = grpc_request(path, headers).map(|()| Full::new(framed(message)));
    let response = match edge.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let failed = |headers: &HeaderMap| {
        Status::from_header_map(headers).filter(|status| status.code() != Code::Ok)
    };
    if let Some(status) = failed(response.headers()) {
        return Err(status);
    }
    let answer = response.into_body().collect().await?;
    if let Some(status) = answer.trailers().and_then(failed) {
        return Err(status);
    }
    let answer = answer.to_bytes();
    let answer = answer.get(PREFIX_LEN..).unwrap_or_default();
    R::decode(answer).map_err(|error| Status::internal(error.to_string()))
}

/// Headers of HTTP that say nothing to a method.
const OF_HTTP: [HeaderName; 9] = [
    ACCEPT_ENCODING,
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    HOST,
    IF_NONE_MATCH,
    TE,
    TRANSFER_ENCODING,
];

/// A request of gRPC with the caller's headers.
fn grpc_request(path: &str, headers: &HeaderMap) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = headers.clone();
    let headers = request.headers_mut();
    for name in OF_HTTP {
        headers.remove(name);
    }
    let grpc = HeaderValue::from_static("application/grpc");
    headers.insert(CONTENT_TYPE, grpc);
    headers.insert(TE, HeaderValue::from_static("trailers"));
    // A path of the contract is one of HTTP.
    *request.uri_mut() = Uri::try_from(path).unwrap_or_default();
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_hears_what_is_meant_for_it_and_nothing_of_http() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer t"),
            ("x-caller-id", "me"),
            ("grpc-timeout", "1S"),
            ("content-length", "7"),
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
            ("transfer-encoding", "chunked"),
        ] {
            headers.insert(HeaderName::from_static(name), value.parse().unwrap());
        }
        let request = grpc_request("/a.B/C", &headers);
        assert_eq!(request.uri().path(), "/a.B/C");
        let headers = request.headers();
        assert_eq!(headers[CONTENT_TYPE], "application/grpc");
        assert_eq!(headers["x-caller-id"], "me");
        assert_eq!(headers.len(), 5);
    }

    #[test]
    fn a_body_is_taken_by_the_whole_of_its_type() {
        let check = |kind: Option<&str>| {
            let kind = kind.map(|kind| (CONTENT_TYPE, kind.parse().unwrap()));
            let headers = kind.into_iter().collect();
            is_of_type(&headers, APPLICATION_JSON)
        };
        assert!(check(Some("application/json")) && check(Some("Application/JSON; charset=utf-8")));
        for kind in [
            None,
            Some("text/plain"),
            Some("application/jsonp"),
            Some(""),
        ] {
            assert!(!check(kind), "{kind:?}");
        }
    }
}
