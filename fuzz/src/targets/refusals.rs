//! Answers of providers that are no success: status, headers and body, and how long they ask to wait.
use std::time::Duration;

use bytes::Bytes;
use challenges_catalog::{
    domain::{FailureKind, UnixMicros, Usage},
    llm::fuzzing::refusal,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::{input::block_on, target::Target};

pub(super) const TARGET: Target = Target {
    name: "refusals",
    words: &[
        "429",
        "503",
        "400",
        "\n\n",
        "\n",
        "retry-after: ",
        "retry-after-ms: ",
        "date: ",
        "x-ratelimit-reset: ",
        "x-ratelimit-reset-tokens: ",
        "x-ratelimit-remaining-tokens: 0",
        "llm_provider-",
        "6m0s",
        "1e309",
        "NaN",
        "inf",
        "-1",
        "99999999999999999999",
        "Fri, 15 Jan 2027 08:00:00 GMT",
        "2027-01-15T08:00:00Z",
        "\"retryDelay\":",
        "\"details\":[",
        "\"error\":{",
        "\"metadata\":{\"headers\":{",
        "x-should-retry: true",
    ],
    memory_bytes: 1 << 20,
    check,
};

const NOW: UnixMicros = UnixMicros(1_800_000_000_000_000);

fn check(data: &[u8]) {
    let Some((status, headers, body)) = parts(data) else {
        return;
    };
    let failure = block_on(refusal(status, headers, Bytes::copy_from_slice(body), NOW));
    let longest = if failure.kind == FailureKind::RateLimited {
        Duration::from_hours(24)
    } else {
        Duration::from_mins(1)
    };
    if let Some(wait) = failure.retry_after {
        assert!(!wait.is_zero() && wait <= longest, "{wait:?}");
    }
    assert_eq!(failure.usage, Usage::default(), "it cost nothing");
    assert!(failure.detail.len() <= 200);
    assert!(!failure.detail.chars().any(char::is_control));
    let id = failure.attempt_id.unwrap_or_default();
    assert!(id.len() <= 128 && id.bytes().all(|byte| byte.is_ascii_graphic()));
}

/// A status on a line of its own, lines of headers, an empty line, and the body.
fn parts(data: &[u8]) -> Option<(StatusCode, HeaderMap, &[u8])> {
    let mut lines = data.split(|byte| *byte == b'\n');
    let status = StatusCode::from_bytes(lines.next()?).ok()?;
    let mut headers = HeaderMap::new();
    let mut read = 4;
    for line in lines.take_while(|line| !line.is_empty()) {
        read += line.len() + 1;
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        let name = HeaderName::from_bytes(name).ok()?;
        let value = HeaderValue::from_bytes(value[1..].trim_ascii()).ok()?;
        headers.append(name, value);
    }
    Some((status, headers, data.get(read + 1..).unwrap_or_default()))
}
