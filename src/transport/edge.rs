use std::{
    convert::Infallible, future::ready, net::IpAddr, panic::AssertUnwindSafe, pin::Pin, sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body::Body;
use hyper::service::Service;
use prost::Message;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::Instrument;

use super::{
    body::ResponseBody,
    catalog::CatalogTransport,
    context::RequestContext,
    edit::EditTransport,
    failed_calls::log_panicked,
    gate::FeatureGate,
    metered_body::ended,
    reply::Reply as CatalogReply,
    request_body::RequestBodies,
    routed::Routed,
    rpc::Rpc,
    rpc_stats::{OpenCall, RpcStats},
    status,
    stream::{Bounds, Messages, streaming},
    tips::{Origin, TipsTransport},
    unary::{refuse, unary},
    upload::{Upload, uploaded},
};

/// What one call may ask of this server.
#[derive(Clone, Debug)]
pub struct EdgeSettings {
    /// A call that names no deadline gets this one; none gets more.
    pub request_timeout: Duration,
    /// The same for a stream.
    pub stream_timeout: Duration,
    /// The largest request message.
    pub max_message_bytes: usize,
    /// So many streams are in hand at once; more are refused.
    pub max_streams: usize,
}

/// Where every call comes in: gives it its correlation id and deadline, finds
/// its method, and answers even when the method's code panics.
#[derive(Clone)]
pub struct Edge {
    inner: Arc<Inner>,
    /// Whose connection this one serves.
    peer: Option<IpAddr>,
    /// Where health alone is served: asks the others to go.
    crowded: Option<CancellationToken>,
}

struct Inner {
    catalog: CatalogTransport,
    tips: TipsTransport,
    edits: EditTransport,
    routed: Routed,
    gate: FeatureGate,
    settings: EdgeSettings,
    bodies: RequestBodies,
    streams: Arc<Semaphore>,
    leaving: CancellationToken,
    stats: Arc<RpcStats>,
}

type Reply = Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, Infallible>> + Send>>;

impl Edge {
    /// Serves the catalog, its tips and its edits, and beside them what is `routed` (health, reflection,
    /// the other services of operators). Calls to the catalog are let in by `gate`; streams end when it is closed, and
    /// when `leaving` is cancelled.
    #[must_use]
    pub fn new(
        catalog: CatalogTransport,
        tips: TipsTransport,
        edits: EditTransport,
        routed: Routed,
        gate: FeatureGate,
        settings: EdgeSettings,
        leaving: CancellationToken,
    ) -> Self {
        let inner = Arc::new(Inner {
            catalog,
            tips,
            edits,
            routed,
            gate,
            bodies: RequestBodies::new(settings.max_message_bytes),
            streams: Arc::new(Semaphore::new(settings.max_streams)),
            settings,
            leaving,
            stats: Arc::default(),
        });
        Self {
            inner,
            peer: None,
            crowded: None,
        }
    }

    /// How the calls went so far.
    #[must_use]
    pub fn stats(&self) -> &Arc<RpcStats> {
        &self.inner.stats
    }

    /// The same, for a connection from `peer`.
    #[must_use]
    pub fn facing(&self, peer: IpAddr) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            peer: Some(peer),
            crowded: None,
        }
    }

    /// The same, for a connection that is there for probes: whoever calls something else is refused,
    /// and asked by `go` to come back.
    #[must_use]
    pub fn for_probes(self, go: CancellationToken) -> Self {
        Self {
            crowded: Some(go),
            ..self
        }
    }
}

impl Inner {
    async fn answer<B>(
        self: Arc<Self>,
        request: Request<B>,
        peer: Option<IpAddr>,
    ) -> Response<ResponseBody>
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
        let rpc = Rpc::of(request.uri().path());
        let stats = self.stats.of(rpc, request.uri().path());
        let call = RequestContext::start(&request, self.time_limit(rpc));
        let open = OpenCall::begin(stats.as_ref(), call.began);
        let answer = self.dispatch(request, rpc, &call, peer);
        let answer = AssertUnwindSafe(answer).catch_unwind();
        let response = answer.await.unwrap_or_else(|_| {
            call.span().in_scope(log_panicked);
            refuse(&status::internal(call.request_id()), &call)
        });
        ended(response, open, stats)
    }

    /// Refuses a call on a connection that is not for it.
    fn turn_away<B>(&self, request: &Request<B>) -> Response<ResponseBody> {
        let rpc = Rpc::of(request.uri().path());
        let stats = self.stats.of(rpc, request.uri().path());
        let call = RequestContext::start(request, self.time_limit(rpc));
        let open = OpenCall::begin(stats.as_ref(), call.began);
        let crowded = status::overloaded("all connections are taken");
        ended(refuse(&crowded, &call), open, stats)
    }

    fn time_limit(&self, rpc: Rpc) -> Duration {
        match rpc {
            Rpc::StreamTips
            | Rpc::StreamTipsBatch
            | Rpc::ImportChallenges
            | Rpc::ExportChallenges
            | Rpc::Reflect => self.settings.stream_timeout,
            Rpc::List
            | Rpc::Get
            | Rpc::BatchGet
            | Rpc::GetEditedChallenge
            | Rpc::CreateChallenge
            | Rpc::UpdateChallenge
            | Rpc::DeleteChallenge
            | Rpc::RevertChallenge
            | Rpc::ListChallengeRevisions
            | Rpc::Routed
            | Rpc::Unknown => self.settings.request_timeout,
        }
    }

    async fn dispatch<B>(
        &self,
        request: Request<B>,
        rpc: Rpc,
        call: &RequestContext,
        peer: Option<IpAddr>,
    ) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        match rpc {
            Rpc::List => self.catalog(request, call, CatalogTransport::list).await,
            Rpc::Get => self.catalog(request, call, CatalogTransport::get).await,
            Rpc::BatchGet => {
                let method = CatalogTransport::batch_get;
                self.catalog(request, call, method).await
            }
            // The others are boxed, because they are larger than all that the reads need.
            Rpc::StreamTips => {
                let method = TipsTransport::stream;
                Box::pin(self.tips(request, call, peer, method)).await
            }
            Rpc::StreamTipsBatch => {
                let method = TipsTransport::batch;
                Box::pin(self.tips(request, call, peer, method)).await
            }
            Rpc::GetEditedChallenge => {
                Box::pin(self.edit(request, call, peer, EditTransport::get)).await
            }
            Rpc::CreateChallenge => {
                Box::pin(self.edit(request, call, peer, EditTransport::create)).await
            }
            Rpc::UpdateChallenge => {
                Box::pin(self.edit(request, call, peer, EditTransport::update)).await
            }
            Rpc::DeleteChallenge => {
                Box::pin(self.edit(request, call, peer, EditTransport::delete)).await
            }
            Rpc::RevertChallenge => {
                Box::pin(self.edit(request, call, peer, EditTransport::revert)).await
            }
            Rpc::ListChallengeRevisions => {
                let method = EditTransport::revisions;
                Box::pin(self.edit(request, call, peer, method)).await
            }
            Rpc::ImportChallenges => Box::pin(self.import(request, call, peer)).await,
            Rpc::ExportChallenges => Box::pin(self.export(request, call)).await,
            Rpc::Reflect => {
                let reflection = &self.routed.reflection;
                reflection.answer(request, call, &self.bodies, &self.leaving)
            }
            Rpc::Routed => {
                let routed = self.routed.answer(request, call, &self.bodies);
                Box::pin(routed).instrument(call.span()).await
            }
            Rpc::Unknown => refuse(&status::unknown_method(request.uri().path()), call),
        }
    }

    async fn catalog<M, B>(
        &self,
        request: Request<B>,
        call: &RequestContext,
        method: impl AsyncFnOnce(
            &CatalogTransport,
            M,
            &HeaderMap,
            &RequestContext,
        ) -> Result<CatalogReply, Status>,
    ) -> Response<ResponseBody>
    where
        M: Message + Default,
        B: Body<Data = Bytes> + Unpin,
    {
        if let Some(status) = self.gate.refusal() {
            return refuse(&status, call);
        }
        let handle = async |message, headers: &HeaderMap| {
            method(&self.catalog, message, headers, call).await
        };
        unary(request, call, &self.bodies, handle).await
    }

    async fn tips<M, R, B>(
        &self,
        request: Request<B>,
        call: &RequestContext,
        peer: Option<IpAddr>,
        method: impl AsyncFnOnce(
            &TipsTransport,
            M,
            Origin<'_>,
            &RequestContext,
        ) -> Result<Messages<R>, Status>,
    ) -> Response<ResponseBody>
    where
        M: Message + Default,
        R: Message + 'static,
        B: Body<Data = Bytes> + Unpin,
    {
        if let Some(status) = self.gate.refusal() {
            return refuse(&status, call);
        }
        let bounds = || self.bounds(Some(self.gate.clone()));
        let handle = async |message, headers: &HeaderMap| {
            method(&self.tips, message, Origin { headers, peer }, call).await
        };
        streaming(request, call, &self.bodies, bounds, handle).await
    }

    /// Operators are few, and their calls do not count.
    async fn edit<M, R, B>(
        &self,
        request: Request<B>,
        call: &RequestContext,
        peer: Option<IpAddr>,
        method: impl AsyncFnOnce(&EditTransport, M, Origin<'_>, &RequestContext) -> Result<R, Status>,
    ) -> Response<ResponseBody>
    where
        M: Message + Default,
        R: Message,
        B: Body<Data = Bytes> + Unpin,
    {
        let handle = async |message, headers: &HeaderMap| {
            let answer = method(&self.edits, message, Origin { headers, peer }, call).await;
            answer.map(|message| CatalogReply::of(&message))
        };
        unary(request, call, &self.bodies, handle).await
    }

    async fn import<B>(
        &self,
        request: Request<B>,
        call: &RequestContext,
        peer: Option<IpAddr>,
    ) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + Unpin,
    {
        let handle = async |messages: &mut Upload<B>, headers: &HeaderMap| {
            let origin = Origin { headers, peer };
            let answer = self.edits.import(messages, origin, call).await;
            answer.map(|message| CatalogReply::of(&message))
        };
        uploaded(request, call, &self.bodies, handle).await
    }

    async fn export<B>(&self, request: Request<B>, call: &RequestContext) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let bounds = || self.bounds(None);
        let handle = async |message, _: &HeaderMap| self.edits.export(message, call).await;
        streaming(request, call, &self.bodies, bounds, handle).await
    }

    fn bounds(&self, gate: Option<FeatureGate>) -> Result<Bounds, Status> {
        let permit = Arc::clone(&self.streams).try_acquire_owned();
        let permit = permit.map_err(|_| status::overloaded("too many streams are open"))?;
        Ok(Bounds {
            permit,
            leaving: self.leaving.clone(),
            gate,
        })
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
        let inner = Arc::clone(&self.inner);
        if let Some(go) = &self.crowded
            && !Rpc::is_health(request.uri().path())
        {
            go.cancel();
            return Box::pin(ready(Ok(inner.turn_away(&request))));
        }
        Box::pin(inner.answer(request, self.peer).map(Ok))
    }
}
