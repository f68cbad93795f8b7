//! The one place where an error becomes a status, with its details.
use std::{collections::HashMap, iter, time::Duration};

use tonic::{
    Code, Status,
    metadata::{Ascii, MetadataValue},
};
use tonic_types::{ErrorDetails, ErrorInfo, PreconditionViolation, ResourceInfo, StatusExt};

use super::{
    convert::{duration, etag_text},
    failed_calls::log_failed,
    methods::Method,
};
use crate::{
    domain::{
        ControlKind, CredentialError, EditRefusal, Error, Etag, FieldViolation, Flag, FleetTask,
        NAMED_MAX, Principal, Role, Unavailability,
    },
    pb::catalog::v1::{ErrorReason, TipFailure},
};

const DOMAIN: &str = "challenges-catalog";
/// What every reason begins with in the contract, and not on the wire.
const PREFIX: &str = "ERROR_REASON_";
/// Where a client's built-in retry looks for the pause (gRFC A6).
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// The one place where an error becomes a status. Logs faults and outages, once.
pub(super) fn to_status(error: &Error, request_id: &str) -> Status {
    log_failed(error);
    let (code, details) = match error {
        Error::Invalid(violations) => (Code::InvalidArgument, invalid(violations)),
        Error::InvalidPageToken(problem) => {
            let mut details = info(ErrorReason::InvalidPageToken, []);
            details.add_bad_request_violation("page_token", *problem);
            (Code::InvalidArgument, details)
        }
        Error::NotFound { kind, ids } => return not_found(kind, ids, error.to_string()),
        Error::UnknownControl { kind, name, .. } => (Code::NotFound, unknown_control(*kind, name)),
        Error::EtagMismatch { current } => (Code::Aborted, etag_mismatch(Some(*current))),
        Error::OtherEnvironment(environment) => {
            let environment = [("environment", environment.to_string())];
            let details = info(ErrorReason::FlagOfOtherEnvironment, environment);
            (Code::FailedPrecondition, details)
        }
        Error::UnknownTag(tag) => {
            let mut details = info(ErrorReason::TagUnknown, []);
            details.set_resource_info("cache tag", tag, "", "there is no such tag");
            (Code::NotFound, details)
        }
        Error::Refused(refusal) => refused(refusal),
        Error::EditForbidden { .. } => failed_precondition(ErrorReason::EditForbidden),
        Error::Declined => failed_precondition(ErrorReason::TipDeclined),
        Error::NoTipsProvider => failed_precondition(ErrorReason::NoTipsProvider),
        Error::UnderWay(FleetTask::Warming) => {
            (Code::Aborted, info(ErrorReason::WarmingAlready, []))
        }
        Error::UnderWay(FleetTask::Generating) => {
            (Code::Aborted, info(ErrorReason::GeneratingAlready, []))
        }
        Error::Unavailable {
            why, retry_after, ..
        } => return unavailable(*why, error.to_string(), *retry_after),
        Error::Exhausted { retry_after, .. } => {
            let details = info(ErrorReason::RateLimited, []);
            let message = error.to_string();
            return retry_later(Code::ResourceExhausted, message, details, *retry_after);
        }
        Error::DeadlineExceeded => return deadline_exceeded(),
        Error::Internal { .. } => return internal(request_id),
    };
    Status::with_error_details(code, error.to_string(), details)
}

fn failed_precondition(reason: ErrorReason) -> (Code, ErrorDetails) {
    (Code::FailedPrecondition, info(reason, []))
}

/// Names each id in a detail of its own, as many as the message names.
fn not_found(kind: &str, ids: &[String], message: String) -> Status {
    let reason = reason_info(ErrorReason::ChallengeNotFound, []);
    let absent = |id| ResourceInfo::new(kind, id, "", "it is not in the catalog").into();
    let absent = ids.iter().take(NAMED_MAX).map(absent);
    Status::with_error_details_vec(
        Code::NotFound,
        message,
        iter::once(reason.into()).chain(absent),
    )
}

fn unknown_control(kind: ControlKind, name: &str) -> ErrorDetails {
    let reason = match kind {
        ControlKind::Flag => ErrorReason::FeatureFlagNotFound,
        ControlKind::Setting => ErrorReason::RuntimeSettingNotFound,
    };
    let mut details = info(reason, []);
    details.set_resource_info(kind.as_str(), name, "", "there is none of this name");
    details
}

fn invalid(violations: &[FieldViolation]) -> ErrorDetails {
    let mut details = info(ErrorReason::InvalidFields, []);
    for violation in violations.iter().take(NAMED_MAX) {
        details.add_bad_request_violation(&violation.field, &violation.problem);
    }
    details
}

fn unavailable(why: Unavailability, message: String, retry_after: Duration) -> Status {
    let details = match why {
        Unavailability::Datastore
        | Unavailability::TakesNoWrites
        | Unavailability::NothingInvalidated
        | Unavailability::InvalidatedHereOnly(_)
        | Unavailability::InvalidationUnproven(_) => info(ErrorReason::DatastoreUnavailable, []),
        Unavailability::Overloaded => info(ErrorReason::Overloaded, []),
        Unavailability::TipsProvider => info(ErrorReason::TipsUnavailable, []),
        Unavailability::OutcomeUnknown => info(ErrorReason::OutcomeUnknown, []),
        Unavailability::VersionNotReached(version) => info(
            ErrorReason::VersionNotReached,
            [("version", version.to_string())],
        ),
    };
    retry_later(Code::Unavailable, message, details, retry_after)
}

/// A status that asks for a pause before the next try: in its details, and where a client's built-in retry looks. Both
/// say the same.
fn retry_later(
    code: Code,
    message: impl Into<String>,
    mut details: ErrorDetails,
    at_least: Duration,
) -> Status {
    // Callers that failed together must not come back together.
    let pause = at_least.mul_f64(rand::random_range(1.0..1.5));
    let millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    details.set_retry_info(Some(Duration::from_millis(millis)));
    let status = Status::with_error_details(code, message, details);
    with_metadata(status, PUSHBACK, millis.into())
}

fn with_metadata(mut status: Status, name: &'static str, value: MetadataValue<Ascii>) -> Status {
    status.metadata_mut().insert(name, value);
    status
}

/// It has this etag now, or is gone.
fn etag_mismatch(current: Option<Etag>) -> ErrorDetails {
    let current = current.map(etag_text).unwrap_or_default();
    info(ErrorReason::EtagMismatch, [("current_etag", current)])
}

fn refused(refusal: &EditRefusal) -> (Code, ErrorDetails) {
    match refusal {
        EditRefusal::Exists(id) => {
            let mut details = info(ErrorReason::ChallengeExists, []);
            details.set_resource_info("challenge", id.to_string(), "", "it is in the catalog");
            (Code::AlreadyExists, details)
        }
        EditRefusal::InUse { id, table } => {
            let table = [("table", table.clone())];
            let mut details = info(ErrorReason::ChallengeInUse, table);
            let violation = PreconditionViolation::new(
                "CHALLENGE_IN_USE",
                format!("challenges/{id}"),
                refusal.to_string(),
            );
            details.set_precondition_failure(vec![violation]);
            (Code::FailedPrecondition, details)
        }
        EditRefusal::Changed(now) => (Code::Aborted, etag_mismatch(*now)),
        EditRefusal::RequestIdReused => (
            Code::InvalidArgument,
            info(ErrorReason::RequestIdReused, []),
        ),
        EditRefusal::NoSuchRevision { number, .. } => {
            let mut details = info(ErrorReason::RevisionNotFound, []);
            let problem = "the challenge has no such revision";
            details.set_resource_info("revision", number.to_string(), "", problem);
            (Code::NotFound, details)
        }
    }
}

/// The time for a call is over.
pub(super) fn deadline_exceeded() -> Status {
    let details = info(ErrorReason::DeadlineExceeded, []);
    Status::with_error_details(Code::DeadlineExceeded, "deadline exceeded", details)
}

/// This replica leaves, and with it the stream: others go on with it at once.
pub(super) fn shutting_down() -> Status {
    let details = info(ErrorReason::ShuttingDown, []);
    let message = "this replica is shutting down; go on elsewhere with the last resume_token";
    retry_later(Code::Unavailable, message, details, Duration::ZERO)
}

/// Operators switched this off: elsewhere and later it is off too, until they switch it on.
pub(super) fn feature_disabled(flag: Flag) -> Status {
    let name = flag.definition().name;
    let details = info(
        ErrorReason::FeatureDisabled,
        [("feature_flag", name.to_owned())],
    );
    let message = format!("switched off by its operators: feature flag {name}");
    let status = Status::with_error_details(Code::Unavailable, message, details);
    // Never.
    with_metadata(status, PUSHBACK, MetadataValue::from(-1_i64))
}

/// What became of one tip of several, in a message instead of a status.
pub(super) fn failure(status: &Status) -> TipFailure {
    let details = status.get_error_details();
    let reason = details.error_info().and_then(|info| {
        let name = format!("{PREFIX}{}", info.reason);
        ErrorReason::from_str_name(&name)
    });
    let delay = details.retry_info().and_then(|info| info.retry_delay);
    TipFailure {
        code: status.code().into(),
        reason: reason.unwrap_or_default().into(),
        message: status.message().to_owned(),
        retry_delay: delay.map(duration),
    }
}

/// A fault of ours: the caller gets what finds the log lines, and nothing else.
pub(super) fn internal(request_id: &str) -> Status {
    let details = info(
        ErrorReason::InternalError,
        [("request_id", request_id.to_owned())],
    );
    let message = format!("internal error; quote request id {request_id}");
    Status::with_error_details(Code::Internal, message, details)
}

/// The call proves not who makes it.
pub(super) fn not_authenticated(error: CredentialError) -> Status {
    let reason = match error {
        CredentialError::Missing => ErrorReason::CredentialsMissing,
        CredentialError::Malformed(_)
        | CredentialError::Unknown(_)
        | CredentialError::Expired
        | CredentialError::NotYetValid
        | CredentialError::OtherAudience
        | CredentialError::Invalid(_) => ErrorReason::CredentialsInvalid,
        CredentialError::KeysUnavailable => {
            let details = info(ErrorReason::CredentialsUnchecked, []);
            let pause = Duration::from_secs(1);
            return retry_later(Code::Unavailable, error.to_string(), details, pause);
        }
    };
    Status::with_error_details(Code::Unauthenticated, error.to_string(), info(reason, []))
}

/// The caller's role does not allow the method.
pub(super) fn role_missing(principal: &Principal, needed: Role, method: &Method) -> Status {
    let (has, method) = (principal.role, method.label());
    let details = info(
        ErrorReason::RoleMissing,
        [("role", needed.to_string()), ("has", has.to_string())],
    );
    let article = match has {
        Role::Viewer => "a",
        Role::Editor | Role::Operator => "an",
    };
    let message = format!("{method} needs the role {needed}; this caller is {article} {has}");
    Status::with_error_details(Code::PermissionDenied, message, details)
}

/// The caller's rate allows no further call now.
pub(super) fn call_rate(pause: Duration) -> Status {
    let pause = pause.max(Duration::from_millis(10));
    let (details, message) = (
        info(ErrorReason::RateLimited, []),
        "this caller calls more often than it may",
    );
    retry_later(Code::ResourceExhausted, message, details, pause)
}

/// This replica has no room for the call, for this `reason`.
pub(super) fn overloaded(reason: &str) -> Status {
    let why = Unavailability::Overloaded;
    let message = format!("this replica is overloaded: {reason}");
    unavailable(why, message, Duration::from_millis(100))
}

/// The request's message did not come in time: within the call's own, or within what this replica grants.
pub(super) fn message_too_slow() -> Status {
    let details = info(ErrorReason::DeadlineExceeded, []);
    let message = "the request's message did not come in time";
    Status::with_error_details(Code::DeadlineExceeded, message, details)
}

/// What tonic's codec says of a request, in the codes that the gRPC documents ask for. What our
/// methods say has details, and stays as it is.
pub(super) fn of_codec(status: Status) -> Status {
    if status.code() == Code::Internal && status.details().is_empty() {
        malformed(status.message())
    } else {
        status
    }
}

/// The request's message is larger than it may be.
pub(super) fn message_too_large(limit_bytes: usize) -> Status {
    let details = info(
        ErrorReason::MessageTooLarge,
        [("limit_bytes", limit_bytes.to_string())],
    );
    let message = format!("the message is larger than {limit_bytes} bytes");
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

/// The request's bytes are not what the method takes.
pub(super) fn malformed(problem: &str) -> Status {
    let details = info(ErrorReason::MalformedMessage, []);
    let message = format!("the request cannot be read: {problem}");
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// No such method here.
pub(super) fn unknown_method(path: &str) -> Status {
    let details = info(
        ErrorReason::MethodUnknown,
        [("path", path.chars().take(200).collect())],
    );
    let message = format!(
        "no method {path:.200} here; server reflection, where it is on, lists the services and their methods"
    );
    Status::with_error_details(Code::Unimplemented, message, details)
}

/// Nothing is known of this name of `grpc.health.v1`.
pub(super) fn unknown_health_name(name: &str) -> Status {
    let mut details = info(ErrorReason::HealthNameUnknown, []);
    let name: String = name.chars().take(200).collect();
    details.set_resource_info("health name", &name, "", "nothing is known of it");
    let shown = name.escape_debug();
    let message = format!("no such health name: {shown}; List tells all of them");
    Status::with_error_details(Code::NotFound, message, details)
}

/// `grpc.health.v1.Health/List` tells no more names than `most`.
pub(super) fn too_many_health_names(most: usize) -> Status {
    Status::resource_exhausted(format!("there are more than {most} names; ask for one"))
}

/// This server does not read requests that are compressed so.
pub(super) fn compressed() -> Status {
    let details = info(ErrorReason::MalformedMessage, []);
    let message = "requests may be compressed with gzip, or not at all";
    let status = Status::with_error_details(Code::Unimplemented, message, details);
    let accepted = MetadataValue::from_static("identity,gzip");
    with_metadata(status, "grpc-accept-encoding", accepted)
}

fn info<const N: usize>(reason: ErrorReason, metadata: [(&str, String); N]) -> ErrorDetails {
    let info = reason_info(reason, metadata);
    ErrorDetails::with_error_info(info.reason, info.domain, info.metadata)
}

fn reason_info<const N: usize>(reason: ErrorReason, metadata: [(&str, String); N]) -> ErrorInfo {
    let name = reason.as_str_name();
    let name = name.strip_prefix(PREFIX).unwrap_or(name);
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value));
    ErrorInfo::new(name, DOMAIN, HashMap::from(metadata))
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
