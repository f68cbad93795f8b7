//! Refusals, pages of others, and no answer at all.
use std::time::Duration;

use challenges_catalog::domain::{FailureKind, Usage};
use serde_json::json;

use super::fixture::{BOTH, KEY, answer, settings, write};
use crate::support::{
    process,
    scripted::{Act, Scripted},
};

#[tokio::test]
async fn a_status_says_what_went_wrong_and_costs_nothing() {
    for protocol in BOTH {
        for (status, kind) in [
            ("400 Bad Request", FailureKind::Rejected),
            ("401 Unauthorized", FailureKind::Denied),
            ("403 Forbidden", FailureKind::Denied),
            ("404 Not Found", FailureKind::NotFound),
            ("413 Too Large", FailureKind::Rejected),
            ("429 Too Many", FailureKind::RateLimited),
            ("500 Oops", FailureKind::ServerFault),
            ("503 Unavailable", FailureKind::Overloaded),
            ("529 Overloaded", FailureKind::Overloaded),
        ] {
            let body = json!({"error": {"type": KEY, "message": KEY}}).to_string();
            let script = vec![answer(status, "x-request-id: req_2\r\n", body)];
            let failure = protocol.attempt(script).await.failure();
            assert_eq!(failure.kind, kind, "{status}");
            assert_eq!(failure.usage, Usage::default());
            assert_eq!(failure.attempt_id.as_deref(), Some("req_2"));
        }
    }
}

#[tokio::test]
async fn spent_money_is_told_from_too_many_calls() {
    let spent = json!({"type": "rate_limit_error", "message": "Limit.",
        "details": {"error_code": "enforced_spend_limit_reached"}});
    let quota = json!({"type": "insufficient_quota", "code": "insufficient_quota"});
    for protocol in BOTH {
        for error in [&spent, &quota] {
            let body = json!({"type": "error", "error": error}).to_string();
            let script = vec![answer("429 Too Many", "", body)];
            let failure = protocol.attempt(script).await.failure();
            assert_eq!(failure.kind, FailureKind::SpendLimit);
            assert!(!failure.is_worth_retrying() && failure.retry_after.is_none());
        }
    }
}

#[tokio::test]
async fn the_wait_that_is_asked_for_is_passed_on_in_every_form() {
    for (headers, millis) in [
        ("retry-after: 2\r\n", Some(2_000)),
        ("retry-after: 0.25\r\n", Some(250)),
        ("retry-after: 9\r\nretry-after-ms: 300\r\n", Some(300)),
        (
            "retry-after: Thu, 01 Jan 2026 00:00:07 GMT\r\n",
            Some(7_000),
        ),
        (
            "date: Thu, 01 Jan 2026 00:00:05 GMT\r\nretry-after: Thu, 01 Jan 2026 00:00:07 GMT\r\n",
            Some(2_000),
        ),
        ("retry-after: later\r\n", None),
        ("retry-after: -5\r\n", None),
        ("", None),
    ] {
        let script = vec![answer("429 Too Many", headers, "")];
        let failure = BOTH[0].attempt(script).await.failure();
        assert_eq!(
            failure.retry_after,
            millis.map(Duration::from_millis),
            "{headers}"
        );
        assert!(failure.is_worth_retrying());
    }
    let never = vec![answer("529 Overloaded", "x-should-retry: false\r\n", "")];
    assert!(!BOTH[0].attempt(never).await.failure().is_worth_retrying());
}

#[tokio::test]
async fn what_is_no_answer_is_malformed() {
    for protocol in BOTH {
        let html = "<html>Please log in</html>";
        for script in [
            answer("200 OK", "content-type: text/html\r\n", html),
            answer("200 OK", "", html),
            answer("204 No Content", "content-type: text/event-stream\r\n", ""),
            Act::Send(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        ] {
            let kind = protocol.attempt(vec![script.clone()]).await.kind();
            assert_eq!(kind, FailureKind::Malformed, "{script:?}");
        }
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for protocol in BOTH {
        let elsewhere = Scripted::playing(vec![Act::Hold]).await;
        for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
            let location = format!("location: {}/steal\r\n", elsewhere.url());
            let script = vec![answer(status, &location, "")];
            let kind = protocol.attempt(script).await.kind();
            assert_eq!(kind, FailureKind::Malformed, "{status}");
        }
        assert!(elsewhere.exchanges().is_empty(), "the key went elsewhere");
    }
}

#[tokio::test]
async fn of_an_endless_error_only_the_beginning_is_read() {
    for protocol in BOTH {
        let script = vec![answer("500 Oops", "", ""), Act::Flood(vec![b'x'; 4_096])];
        assert_eq!(
            protocol.attempt(script).await.kind(),
            FailureKind::ServerFault
        );
    }
}

#[tokio::test]
async fn no_connection_or_one_that_breaks_before_the_answer_is_told() {
    for protocol in BOTH {
        let nobody = format!("http://127.0.0.1:{}", process::free_port());
        let failure = write(&*protocol.writer(&settings(&nobody))).await.failure();
        assert_eq!(failure.kind, FailureKind::Connect);
        assert_eq!(failure.usage, Usage::default());
        for script in [vec![Act::Reset], vec![]] {
            let failure = protocol.attempt(script).await.failure();
            assert_eq!(failure.kind, FailureKind::Connect, "{failure}");
        }
    }
}
