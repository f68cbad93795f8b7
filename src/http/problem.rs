//! Errors as `application/problem+json` (RFC 9457), one to one from the statuses of the contract.
use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde::Serialize;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{body::HttpBody, request_problems::Unreadable};
use crate::{domain::FieldViolation, pb::catalog::v1::ErrorReason, transport::code_name};

/// An error as it goes to a caller.
#[derive(Debug, Serialize)]
pub(super) struct Problem {
    /// Names the kind of error; nothing is to be fetched there.
    r#type: String,
    /// The same for people.
    title: &'static str,
    status: u16,
    /// What happened this time.
    detail: String,
    /// The name of the contract's `ErrorReason`.
    reason: String,
    request_id: String,
    /// Which fields are wrong, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    violations: Vec<Violation>,
    /// After how many seconds another try is worth it.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<f64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    #[serde(skip)]
    allow: Option<String>,
}

#[derive(Debug, Serialize)]
struct Violation {
    field: String,
    problem: String,
}

/// Operators switched something off: nobody knows until when, and there is no use in asking more often.
const SWITCHED_OFF: Duration = Duration::from_mins(1);
const PREFIX: &str = "ERROR_REASON_";

impl Problem {
    /// The problem for a call that ended with `status`.
    pub(super) fn of(status: &Status, request_id: &HeaderValue) -> Self {
        let details = status.get_error_details();
        let info = details.error_info();
        let reason = info.map_or_else(
            || code_name(status.code()).to_owned(),
            |info| info.reason.clone(),
        );
        let violations = details.bad_request().map(|bad| {
            let fields = bad.field_violations.iter();
            fields.map(|it| Violation {
                field: it.field.clone(),
                problem: it.description.clone(),
            })
        });
        let mut delay = details.retry_info().and_then(|info| info.retry_delay);
        if is(&reason, ErrorReason::FeatureDisabled) {
            delay = Some(SWITCHED_OFF);
        }
        let metadata = info.map(|info| info.metadata.clone().into_iter().collect());
        Self {
            violations: violations.into_iter().flatten().collect(),
            retry_after: delay.map(|delay| delay.as_secs_f64()),
            metadata: metadata.unwrap_or_default(),
            ..Self::new(
                http_status(status.code(), &reason),
                (&reason, status.message()),
                request_id,
            )
        }
    }

    fn new(status: StatusCode, (reason, detail): (&str, &str), request_id: &HeaderValue) -> Self {
        Self {
            r#type: format!("urn:challenges-catalog:error:{reason}"),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.to_owned(),
            reason: reason.to_owned(),
            request_id: request_id.to_str().unwrap_or_default().to_owned(),
            violations: Vec::new(),
            retry_after: None,
            metadata: BTreeMap::new(),
            allow: None,
        }
    }

    /// Some of what the request asks for is wrong.
    pub(super) fn invalid(violations: Vec<FieldViolation>, request_id: &HeaderValue) -> Self {
        let told = violations.iter();
        let told: Vec<_> = told
            .map(|it| format!("{} {}", it.field, it.problem))
            .collect();
        let violations = violations.into_iter();
        Self {
            violations: violations
                .map(|it| Violation {
                    field: it.field,
                    problem: it.problem,
                })
                .collect(),
            ..Self::new(
                StatusCode::BAD_REQUEST,
                (name(ErrorReason::InvalidFields), &told.join("; ")),
                request_id,
            )
        }
    }

    /// The request is no message of its method.
    pub(super) fn unreadable(unreadable: Unreadable, request_id: &HeaderValue) -> Self {
        match unreadable {
            Unreadable::Malformed(problem) => Self::malformed(&problem, request_id),
            Unreadable::Fields(violations) => Self::invalid(violations.into(), request_id),
        }
    }

    /// A fault of this service.
    pub(super) fn internal(request_id: &HeaderValue) -> Self {
        let reason = name(ErrorReason::InternalError);
        let detail = "internal error; quote the request id";
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self::new(status, (reason, detail), request_id)
    }

    /// This replica has no room for the request.
    pub(super) fn overloaded(detail: &str, request_id: &HeaderValue) -> Self {
        let reason = name(ErrorReason::Overloaded);
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self {
            retry_after: Some(1.0),
            ..Self::new(status, (reason, detail), request_id)
        }
    }

    /// The body did not come in time.
    pub(super) fn too_slow(request_id: &HeaderValue) -> Self {
        let reason = name(ErrorReason::DeadlineExceeded);
        let detail = "the body did not come in time";
        Self::new(StatusCode::REQUEST_TIMEOUT, (reason, detail), request_id)
    }

    /// A page of another origin wants something changed.
    pub(super) fn foreign_origin(request_id: &HeaderValue) -> Self {
        let reason = code_name(Code::PermissionDenied);
        let detail = "pages of this origin may change nothing here; --http-cors-origin allows them";
        Self::new(StatusCode::FORBIDDEN, (reason, detail), request_id)
    }

    /// The request cannot be read.
    pub(super) fn malformed(detail: &str, request_id: &HeaderValue) -> Self {
        let reason = name(ErrorReason::MalformedMessage);
        Self::new(StatusCode::BAD_REQUEST, (reason, detail), request_id)
    }

    /// The body is of a type that is not taken.
    pub(super) fn media_type(taken: &str, request_id: &HeaderValue) -> Self {
        let reason = name(ErrorReason::MalformedMessage);
        let detail = format!("the body must be {taken}, and Content-Type must say so");
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Self::new(status, (reason, &detail), request_id)
    }

    /// The body is encoded.
    pub(super) fn encoded(request_id: &HeaderValue) -> Self {
        let reason = name(ErrorReason::MalformedMessage);
        let detail = "bodies are taken as they are, without Content-Encoding";
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Self::new(status, (reason, detail), request_id)
    }

    /// The same, for a call whose caller named the etag as a condition (RFC 9110, 13.1.1).
    pub(super) fn of_condition(self) -> Self {
        if !is(&self.reason, ErrorReason::EtagMismatch) {
            return self;
        }
        let status = StatusCode::PRECONDITION_FAILED;
        Self {
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            ..self
        }
    }

    /// The body is too large.
    pub(super) fn too_large(limit_bytes: usize, request_id: &HeaderValue) -> Self {
        let reason = name(ErrorReason::MessageTooLarge);
        let detail = format!("the body is larger than {limit_bytes} bytes");
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        Self::new(status, (reason, &detail), request_id)
    }

    /// There is nothing at this path.
    pub(super) fn unknown_path(request_id: &HeaderValue) -> Self {
        let reason = name(ErrorReason::MethodUnknown);
        let detail = "there is nothing at this path; /docs and /openapi.json tell what there is";
        Self::new(StatusCode::NOT_FOUND, (reason, detail), request_id)
    }

    /// The path takes other methods.
    pub(super) fn unknown_verb(allow: String, request_id: &HeaderValue) -> Self {
        let reason = name(ErrorReason::MethodUnknown);
        let detail = format!("this path takes {allow}");
        let status = StatusCode::METHOD_NOT_ALLOWED;
        Self {
            allow: Some(allow),
            ..Self::new(status, (reason, &detail), request_id)
        }
    }

    /// The status of HTTP.
    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Whether the replica leaves, so that the caller is to go on elsewhere.
    pub(super) fn is_shutdown(&self) -> bool {
        is(&self.reason, ErrorReason::ShuttingDown)
    }

    /// The problem as JSON, on one line.
    pub(super) fn json(&self) -> Bytes {
        // Writing to memory does not fail.
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// The response that tells it.
    pub(super) fn response(&self) -> Response<HttpBody> {
        let mut response = Response::new(HttpBody::whole(self.json()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        let problem = HeaderValue::from_static("application/problem+json");
        headers.insert(CONTENT_TYPE, problem);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            // Whole seconds, and never too early.
            let seconds = Duration::from_secs_f64(seconds.ceil().max(1.0)).as_secs();
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED.as_u16() {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        let allow = self.allow.as_deref().map(HeaderValue::from_str);
        if let Some(Ok(allow)) = allow {
            headers.insert(ALLOW, allow);
        }
        response
    }
}

/// Whether operators switched off what was called.
pub(super) fn is_switched_off(status: &Status) -> bool {
    let details = status.get_error_details();
    let info = details.error_info();
    info.is_some_and(|info| is(&info.reason, ErrorReason::FeatureDisabled))
}

fn is(reason: &str, other: ErrorReason) -> bool {
    reason == name(other)
}

fn name(reason: ErrorReason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix(PREFIX).unwrap_or(name)
}

/// The status of HTTP for a code of gRPC, as google.rpc.Code maps them, but where a reason says more.
fn http_status(code: Code, reason: &str) -> StatusCode {
    if is(reason, ErrorReason::MessageTooLarge) {
        return StatusCode::PAYLOAD_TOO_LARGE;
    }
    if is(reason, ErrorReason::MethodUnknown) {
        return StatusCode::NOT_FOUND;
    }
    match code {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument | Code::OutOfRange | Code::FailedPrecondition => {
            StatusCode::BAD_REQUEST
        }
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded | Code::Cancelled => StatusCode::GATEWAY_TIMEOUT,
        Code::Internal | Code::Unknown | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
