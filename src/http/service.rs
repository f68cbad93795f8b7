//! The entry of every request over HTTP: finds what it asks for, and adds what every response has.
use std::{convert::Infallible, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{
        ACCESS_CONTROL_REQUEST_METHOD, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING,
    },
    request::Parts,
};
use http_body::Body;
use hyper::service::Service;
use tonic::{Code, Status};

use super::{
    body::HttpBody,
    body_budget::BodyBudget,
    cache_headers::{CacheHeaders, CacheProfile},
    call::{self, Caller},
    compat::{self, CompatSettings},
    compat_route,
    cors::Cors,
    documents::Documents,
    problem::Problem,
    read_query::{self, ReadQuery},
    reads, request_head,
    routes::{Found, NoRoute, Routes, RoutesError},
    stats::HttpStats,
    unread_body::RequestBody,
};
use crate::{
    domain::{Clock, FieldViolation},
    telemetry::Page,
    transport::{Edge, ReadMethod, request_id_of},
};

/// How HTTP is served.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// What browsers and shared caches may keep.
    pub caching: CacheProfile,
    /// For so long an answer is called fresh.
    pub max_staleness: Duration,
    /// Which pages of browsers may read answers.
    pub cors: Cors,
    /// How the old routes answer.
    pub compat: CompatSettings,
    /// The largest body of a request, and line of one that has many.
    pub max_body_bytes: usize,
}

/// HTTP on one connection.
#[derive(Clone)]
pub struct HttpService {
    shared: Arc<Shared>,
    edge: Edge,
}

/// What all connections have in common.
struct Shared {
    documents: Documents,
    routes: Routes,
    bodies: BodyBudget,
    caching: CacheHeaders,
    cors: Cors,
    compat: CompatSettings,
    stats: HttpStats,
    clock: Arc<dyn Clock>,
}

impl HttpService {
    /// Serves what `edge` serves; `clock` tells the time that the old routes show.
    ///
    /// # Errors
    ///
    /// When the contract has a mistake; a test shows that it has none.
    pub fn new(
        settings: HttpSettings,
        edge: Edge,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RoutesError> {
        let HttpSettings {
            caching,
            max_staleness,
            cors,
            compat,
            max_body_bytes,
        } = settings;
        let routes = Routes::read()?;
        let shared = Shared {
            documents: Documents::of(&routes),
            routes,
            bodies: BodyBudget::new(max_body_bytes),
            caching: CacheHeaders::new(caching, max_staleness, cors.is_by_origin()),
            cors,
            compat,
            stats: HttpStats::default(),
            clock,
        };
        Ok(Self {
            shared: Arc::new(shared),
            edge,
        })
    }

    /// Writes the metrics of all connections.
    pub fn collect(&self, page: &mut Page) {
        self.shared.stats.collect(page);
    }

    /// The same, for a connection that has this `edge`.
    #[must_use]
    pub fn facing(&self, edge: Edge) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            edge,
        }
    }
}

/// What the paths of documents take.
const DOCUMENT_VERBS: &str = "GET, HEAD, OPTIONS";

/// What the most frequent paths ask for.
pub(super) enum Read<'a> {
    List,
    Get(&'a str),
    Batch,
}

impl<'a> Read<'a> {
    /// Of a path as it is written most.
    pub(super) fn at(path: &'a str) -> Option<Self> {
        match path.strip_prefix("/v1/challenges")? {
            "" => Some(Self::List),
            ":batchGet" => Some(Self::Batch),
            rest => {
                let id = rest.strip_prefix('/')?;
                let is_plain = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
                (!id.is_empty() && id.bytes().all(is_plain)).then_some(Self::Get(id))
            }
        }
    }

    /// The same, of a path that is spelled otherwise.
    fn of(found: &'a Found<'_>) -> Option<Self> {
        let (service, method) = found.route.grpc_path().rsplit_once('/')?;
        if !service.ends_with(".ChallengesCatalog") {
            return None;
        }
        match (method, &found.variables[..]) {
            ("ListChallenges", _) => Some(Self::List),
            ("BatchGetChallenges", _) => Some(Self::Batch),
            ("GetChallenge", [id]) => Some(Self::Get(id)),
            _ => None,
        }
    }

    /// Its method, and what it asks for, or all that is wrong with it.
    pub(super) fn query(
        &self,
        query: &str,
    ) -> (ReadMethod, Result<ReadQuery, Vec<FieldViolation>>) {
        match self {
            Self::List => (ReadMethod::List, read_query::list(query)),
            Self::Get(id) => (ReadMethod::Get, read_query::get(id, query)),
            Self::Batch => (ReadMethod::BatchGet, read_query::batch(query)),
        }
    }
}

impl Shared {
    async fn answer<B>(&self, request: Request<B>, edge: &Edge) -> Response<HttpBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        if let Some(detail) = request_head::problem(&head) {
            let request_id = request_id_of(&head.headers);
            let response = Problem::malformed(detail, &request_id).response();
            return reads::identified(response, request_id);
        }
        let is_get = matches!(head.method, Method::GET | Method::HEAD);
        if is_get
            && let Some(read) = Read::at(head.uri.path())
            && body.is_end_stream()
        {
            let query = read.query(head.uri.query().unwrap_or_default());
            return reads::read(edge, query, head.headers, &self.caching).await;
        }
        // Boxed, because it is larger than all that the reads need.
        Box::pin(self.answer_other((head, body), edge)).await
    }

    /// Reads what is left of a refused request where clients would take its end for that of the answer.
    async fn answer_other<B>(&self, (head, body): (Parts, B), edge: &Edge) -> Response<HttpBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let is_reset = head.version == Version::HTTP_2;
        let (body, unread) = RequestBody::new(body);
        let response = self.answer_routed((head, body), edge).await;
        if is_reset {
            unread.discard().await;
        }
        response
    }

    async fn answer_routed<B>(&self, (head, body): (Parts, B), edge: &Edge) -> Response<HttpBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if self.cors.is_foreign_change(&head) {
            let request_id = request_id_of(&head.headers);
            let response = Problem::foreign_origin(&request_id).response();
            return reads::identified(response, request_id);
        }
        if is_grpc(&head.headers) {
            return grpc_elsewhere();
        }
        let path = head.uri.path().to_owned();
        if let Some(response) = self.document(&head, &path, edge).await {
            return response;
        }
        if compat::answers_for(&path) {
            if let Some(response) = self.preflight_of_old(&head) {
                return response;
            }
            // They take no body, and read none.
            return compat::answer(edge, (self.compat, &*self.clock), &head).await;
        }
        let found = match self.routes.find(&head.method, &path) {
            Ok(found) => found,
            Err(why) => {
                let request_id = request_id_of(&head.headers);
                let response = self.nothing_at(&head, why, &request_id);
                return reads::identified(response, request_id);
            }
        };
        if let Some(read) = Read::of(&found) {
            let request_id = request_id_of(&head.headers);
            // One in chunks, of which there are none, is found to be empty when it is read.
            if let Err(problem) = self.bodies.expect_none(body, &request_id).await {
                return reads::identified(problem.response(), request_id);
            }
            let query = read.query(head.uri.query().unwrap_or_default());
            return reads::read(edge, query, head.headers, &self.caching).await;
        }
        let caller = Caller {
            edge,
            is_foreign_page: self.cors.is_foreign_page(&head),
        };
        call::call(caller, &self.bodies, found, (head, body)).await
    }

    /// The OpenAPI document or its page, if that is asked for, for those who may read the contract by reflection.
    async fn document(&self, head: &Parts, path: &str, edge: &Edge) -> Option<Response<HttpBody>> {
        let mut response = self.documents.at(path)?;
        let request_id = request_id_of(&head.headers);
        if let Err(refusal) = edge.admit_to_contract(&head.headers).await {
            // Where reflection is off there are none.
            let problem = if refusal.code() == Code::Unimplemented {
                Problem::unknown_path(&request_id)
            } else {
                Problem::of(&refusal, &request_id)
            };
            response = problem.response();
        } else if head.method == Method::OPTIONS {
            response = self.cors.options(&head.headers, DOCUMENT_VERBS);
        } else if !matches!(head.method, Method::GET | Method::HEAD) {
            let verbs = DOCUMENT_VERBS.to_owned();
            response = Problem::unknown_verb(verbs, &request_id).response();
        }
        Some(reads::identified(response, request_id))
    }

    /// What a browser is told that asks whether a page of another origin may use an old route. Unless there are
    /// such pages, OPTIONS is refused there like any other method.
    fn preflight_of_old(&self, head: &Parts) -> Option<Response<HttpBody>> {
        let asks = head.method == Method::OPTIONS
            && self.cors.is_told()
            && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let allow = compat_route::allow(head.uri.path()).filter(|_| asks)?;
        let response = self.cors.options(&head.headers, allow);
        Some(reads::identified(response, request_id_of(&head.headers)))
    }

    fn nothing_at(
        &self,
        head: &Parts,
        why: NoRoute<'_>,
        request_id: &HeaderValue,
    ) -> Response<HttpBody> {
        match why {
            NoRoute::Unknown => Problem::unknown_path(request_id).response(),
            NoRoute::Encoding(violation) => {
                Problem::invalid(vec![violation], request_id).response()
            }
            NoRoute::OtherVerbs(allow) => {
                let allow = allow.to_str().unwrap_or_default();
                let allow = format!("{allow}, OPTIONS");
                if head.method == Method::OPTIONS {
                    self.cors.options(&head.headers, &allow)
                } else {
                    Problem::unknown_verb(allow, request_id).response()
                }
            }
        }
    }
}

/// Whether a client of gRPC took this port for its own.
fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.is_some_and(|kind| kind.starts_with(b"application/grpc"))
}

/// Tells it so in its own way.
fn grpc_elsewhere() -> Response<HttpBody> {
    let status = Status::unimplemented(
        "this port speaks HTTP and JSON; gRPC is served at the address of --grpc-addr",
    );
    status.into_http().map(|()| HttpBody::empty())
}

/// What a response needs to know of its request.
struct Asked {
    is_head: bool,
    /// Its end is not to be trusted by whoever stands in between (RFC 9112, 6.1).
    ends_connection: bool,
    origin: Option<HeaderMap>,
}

impl Asked {
    fn of(head: &Request<impl Body>, cors: &Cors) -> Self {
        let headers = head.headers();
        Self {
            is_head: head.method() == Method::HEAD,
            ends_connection: head.version() < Version::HTTP_2
                && headers.contains_key(TRANSFER_ENCODING),
            origin: cors.is_told().then(|| Cors::relevant(headers)),
        }
    }

    fn finish(&self, mut response: Response<HttpBody>, cors: &Cors) -> Response<HttpBody> {
        if let Some(origin) = &self.origin {
            cors.put(origin, response.headers_mut());
        }
        if self.ends_connection {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        if self.is_head {
            // A 304 would have to tell the length of the body that it stands for (RFC 9110, 8.6).
            let is_told = response.status() != StatusCode::NOT_MODIFIED;
            if let Some(length) = response.body().size_hint().exact().filter(|_| is_told) {
                let length = HeaderValue::from(length);
                response.headers_mut().insert(CONTENT_LENGTH, length);
            }
            *response.body_mut() = HttpBody::empty();
        }
        response
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<HttpBody>, Infallible>> + Send>>;

impl<B> Service<Request<B>> for HttpService
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<HttpBody>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request<B>) -> Answer {
        let Self { shared, edge } = self.clone();
        let answer = async move {
            let asked = Asked::of(&request, &shared.cors);
            let response = shared.answer(request, &edge).await;
            shared.stats.count(response.status());
            asked.finish(response, &shared.cors)
        };
        Box::pin(answer.map(Ok))
    }
}
