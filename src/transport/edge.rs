//! The entry of every call: makes its context, finds its method, checks access, and counts it.
use std::{
    convert::Infallible, future::ready, net::IpAddr, panic::AssertUnwindSafe, pin::Pin, sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body::Body;
use hyper::service::Service;
use prost::Message;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::Instrument;

use super::{
    audit::AuditRecord,
    authorization::{CallAccess, CallAdmission, ConnectionIdentity},
    body::{ResponseBody, StreamLimits, ended},
    caller::misnamed,
    catalog::CatalogTransport,
    context::RequestContext,
    failed_calls::log_panicked,
    gate::FeatureGate,
    generated::GeneratedServices,
    methods::{Kind, Method, TimeLimit},
    reply::Reply,
    request_body::RequestBodies,
    rpc_stats::{MethodStats, OpenCall, RpcStats},
    status,
    stream::{Messages, streaming},
    tips::TipsTransport,
    unary::{in_time, refuse, refuse_unread, unary},
};

/// Limits of calls.
#[derive(Clone, Debug)]
pub struct EdgeSettings {
    /// A call that names no deadline gets this one; none gets more.
    pub request_timeout: Duration,
    /// The same for a stream.
    pub stream_timeout: Duration,
    /// The largest request message.
    pub max_message_bytes: usize,
    /// How many streams may be open at once; more are refused.
    pub max_streams: usize,
}

/// The methods that a listener offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// All of them.
    Everything,
    /// All but those of operators and editors, which have a listener of their own.
    Reads,
    /// Health alone.
    Health,
}

impl Offer {
    fn has(self, method: &Method) -> bool {
        match self {
            Self::Everything => true,
            Self::Reads => !method.is_admin(),
            Self::Health => method.is_health(),
        }
    }
}

/// Where every call comes in: gives it its correlation id and deadline, finds
/// its method and whether its caller may call it, and answers even when the method's code panics.
#[derive(Clone)]
pub struct Edge {
    pub(super) inner: Arc<EdgeInner>,
    offer: Offer,
    /// The other end of the connection that this one serves.
    pub(super) connection: Arc<ConnectionIdentity>,
    /// Set on overflow connections: only health is served; any other call closes them.
    pub(super) overflow: Option<CancellationToken>,
}

pub(super) struct EdgeInner {
    pub(super) catalog: CatalogTransport,
    tips: TipsTransport,
    generated: GeneratedServices,
    pub(super) gate: FeatureGate,
    pub(super) settings: EdgeSettings,
    pub(super) access: CallAccess,
    bodies: RequestBodies,
    streams: Arc<Semaphore>,
    shutdown: CancellationToken,
    pub(super) stats: Arc<RpcStats>,
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, Infallible>> + Send>>;

impl Edge {
    /// Serves the catalog and its tips, which are let in by `gate`, and `generated`, to those whom `access`
    /// admits. Streams end when `gate` is closed, and when `shutdown` is cancelled.
    #[must_use]
    pub fn new(
        catalog: CatalogTransport,
        tips: TipsTransport,
        generated: GeneratedServices,
        (gate, access): (FeatureGate, CallAccess),
        settings: EdgeSettings,
        shutdown: CancellationToken,
    ) -> Self {
        let inner = Arc::new(EdgeInner {
            catalog,
            tips,
            generated,
            gate,
            access,
            bodies: RequestBodies::new(settings.max_message_bytes),
            streams: Arc::new(Semaphore::new(settings.max_streams)),
            settings,
            shutdown,
            stats: Arc::default(),
        });
        Self {
            inner,
            offer: Offer::Everything,
            connection: Arc::default(),
            overflow: None,
        }
    }

    /// How the calls went so far.
    #[must_use]
    pub fn stats(&self) -> &Arc<RpcStats> {
        &self.inner.stats
    }

    /// The same, for a `connection` of a listener with this `offer`.
    #[must_use]
    pub fn facing(&self, connection: ConnectionIdentity, offer: Offer) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            offer,
            connection: Arc::new(connection),
            overflow: None,
        }
    }

    /// The same, for a connection that is there for probes: whoever calls something else is refused,
    /// and asked by `go` to come back.
    #[must_use]
    pub fn for_probes(self, go: CancellationToken) -> Self {
        Self {
            overflow: Some(go),
            ..self
        }
    }
}

impl EdgeInner {
    async fn answer<B>(
        self: Arc<Self>,
        request: Request<B>,
        offer: Offer,
        connection: Arc<ConnectionIdentity>,
    ) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let is_grpc = request
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|kind| is_grpc(kind.as_bytes()));
        if !is_grpc || request.method() != http::Method::POST {
            let mut response = Response::new(ResponseBody::default());
            *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return response;
        }
        let (stats, mut call) = self.begin(&request, connection.address);
        let mut open = OpenCall::begin(stats.as_ref(), call.began);
        let method = stats.method.filter(|method| offer.has(method));
        let method = method.filter(|method| self.access.offers(method));
        let answer = async {
            let admission = match method {
                Some(method) => {
                    let headers = request.headers();
                    let admission = self.access.admit(method, headers, &connection);
                    let admission = in_time(&call, admission.map(Ok)).await;
                    admission.unwrap_or_else(CallAdmission::refused)
                }
                None => CallAdmission::default(),
            };
            call.principal = admission.principal;
            let headers = request.headers();
            let refusal = admission.refusal.or_else(|| misnamed(headers, &call));
            if let Some(method) = method.filter(|method| method.is_admin()) {
                call.subject = Some(Arc::default());
                open.audit(AuditRecord::of(&call, headers, method, refusal.is_some()));
            }
            match refusal {
                Some(refusal) => refuse_unread(request, &refusal, &call).await,
                None => self.dispatch(request, method, &call).await,
            }
        };
        let answer = AssertUnwindSafe(answer);
        let response = answer.catch_unwind().await.unwrap_or_else(|_| {
            call.span().in_scope(log_panicked);
            refuse(&status::internal(call.request_id()), &call)
        });
        ended(response, open, stats)
    }

    /// Refuses a call on a connection that is not for it.
    fn turn_away<B>(&self, request: &Request<B>, peer: Option<IpAddr>) -> Response<ResponseBody> {
        let (stats, call) = self.begin(request, peer);
        let open = OpenCall::begin(stats.as_ref(), call.began);
        ended(refuse(&crowded(), &call), open, stats)
    }

    pub(super) fn begin<B>(
        &self,
        request: &Request<B>,
        peer: Option<IpAddr>,
    ) -> (&Arc<MethodStats>, RequestContext) {
        let stats = self.stats.at(request.uri().path());
        let at_most = match stats.method.map(|method| method.limit) {
            Some(TimeLimit::Stream) => self.settings.stream_timeout,
            Some(TimeLimit::Call | TimeLimit::Start) | None => self.settings.request_timeout,
        };
        (stats, RequestContext::start(request, at_most, peer))
    }

    async fn dispatch<B>(
        &self,
        request: Request<B>,
        method: Option<&Method>,
        call: &RequestContext,
    ) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let Some(method) = method else {
            let unknown = status::unknown_method(request.uri().path());
            return refuse_unread(request, &unknown, call).await;
        };
        if let Some(status) = call.unreadable() {
            return refuse_unread(request, &status, call).await;
        }
        // Whoever would have to be refused afterwards is not waited for as long as its message may take.
        if method.takes_stream_permit() && self.streams.available_permits() == 0 {
            return refuse_unread(request, &too_many_streams(), call).await;
        }
        match method.kind {
            Kind::List => self.read(request, call, CatalogTransport::list).await,
            Kind::Get => self.read(request, call, CatalogTransport::get).await,
            Kind::BatchGet => self.read(request, call, CatalogTransport::batch_get).await,
            // The others are boxed, because they are larger than all that the reads need.
            Kind::StreamTips => Box::pin(self.tips(request, call, TipsTransport::stream)).await,
            Kind::StreamTipsBatch => Box::pin(self.tips(request, call, TipsTransport::batch)).await,
            Kind::Reflection => {
                let reflection = &self.generated.reflection;
                reflection.answer(request, call, &self.bodies, &self.shutdown)
            }
            Kind::Generated | Kind::GeneratedUpload => {
                let limits = || self.stream_limits(None);
                let generated = &self.generated;
                let answer = generated.answer(request, method, call, &self.bodies, limits);
                Box::pin(answer).instrument(call.span()).await
            }
        }
    }

    async fn read<M, B>(
        &self,
        request: Request<B>,
        call: &RequestContext,
        method: impl AsyncFnOnce(
            &CatalogTransport,
            M,
            &HeaderMap,
            &RequestContext,
        ) -> Result<Reply, Status>,
    ) -> Response<ResponseBody>
    where
        M: Message + Default,
        B: Body<Data = Bytes> + Unpin,
    {
        if let Some(status) = self.gate.refusal() {
            return refuse_unread(request, &status, call).await;
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
        method: impl AsyncFnOnce(
            &TipsTransport,
            M,
            &HeaderMap,
            &RequestContext,
        ) -> Result<Messages<R>, Status>,
    ) -> Response<ResponseBody>
    where
        M: Message + Default,
        R: Message + 'static,
        B: Body<Data = Bytes> + Unpin,
    {
        if let Some(status) = self.gate.refusal() {
            return refuse_unread(request, &status, call).await;
        }
        let limits = || self.stream_limits(Some(self.gate.clone()));
        let handle =
            async |message, headers: &HeaderMap| method(&self.tips, message, headers, call).await;
        streaming(request, call, &self.bodies, limits, handle).await
    }

    fn stream_limits(&self, gate: Option<FeatureGate>) -> Result<StreamLimits, Status> {
        let permit = Arc::clone(&self.streams).try_acquire_owned();
        let permit = permit.map_err(|_| too_many_streams())?;
        Ok(StreamLimits {
            permit,
            shutdown: self.shutdown.clone(),
            gate,
        })
    }
}

/// Whether content of this type is gRPC: that of gRPC-Web, for example, only begins alike.
fn is_grpc(content_type: &[u8]) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let rest = content_type.strip_prefix(GRPC);
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// The status for calls on a connection that is there for probes.
pub(super) fn crowded() -> Status {
    status::overloaded("all connections are taken")
}

fn too_many_streams() -> Status {
    status::overloaded("too many streams are open")
}

impl<B> Service<Request<B>> for Edge
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request<B>) -> Answer {
        let inner = Arc::clone(&self.inner);
        if let Some(go) = &self.overflow
            && !is_health(inner.stats.at(request.uri().path()))
        {
            go.cancel();
            let address = self.connection.address;
            return Box::pin(ready(Ok(inner.turn_away(&request, address))));
        }
        let connection = Arc::clone(&self.connection);
        Box::pin(inner.answer(request, self.offer, connection).map(Ok))
    }
}

fn is_health(stats: &MethodStats) -> bool {
    stats.method.is_some_and(Method::is_health)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_grpc_by_the_whole_of_its_type() {
        for kind in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc;a=b",
        ] {
            assert!(is_grpc(kind.as_bytes()), "{kind}");
        }
        for kind in [
            "application/grpc-web",
            "application/grpc-web-text",
            "application/grpcx",
            "application/json",
            "",
        ] {
            assert!(!is_grpc(kind.as_bytes()), "{kind}");
        }
    }
}
