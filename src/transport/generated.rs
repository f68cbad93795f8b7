//! What tonic's generated servers answer, within the bounds and with the codes of all other calls.
//!
//! Messages are read here, so that all methods have the same limits; the generated servers get what was
//! read. A method finds its [`RequestContext`] among the request's extensions: see [`parts`](super::context::parts).
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, future::ready, stream};
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyStream, Full};
use prost_reflect::DescriptorError;
use tonic::{Code, Status, service::Routes};
use tower::ServiceExt;

use super::{
    audit::subject_of,
    body::{Chunks, ResponseBody, StreamBody, StreamLimits},
    cache_admin::CacheAdminTransport,
    challenges_admin::ChallengesAdminTransport,
    context::{REQUEST_ID, RequestContext},
    controls::ControlsTransport,
    health::HealthTransport,
    health_state::HealthState,
    methods::{Kind, Method},
    reflection::Reflection,
    request_body::{ENCODING, RequestBodies, Share},
    status,
    tips_admin::TipsAdminTransport,
    unary::{in_time, refuse},
    upload::Upload,
};
use crate::pb::{
    admin::v1::{
        cache_admin_server::CacheAdminServer, challenges_admin_server::ChallengesAdminServer,
        feature_flags_server::FeatureFlagsServer, runtime_settings_server::RuntimeSettingsServer,
        tips_admin_server::TipsAdminServer,
    },
    health::v1::health_server::HealthServer,
};

/// The largest request about health, which needs no credentials: a name.
const HEALTH_MESSAGE_MAX_BYTES: usize = 4 << 10;

/// The services that are not on the hot path, and reflection.
pub struct GeneratedServices {
    routes: Routes,
    pub(super) reflection: Reflection,
}

impl GeneratedServices {
    /// The services for operators and health, and reflection on all of them and on the messages that error
    /// details are made of, so that tools can show them.
    ///
    /// # Errors
    ///
    /// When the compiled-in descriptors cannot be read.
    pub fn new(
        health: &HealthState,
        challenges: ChallengesAdminTransport,
        cache: CacheAdminTransport,
        tips: TipsAdminTransport,
        controls: ControlsTransport,
    ) -> Result<Self, DescriptorError> {
        let reflection = Reflection::of(&[
            crate::pb::DESCRIPTORS,
            tonic_types::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ])?;
        // The size of messages is limited where they are read.
        let any = usize::MAX;
        let challenges = ChallengesAdminServer::new(challenges).max_decoding_message_size(any);
        let cache = CacheAdminServer::new(cache).max_decoding_message_size(any);
        let tips = TipsAdminServer::new(tips).max_decoding_message_size(any);
        let flags = FeatureFlagsServer::new(controls.clone()).max_decoding_message_size(any);
        let settings = RuntimeSettingsServer::new(controls).max_decoding_message_size(any);
        let health = HealthServer::new(HealthTransport::new(health.clone()));
        let routes = Routes::new(health.max_decoding_message_size(any))
            .add_service(challenges)
            .add_service(cache)
            .add_service(tips)
            .add_service(flags)
            .add_service(settings);
        Ok(Self { routes, reflection })
    }

    /// Answers a call of `method`; a stream with a time limit of its own takes `limits`.
    pub(super) async fn answer<B>(
        &self,
        request: Request<B>,
        method: &Method,
        call: &RequestContext,
        bodies: &RequestBodies,
        limits: impl FnOnce() -> Result<StreamLimits, Status>,
    ) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let answer = self.route(request, method, call, bodies, limits);
        match in_time(call, answer).await {
            Ok(mut response) => {
                let request_id = call.request_id.clone();
                response.headers_mut().insert(REQUEST_ID, request_id);
                response
            }
            Err(status) => refuse(&status, call),
        }
    }

    async fn route<B>(
        &self,
        request: Request<B>,
        method: &Method,
        call: &RequestContext,
        bodies: &RequestBodies,
        limits: impl FnOnce() -> Result<StreamLimits, Status>,
    ) -> Result<Response<ResponseBody>, Status>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let (mut head, body) = request.into_parts();
        let unread = Arc::default();
        let (body, _share) = if method.kind == Kind::GeneratedUpload {
            let upload = Upload::new(body, head.headers.clone(), bodies, call);
            (messages(upload, &unread), Share::default())
        } else {
            let most = if method.is_health() {
                HEALTH_MESSAGE_MAX_BYTES
            } else {
                usize::MAX
            };
            let bodies = bodies.up_to(most);
            let (message, share) = bodies.read_framed(body, &head.headers, call).await?;
            if let Some(subject) = &call.subject
                && let Some(text) = subject_of(head.uri.path(), &message)
            {
                let _ = subject.set(text);
            }
            (tonic::body::Body::new(Full::new(message)), share)
        };
        let limits = method.takes_stream_permit().then(limits).transpose()?;
        // What was read is not compressed, whatever the caller would have liked to send.
        head.headers.remove(ENCODING);
        head.extensions.insert(call.clone());
        let answer = self.routes.clone().oneshot(Request::from_parts(head, body));
        let response = match answer.await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        if let Some(status) = unread.get() {
            return Err(status.clone());
        }
        match (Status::from_header_map(response.headers()), limits) {
            (Some(status), _) => match status::of_codec(status) {
                status if status.code() == Code::InvalidArgument => Err(status),
                _ => Ok(response.map(ResponseBody::Generated)),
            },
            (None, Some(limits)) => Ok(response.map(|body| {
                let body = StreamBody::new(chunks(body), call, limits);
                ResponseBody::Streamed(Box::new(body))
            })),
            (None, None) => Ok(response.map(ResponseBody::Generated)),
        }
    }
}

/// The messages of an upload, as a body for tonic.
///
/// tonic takes a body that fails with CANCELLED for one that ended, and would carry out half an import. So
/// its body fails with another error, and the caller is told what `unread` has then.
fn messages<B>(upload: Upload<B>, unread: &Arc<OnceLock<Status>>) -> tonic::body::Body
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    let unread = Arc::clone(unread);
    let frames = stream::try_unfold(upload, |mut upload| async move {
        let message = upload.next_framed().await?;
        Ok(message.map(|message| (Frame::data(message), upload)))
    });
    let frames = frames.map_err(move |status: Status| {
        let _ = unread.set(status);
        "the request's messages cannot be read"
    });
    tonic::body::Body::new(http_body_util::StreamBody::new(frames))
}

/// A response's body as framed chunks; an error in its trailers ends them.
fn chunks(body: tonic::body::Body) -> Chunks {
    let chunk = |frame: Frame<Bytes>| match frame.into_data() {
        Ok(data) => Ok(Some(data)),
        Err(frame) => {
            let trailers = frame.trailers_ref();
            match trailers.and_then(Status::from_header_map) {
                Some(status) if status.code() != Code::Ok => Err(status),
                Some(_) | None => Ok(None),
            }
        }
    };
    let frames = BodyStream::new(body);
    frames
        .try_filter_map(move |frame| ready(chunk(frame)))
        .boxed()
}
