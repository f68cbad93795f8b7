//! Calls of all other methods: the request becomes a gRPC request of this process, and its answer JSON. So access, limits,
//! deadlines, counts and the audit trail are those of gRPC.
use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, Version,
    header::{
        ACCEPT_ENCODING, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE,
        HOST, IF_MATCH, IF_NONE_MATCH, TE, TRANSFER_ENCODING,
    },
    request::Parts,
};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::service::Service;
use parking_lot::Mutex;
use prost::Message;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use tonic::{Code, Status};

use super::{
    answers::{Answers, lines},
    body::HttpBody,
    body_budget::BodyBudget,
    frames::{PREFIX_LEN, framed},
    json::json,
    preconditions,
    problem::Problem,
    query,
    reads::{JSON, REQUEST_ID, identified},
    request_message::{RequestMessage, RequestProblem},
    request_problems::RequestProblems,
    routes::{BodyRule, Found, Route},
    time_limit,
    tip_events::{self, Resume},
    transcode::request,
    upload::Upload,
};
use crate::transport::{Edge, MadeWhenRead, request_id_of};

/// Whose call it is.
#[derive(Clone, Copy)]
pub(super) struct Caller<'a> {
    /// Its connection's.
    pub(super) edge: &'a Edge,
    /// Whether it is a page of a browser that has nothing to spend here.
    pub(super) is_foreign_page: bool,
}

/// Answers a request that the contract has a route for.
pub(super) async fn call<B>(
    caller: Caller<'_>,
    bodies: &BodyBudget,
    found: Found<'_>,
    (head, body): (Parts, B),
) -> Response<HttpBody>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let request_id = request_id_of(&head.headers);
    let answer = attempt(caller, bodies, found, (head, body), &request_id).await;
    let response = answer.unwrap_or_else(|problem| problem.response());
    identified(response, request_id)
}

async fn attempt<B>(
    caller: Caller<'_>,
    bodies: &BodyBudget,
    Found { route, variables }: Found<'_>,
    (mut head, body): (Parts, B),
    request_id: &HeaderValue,
) -> Result<Response<HttpBody>, Problem>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    head.headers.insert(REQUEST_ID, request_id.clone());
    let refusal = time_limit::translate(&mut head.headers).err();
    let refusal = refusal.map(|wrong| Problem::invalid(vec![wrong], request_id));
    let problem = RequestProblem::default();
    let call = MethodCall {
        edge: caller.edge,
        rpc: route.rpc(),
        request: grpc_request(route.grpc_path(), &head.headers),
        request_id,
        problem: &problem,
        has_condition: head.headers.contains_key(IF_MATCH),
    };
    if route.rpc().is_client_streaming() {
        let refusal = refusal.or_else(|| unfit_upload(route, &head, request_id));
        let rpc = route.rpc().clone();
        let limit_bytes = bodies.limit_bytes();
        let upload = Upload::new(body, (rpc, limit_bytes), refusal, &problem, request_id);
        return call.send(upload).await;
    }
    let events = tip_events::are_of(route.rpc());
    let is_head = head.method == Method::HEAD;
    let resume = Arc::new(Mutex::new(Resume::Within));
    let caller_is_foreign = caller.is_foreign_page;
    let reading = {
        let (bodies, route) = (bodies.clone(), route.clone());
        let (request_id, resume) = (request_id.clone(), Arc::clone(&resume));
        async move {
            if let Some(problem) = refusal {
                return Err(problem);
            }
            let mut message =
                message(&bodies, &route, &variables, (&head, body), &request_id).await?;
            if events && caller_is_foreign && tip_events::is_refresh(&message) {
                return Err(Problem::foreign_origin(&request_id));
            }
            if events && is_head {
                // Nothing is written for who reads nothing.
                tip_events::begin_nothing(&mut message);
            } else if events {
                *resume.lock() = Resume::take(&mut message, &head.headers);
            }
            Ok(framed(&message))
        }
    };
    let body = RequestMessage::new(reading, &problem, request_id);
    if !events {
        return call.send(body).await;
    }
    let answers = call.answers(body).await?;
    if is_head {
        return Ok(tip_events::without_events());
    }
    let resume = *resume.lock();
    tip_events::answer(answers, resume).await
}

/// What a request asks its method for.
async fn message<B>(
    bodies: &BodyBudget,
    route: &Route,
    variables: &[String],
    (head, body): (&Parts, B),
    request_id: &HeaderValue,
) -> Result<DynamicMessage, Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    let body = bodies.read(body, request_id).await?;
    if !body.is_empty()
        && *route.body() != BodyRule::None
        && let Some(problem) = wrong_type(&head.headers, APPLICATION_JSON, request_id)
    {
        return Err(problem);
    }
    let query = head.uri.query().unwrap_or_default();
    let message = request(route, variables, query, &body);
    let mut message = message.map_err(|wrong| Problem::unreadable(wrong, request_id))?;
    if !head.method.is_safe() {
        let applied = preconditions::apply(&head.headers, &mut message);
        applied.map_err(|wrong| Problem::invalid(vec![wrong], request_id))?;
    }
    Ok(message)
}

/// What is wrong with what stands before the lines of an upload.
fn unfit_upload(route: &Route, head: &Parts, request_id: &HeaderValue) -> Option<Problem> {
    let mut problems = RequestProblems::default();
    let query = head.uri.query().unwrap_or_default();
    let mut nothing = DynamicMessage::new(route.rpc().input());
    query::read(route, query, &mut nothing, &mut problems);
    if let Some(wrong) = preconditions::refuse(&head.headers) {
        problems.note(wrong.field, wrong.problem);
    }
    let wrong = problems.end().err();
    wrong
        .map(|wrong| Problem::unreadable(wrong, request_id))
        .or_else(|| wrong_type(&head.headers, NDJSON, request_id))
}

const APPLICATION_JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

/// What is told of a body that does not say to be of the type that is taken, or that is encoded. Browsers send some
/// types to foreign servers without asking.
fn wrong_type(headers: &HeaderMap, taken: &str, request_id: &HeaderValue) -> Option<Problem> {
    let is_plain = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(CONTENT_ENCODING).iter().all(is_plain) {
        return Some(Problem::encoded(request_id));
    }
    let is_taken = is_of_type(headers, taken);
    (!is_taken).then(|| Problem::media_type(taken, request_id))
}

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
    problem: &'a RequestProblem,
    /// Whether the caller named an etag by `If-Match`.
    has_condition: bool,
}

impl MethodCall<'_> {
    /// The answer's messages, once it has begun well.
    async fn answers<B>(&self, body: B) -> Result<Answers, Problem>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let request = self.request.clone().map(|()| body);
        let response = match self.edge.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        match Status::from_header_map(response.headers()) {
            Some(status) if status.code() != Code::Ok => {
                let problem = self.problem.or(Problem::of(&status, self.request_id));
                Err(self.told(problem))
            }
            Some(_) | None => Ok(Answers::new(
                response.into_body(),
                self.rpc.output(),
                self.request_id,
            )),
        }
    }

    /// An etag that is another one by now is a condition that does not hold, if it was told as one.
    fn told(&self, problem: Problem) -> Problem {
        if self.has_condition {
            problem.of_condition()
        } else {
            problem
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
        let message = answers.only().await;
        let message = message.map_err(|problem| self.told(self.problem.or(problem)))?;
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
const OF_HTTP: [HeaderName; 10] = [
    ACCEPT_ENCODING,
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    HOST,
    IF_MATCH,
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
    request.extensions_mut().insert(MadeWhenRead);
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
