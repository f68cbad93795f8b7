//! What operations answer when they fail: problems as RFC 9457 has them, and what the contract says of their reasons.
use std::fmt::Write;

use prost_reflect::{DescriptorPool, EnumDescriptor};
use serde_json::{Map, Value, json};

use super::comments::Comments;

/// The statuses that failed calls may have, the names that references to them have, and what they mean.
const STATUSES: [(&str, &str, &str); 13] = [
    (
        "400",
        "BadRequest",
        "Something is wrong with the request; `violations` names each wrong field. Or what was asked for cannot be done as things are.",
    ),
    (
        "401",
        "Unauthorized",
        "Credentials are missing, unknown or expired.",
    ),
    (
        "403",
        "Forbidden",
        "The caller is known, and lacks the role.",
    ),
    (
        "404",
        "NotFound",
        "There is no such thing, or no such path.",
    ),
    ("408", "RequestTimeout", "The body did not arrive in time."),
    (
        "409",
        "Conflict",
        "It exists already, was changed meanwhile, or is under way already.",
    ),
    (
        "412",
        "PreconditionFailed",
        "`If-Match` names another etag than that of now; nothing was changed.",
    ),
    ("413", "ContentTooLarge", "The body is too large."),
    (
        "415",
        "UnsupportedMediaType",
        "The body is not of the type that is taken.",
    ),
    (
        "429",
        "TooManyRequests",
        "The caller has or asks for more than it may.",
    ),
    ("500", "InternalServerError", "A fault of the service."),
    (
        "503",
        "ServiceUnavailable",
        "Something cannot be reached, operators switched something off, or this replica has too much to do or leaves.",
    ),
    ("504", "GatewayTimeout", "The time for the call is over."),
];

/// The statuses that only bodies lead to.
const OF_BODIES: [&str; 3] = ["408", "413", "415"];
/// The status that only changes lead to.
const OF_CHANGES: &str = "409";

/// The problems, for references.
pub(super) fn responses() -> Map<String, Value> {
    let content =
        json!({"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}});
    let mut responses = Map::new();
    for (status, name, description) in STATUSES {
        let mut headers = json!({"X-Request-Id": {"$ref": "#/components/headers/RequestId"}});
        let more = match status {
            "401" => Some(("WWW-Authenticate", "WwwAuthenticate")),
            "429" | "503" => Some(("Retry-After", "RetryAfter")),
            _ => None,
        };
        if let (Some((header, reference)), Some(headers)) = (more, headers.as_object_mut()) {
            let reference = json!({"$ref": format!("#/components/headers/{reference}")});
            headers.insert(header.to_owned(), reference);
        }
        let response = json!({"description": description, "headers": headers, "content": content});
        responses.insert(name.to_owned(), response);
    }
    responses
}

/// The status that only conditions lead to.
const OF_CONDITIONS: &str = "412";

/// References to the problems of an operation.
pub(super) fn references(
    has_body: bool,
    is_change: bool,
    has_condition: bool,
) -> Map<String, Value> {
    let mut references = Map::new();
    for (status, name, _) in STATUSES {
        let is_possible = (has_body || !OF_BODIES.contains(&status))
            && (is_change || status != OF_CHANGES)
            && (has_condition || status != OF_CONDITIONS);
        if is_possible {
            let reference = json!({"$ref": format!("#/components/responses/{name}")});
            references.insert(status.to_owned(), reference);
        }
    }
    references
}

/// The schema of a problem.
pub(super) fn schema(contract: &DescriptorPool, comments: &Comments<'_>) -> Value {
    let violation = json!({
        "type": "object",
        "required": ["field", "problem"],
        "properties": {
            "field": {"type": "string", "description": "The field's path as the contract spells it, such as `ids[3]`."},
            "problem": {"type": "string", "description": "What was expected, such as `must be a UUID`."},
        },
    });
    json!({
        "type": "object",
        "description": "Why a call failed, as RFC 9457 has it.",
        "required": ["type", "title", "status", "detail", "reason", "request_id"],
        "properties": {
            "type": {
                "type": "string",
                "format": "uri",
                "description": "Names the kind of problem; nothing is to be fetched there.",
                "examples": ["urn:challenges-catalog:error:INVALID_FIELDS"],
            },
            "title": {"type": "string", "description": "The phrase of the status.", "examples": ["Bad Request"]},
            "status": {"type": "integer", "description": "The status, once more.", "minimum": 400, "maximum": 599},
            "detail": {"type": "string", "description": "What happened this time, for people."},
            "reason": {"type": "string", "description": reasons(contract, comments), "examples": ["INVALID_FIELDS"]},
            "request_id": {"type": "string", "description": "Names the call in logs: quote it."},
            "violations": {"type": "array", "description": "Which fields are wrong, and why.", "items": violation},
            "retry_after": {"type": "number", "description": "After how many seconds another try is worth it.", "minimum": 0},
            "metadata": {
                "type": "object",
                "description": "What else programs may want to know, by the reason.",
                "additionalProperties": {"type": "string"},
            },
        },
    })
}

/// What each reason means.
fn reasons(contract: &DescriptorPool, comments: &Comments<'_>) -> String {
    let reasons = contract.get_enum_by_name("challenges.catalog.v1.ErrorReason");
    let mut text = "Why it failed, for programs. For faults that have no reason of their own, the code of gRPC.\n".to_owned();
    let values: Vec<_> = reasons.iter().flat_map(EnumDescriptor::values).collect();
    for value in values.iter().filter(|value| value.number() != 0) {
        let name = value.name().trim_start_matches("ERROR_REASON_");
        let comment = comments.of_value(value);
        // Writing to a text does not fail.
        let _ = write!(text, "\n- `{name}`: {comment}");
    }
    text
}
