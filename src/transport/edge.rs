use std::{convert::Infallible, panic::AssertUnwindSafe, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body::Body;
use hyper::service::Service;
use prost::Message;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};
use tonic::{Status, service::Routes};
use tower::ServiceExt;
use tracing::Instrument;

use super::{
    body::ResponseBody,
    call::{Call, REQUEST_ID},
    catalog::CatalogTransport,
    reply::Reply as CatalogReply,
    status,
    unary::{refuse, unary},
};

/// What one call may ask of this server.
#[derive(Clone, Debug)]
pub struct EdgeSettings {
    /// A call that names no deadline gets this one; none gets more.
    pub request_timeout: Duration,
    /// The largest request message.
    pub max_message_bytes: usize,
    /// So many calls are in hand at once; more are refused. Health and reflection do not count.
    pub max_calls: usize,
}

/// Where every call comes in: gives it its correlation id and deadline, finds
/// its method, and answers even when the method's code panics.
#[derive(Clone)]
pub struct Edge(Arc<Inner>);

struct Inner {
    catalog: CatalogTransport,
    routes: Routes,
    settings: EdgeSettings,
    calls: Semaphore,
}

/// What tonic's router answers.
const ROUTED: [&str; 3] = [
    "/grpc.health.v1.",
    "/grpc.reflection.",
    "/challenges.admin.v1.",
];

type Reply = Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, Infallible>> + Send>>;

impl Edge {
    /// Serves the catalog, and beside it the services of `routes` (health, reflection).
    #[must_use]
    pub fn new(catalog: CatalogTransport, routes: Routes, settings: EdgeSettings) -> Self {
        let calls = Semaphore::new(settings.max_calls);
        Self(Arc::new(Inner {
            catalog,
            routes,
            settings,
            calls,
        }))
    }
}

impl Inner {
    async fn answer<B>(self: Arc<Self>, request: Request<B>) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let is_grpc = request
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
        if !is_grpc || request.method() != Method::POST {
            let mut response = Response::new(ResponseBody::default());
            *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return response;
        }
        let call = Call::start(&request, self.settings.request_timeout);
        let answer = AssertUnwindSafe(self.dispatch(request, &call)).catch_unwind();
        answer.await.unwrap_or_else(|_| {
            call.span()
                .in_scope(|| tracing::error!("the method panicked"));
            refuse(&status::internal(call.request_id()), &call)
        })
    }

    async fn dispatch<B>(&self, request: Request<B>, call: &Call) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let path = request.uri().path();
        match path.strip_prefix("/challenges.catalog.v1.ChallengesCatalog/") {
            Some("ListChallenges") => self.catalog(request, call, CatalogTransport::list).await,
            Some("GetChallenge") => self.catalog(request, call, CatalogTransport::get).await,
            Some("BatchGetChallenges") => {
                self.catalog(request, call, CatalogTransport::batch_get)
                    .await
            }
            None if ROUTED.iter().any(|package| path.starts_with(package)) => {
                // Boxed, because it is larger than all that the catalog's calls need.
                let routed = Box::pin(self.routed(request, call));
                routed.instrument(call.span()).await
            }
            Some(_) | None => refuse(&status::unknown_method(path), call),
        }
    }

    async fn catalog<M, B>(
        &self,
        request: Request<B>,
        call: &Call,
        method: impl AsyncFnOnce(
            &CatalogTransport,
            M,
            &HeaderMap,
            &Call,
        ) -> Result<CatalogReply, Status>,
    ) -> Response<ResponseBody>
    where
        M: Message + Default,
        B: Body<Data = Bytes> + Unpin,
    {
        let Ok(_permit) = self.calls.try_acquire() else {
            return refuse(&status::overloaded(), call);
        };
        let limit = self.settings.max_message_bytes;
        let handle = async |message, headers: &HeaderMap| {
            method(&self.catalog, message, headers, call).await
        };
        unary(request, call, limit, handle).await
    }

    async fn routed<B>(&self, request: Request<B>, call: &Call) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut request = request.map(tonic::body::Body::new);
        // Handlers find it where callers would have put it.
        request
            .headers_mut()
            .insert(REQUEST_ID, call.request_id.clone());
        // The time limit is for the answer to begin; a stream may go on.
        let answer = timeout_at(
            Instant::from_std(call.deadline),
            self.routes.clone().oneshot(request),
        );
        let mut response = match answer.await {
            Ok(Ok(response)) => response.map(ResponseBody::Routed),
            Ok(Err(never)) => match never {},
            Err(_) => return refuse(&status::deadline_exceeded(), call),
        };
        response
            .headers_mut()
            .insert(REQUEST_ID, call.request_id.clone());
        response
    }
}

impl<B> Service<Request<B>> for Edge
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Reply;

    fn call(&self, request: Request<B>) -> Reply {
        Box::pin(Arc::clone(&self.0).answer(request).map(Ok))
    }
}
