//! What the old routes answer instead of challenges, with the bytes of the replaced service.
use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Serialize;

/// An answer that is no list of challenges. Its content type is `application/json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CompatRefusal {
    /// The HTTP status.
    pub(super) status: StatusCode,
    /// What the path takes instead: the header `allow`.
    pub(super) allow: Option<Method>,
    /// JSON.
    pub(super) body: Bytes,
}

/// The one difference of the deployed form that `--http-compat` decides.
const INVALID_DIFFICULTY: &str = "Invalid difficulty. Must be: beginner, intermediate, or advanced";
const DISABLED: &str = "Challenges catalog is currently disabled";
const FAILED: &str = "Failed to retrieve challenges";
const NOT_INVALIDATED: &str = "Failed to invalidate cache";

#[derive(Serialize)]
struct Detail<'a, T: ?Sized> {
    detail: &'a T,
}

impl CompatRefusal {
    /// The flag `challenges_catalog` is off.
    pub(super) fn disabled() -> Self {
        Self::saying(StatusCode::SERVICE_UNAVAILABLE, DISABLED)
    }

    /// The challenges cannot be had.
    pub(super) fn failed() -> Self {
        Self::saying(StatusCode::INTERNAL_SERVER_ERROR, FAILED)
    }

    /// The invalidation was not committed.
    pub(super) fn not_invalidated() -> Self {
        Self::saying(StatusCode::INTERNAL_SERVER_ERROR, NOT_INVALIDATED)
    }

    /// The deployed form's only check.
    pub(super) fn invalid_difficulty() -> Self {
        Self::saying(StatusCode::BAD_REQUEST, INVALID_DIFFICULTY)
    }

    /// There is nothing at this path.
    pub(super) fn not_found() -> Self {
        Self::plain(StatusCode::NOT_FOUND)
    }

    /// The path takes `allow` alone.
    pub(super) fn method_not_allowed(allow: Method) -> Self {
        Self {
            allow: Some(allow),
            ..Self::plain(StatusCode::METHOD_NOT_ALLOWED)
        }
    }

    /// What the replaced service had no answer for, such as who may not call: the phrase of the status, as FastAPI
    /// says it unless it is told what to say.
    pub(super) fn plain(status: StatusCode) -> Self {
        Self::saying(status, status.canonical_reason().unwrap_or("Error"))
    }

    /// A sentence.
    pub(super) fn saying(status: StatusCode, detail: &str) -> Self {
        Self::telling(status, detail)
    }

    /// Anything else.
    pub(super) fn telling(status: StatusCode, detail: &(impl Serialize + ?Sized)) -> Self {
        Self {
            status,
            allow: None,
            // Writing to memory does not fail.
            body: serde_json::to_vec(&Detail { detail })
                .unwrap_or_default()
                .into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_the_bytes_of_the_replaced_service() {
        for (refusal, status, body) in [
            (
                CompatRefusal::disabled(),
                503,
                r#"{"detail":"Challenges catalog is currently disabled"}"#,
            ),
            (
                CompatRefusal::failed(),
                500,
                r#"{"detail":"Failed to retrieve challenges"}"#,
            ),
            (
                CompatRefusal::not_invalidated(),
                500,
                r#"{"detail":"Failed to invalidate cache"}"#,
            ),
            (
                CompatRefusal::invalid_difficulty(),
                400,
                r#"{"detail":"Invalid difficulty. Must be: beginner, intermediate, or advanced"}"#,
            ),
            (CompatRefusal::not_found(), 404, r#"{"detail":"Not Found"}"#),
            (
                CompatRefusal::method_not_allowed(Method::GET),
                405,
                r#"{"detail":"Method Not Allowed"}"#,
            ),
        ] {
            assert_eq!(refusal.status, status);
            assert_eq!(refusal.body, body);
        }
    }
}
