//! Calls that tonic's router answers, within the bounds and with the codes of all others.
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tokio::time::{Instant, timeout_at};
use tonic::{Code, Status, service::Routes};
use tower::ServiceExt;

use super::{
    body::ResponseBody,
    context::{REQUEST_ID, RequestContext},
    reflection::Reflection,
    request_body::RequestBodies,
    status,
    unary::refuse,
};

/// What is neither the catalog nor its edits.
pub struct Routed {
    /// Tonic's router: health, and the other services of operators.
    pub(super) routes: Routes,
    pub(super) reflection: Reflection,
}

impl Routed {
    /// What the router answers. The message is read here, so that all methods have the same bounds.
    pub(super) async fn answer<B>(
        &self,
        request: Request<B>,
        call: &RequestContext,
        bodies: &RequestBodies,
    ) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let answer = async {
            let (head, body) = request.into_parts();
            let (message, _share) = bodies.read_framed(body, &head.headers, call).await?;
            let body = tonic::body::Body::new(Full::new(message));
            self.route(Request::from_parts(head, body), call).await
        };
        let answer = timeout_at(Instant::from_std(call.deadline), answer).await;
        match answer.unwrap_or_else(|_| Err(status::deadline_exceeded())) {
            Ok(response) => {
                let mut response = response.map(ResponseBody::Routed);
                response
                    .headers_mut()
                    .insert(REQUEST_ID, call.request_id.clone());
                response
            }
            Err(status) => refuse(&status, call),
        }
    }

    async fn route(
        &self,
        mut request: Request<tonic::body::Body>,
        call: &RequestContext,
    ) -> Result<Response<tonic::body::Body>, Status> {
        // Handlers find it where callers would have put it.
        request
            .headers_mut()
            .insert(REQUEST_ID, call.request_id.clone());
        let response = match self.routes.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        match Status::from_header_map(response.headers()).map(status::of_codec) {
            Some(status) if status.code() == Code::InvalidArgument => Err(status),
            Some(_) | None => Ok(response),
        }
    }
}
