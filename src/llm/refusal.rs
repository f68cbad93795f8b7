//! Turns an HTTP response other than success into the error of an attempt.
use std::{pin::pin, time::Duration};

use futures_util::{Stream, StreamExt};
use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::{
    json::{self, name},
    protocol_error::ProtocolError,
    provider_error::{self, ProviderError},
    retry_after::{retry_after, should_retry},
};
use crate::domain::{FailureKind, UnixMicros, Usage, WriteFailure};

/// No more of an error's body is read, in bytes.
const BODY_BYTES: usize = 64 * 1024;
/// How long the body of an error is waited for: status and headers say nearly all.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);
/// What the two protocols call it, and gateways.
const ATTEMPT_IDS: [HeaderName; 3] = [
    HeaderName::from_static("request-id"),
    HeaderName::from_static("x-request-id"),
    // LiteLLM's own name, which its log has.
    HeaderName::from_static("x-litellm-call-id"),
];

/// The head of an answer.
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
}

impl Head {
    /// The provider's name for the attempt, if it is one.
    pub(super) fn attempt_id(&self) -> Option<String> {
        let mut ids = ATTEMPT_IDS
            .into_iter()
            .filter_map(|id| self.headers.get(id));
        ids.find_map(|id| name(id.to_str().ok()?))
    }

    /// What an answer with another status than 200 means: it cost nothing, and it may say when to
    /// come again.
    pub(super) async fn refusal<B: AsRef<[u8]>>(
        &self,
        body: impl Stream<Item = Result<B, ProtocolError>>,
        now: UnixMicros,
    ) -> WriteFailure {
        let (problem, error) = if self.status.is_success() {
            let what = format!("a success of another kind, {}", self.status.as_u16());
            (ProtocolError::new(FailureKind::Malformed, what), None)
        } else {
            let error = error_in(&first_of(body).await);
            (self.problem(error.as_ref()), error)
        };
        WriteFailure {
            retry_after: retry_after(problem.kind, &self.headers, error.as_ref(), now),
            should_retry: should_retry(&self.headers),
            ..problem.into_failure(self.attempt_id(), Usage::default())
        }
    }

    /// By the status, unless the body says that the money is spent, or, for a bad request, that it is
    /// the key or the model: no request will succeed then.
    fn problem(&self, error: Option<&Value>) -> ProtocolError {
        let status = self.status.as_u16();
        let fault = error.map(ProviderError);
        let known = fault.as_ref().and_then(ProviderError::kind);
        let kind = match known {
            Some((kind @ FailureKind::SpendLimit, _)) => kind,
            Some((kind @ (FailureKind::Denied | FailureKind::NotFound), _)) if status == 400 => {
                kind
            }
            _ => provider_error::of_status(status),
        };
        let own = fault.as_ref().and_then(ProviderError::own_word);
        let word = known.map(|(_, word)| word).or(own);
        let word = word.unwrap_or("no word that is known");
        ProtocolError::new(kind, format!("status {status}, {word}"))
    }
}

/// The error object of a body, or what stands for it; some servers put it into a list.
fn error_in(body: &[u8]) -> Option<Value> {
    let body = json::parse(&String::from_utf8_lossy(body)).ok()?;
    let body = body.get(0).unwrap_or(&body);
    Some(body.get("error").unwrap_or(body).clone())
}

/// The beginning of a body; what cannot be read, or not in time, is left out.
pub(super) async fn first_of<B: AsRef<[u8]>>(
    body: impl Stream<Item = Result<B, ProtocolError>>,
) -> Vec<u8> {
    let mut body = pin!(body);
    let mut first = Vec::new();
    let deadline = Instant::now() + BODY_TIMEOUT;
    while let Ok(Some(Ok(chunk))) = timeout_at(deadline, body.next()).await {
        let room = BODY_BYTES - first.len();
        first.extend(chunk.as_ref().iter().take(room));
        if first.len() == BODY_BYTES {
            break;
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn head(status: u16, headers: &[(&'static str, &str)]) -> Head {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        Head {
            status: StatusCode::from_u16(status).unwrap(),
            headers: headers.collect(),
        }
    }

    async fn refusal(head: Head, body: &str) -> WriteFailure {
        let body = stream::iter([Ok(body.as_bytes())]);
        head.refusal(body, UnixMicros(0)).await
    }

    #[tokio::test]
    async fn the_status_decides_unless_the_body_says_that_the_money_is_spent() {
        let spent = r#"{"error":{"type":"rate_limit_error","details":{"error_code":"enforced_spend_limit_reached"}}}"#;
        let limited = r#"{"error":{"type":"rate_limit_error","message":"a secret"}}"#;
        let headers = [
            ("retry-after", "2"),
            ("request-id", "req_1"),
            ("x-should-retry", "false"),
        ];
        let failure = refusal(head(429, &headers), limited).await;
        assert_eq!(failure.kind, FailureKind::RateLimited);
        assert_eq!(failure.retry_after, Some(Duration::from_secs(2)));
        assert_eq!(failure.attempt_id.as_deref(), Some("req_1"));
        assert_eq!(failure.should_retry, Some(false));
        assert_eq!(failure.detail, "status 429, rate_limit_error");
        let own = r#"{"error":{"code":"DeploymentNotFound","message":"a secret"}}"#;
        let failure = refusal(head(404, &[]), own).await;
        assert_eq!(failure.kind, FailureKind::NotFound);
        assert_eq!(failure.detail, "status 404, DeploymentNotFound");
        let secret = r#"{"error":{"type":"sk-ant-4711","code":"say hello"}}"#;
        let failure = refusal(head(400, &[]), secret).await;
        assert_eq!(failure.detail, "status 400, no word that is known");
        assert_eq!(
            refusal(head(429, &[]), spent).await.kind,
            FailureKind::SpendLimit
        );
        assert_eq!(
            refusal(head(400, &[]), "<html>").await.kind,
            FailureKind::Rejected
        );
        assert_eq!(
            refusal(head(204, &[]), "").await.kind,
            FailureKind::Malformed
        );
    }

    #[tokio::test]
    async fn a_bad_request_may_be_a_wrong_key_or_model() {
        for (error, kind) in [
            (
                r#"{"message":"No connected db.","type":"no_db_connection","code":"400"}"#,
                FailureKind::Denied,
            ),
            (
                r#"{"message":"API key not valid. Please pass one.","status":"INVALID_ARGUMENT","code":400}"#,
                FailureKind::Denied,
            ),
            (
                r#"{"message":"/chat/completions: Invalid model name passed in model=x.","type":"invalid_request_error","code":"400"}"#,
                FailureKind::NotFound,
            ),
            (
                r#"{"message":"x/y is not a valid model ID","code":400}"#,
                FailureKind::NotFound,
            ),
            (
                r#"{"message":"Model Not Exist","type":"invalid_request_error"}"#,
                FailureKind::NotFound,
            ),
            (
                r#"{"message":"Invalid model: x","type":"invalid_model","code":"1500"}"#,
                FailureKind::NotFound,
            ),
            (
                r#"{"code":"model_not_found","type":"invalid_request_error"}"#,
                FailureKind::NotFound,
            ),
            (r#"{"type":"rate_limit_error"}"#, FailureKind::Rejected),
        ] {
            let body = format!(r#"{{"error":{error}}}"#);
            let failure = refusal(head(400, &[]), &body).await;
            assert_eq!(failure.kind, kind, "{error}");
            assert!(!failure.is_worth_retrying());
            let other = refusal(head(500, &[]), &body).await;
            assert_eq!(other.kind, FailureKind::ServerFault, "{error}");
        }
    }

    #[tokio::test]
    async fn of_an_endless_body_only_the_beginning_is_read() {
        let endless = stream::repeat_with(|| Ok(vec![b'x'; 1_000])).enumerate();
        let counted = endless.map(|(count, chunk)| {
            assert!(count < 66, "it goes on reading");
            chunk
        });
        assert_eq!(first_of(counted).await.len(), BODY_BYTES);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_is_not_waited_for() {
        let stalled = stream::iter([Ok("half")]).chain(stream::pending());
        let started = Instant::now();
        assert_eq!(first_of(stalled).await, b"half");
        assert_eq!(started.elapsed(), BODY_TIMEOUT);
    }

    #[test]
    fn the_first_header_that_names_the_attempt_does() {
        let id = |headers: &[(&'static str, &str)]| head(200, headers).attempt_id();
        assert_eq!(id(&[("x-request-id", "req_2")]).as_deref(), Some("req_2"));
        let both = [("request-id", "a b"), ("x-request-id", "req_2")];
        assert_eq!(id(&both).as_deref(), Some("req_2"), "the other is no name");
        let gateway = [("x-litellm-call-id", "call_3"), ("x-request-id", "req_2")];
        assert_eq!(id(&gateway[..1]).as_deref(), Some("call_3"));
        assert_eq!(id(&gateway).as_deref(), Some("req_2"));
        assert_eq!(id(&[]), None);
    }
}
