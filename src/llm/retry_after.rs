//! How long a provider asks to wait, by any of its headers.
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, header};
use serde_json::Value;

use crate::domain::{FailureKind, UnixMicros};

/// A limit may count by the day, so it may be a day until there is room.
const LONGEST_LIMITED: Duration = Duration::from_hours(24);
/// Longest pause that a failing provider may ask for: it does not know how long it fails, so a request probes it then.
const LONGEST_BREAKER_PAUSE: Duration = Duration::from_mins(1);
/// Not in the standard; the providers' own clients read it first.
const MILLIS: &str = "retry-after-ms";
/// Likewise: the provider's own word on whether to try again.
const SHOULD_RETRY: &str = "x-should-retry";
/// How `LiteLLM` begins the names of what it passes on of an answer's headers.
const PASSED_ON: &str = "llm_provider-";
/// Limits with a header for what remains and one for when it is full again: `OpenAI`'s, those of
/// gateways, Anthropic's.
const BUCKETS: [[&str; 2]; 7] = [
    [
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests",
    ],
    ["x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"],
    ["x-ratelimit-remaining", "x-ratelimit-reset"],
    [
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
    ],
    [
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset",
    ],
    [
        "anthropic-ratelimit-input-tokens-remaining",
        "anthropic-ratelimit-input-tokens-reset",
    ],
    [
        "anthropic-ratelimit-output-tokens-remaining",
        "anthropic-ratelimit-output-tokens-reset",
    ],
];

/// How long the provider asks us to wait after a failure of this kind, from the first of these that
/// says it:
/// `retry-after-ms`; `retry-after` as seconds (whole or not) or as a date (RFC 9110, section 10.2.3);
/// with too many calls, when the limits that are used up are full again, by headers or by `OpenRouter`'s
/// body; and Gemini's `retryDelay`. Headers that a gateway passes on under names of its own come after its
/// own ones. Nothing where all are missing, unreadable, or not in the future.
///
/// One bound holds for all of them: a minute, and a day for too many calls.
/// A date is measured from the answer's own `date`, so that clocks need not agree; from `now`
/// where it has none.
pub(super) fn retry_after(
    kind: FailureKind,
    headers: &HeaderMap,
    error: Option<&Value>,
    now: UnixMicros,
) -> Option<Duration> {
    let sent = date(headers, &header::DATE).unwrap_or_else(|| moment(now));
    let is_limited = kind == FailureKind::RateLimited;
    let limits = || {
        let metadata = error?.pointer("/metadata/headers");
        let in_body = |name: &str| {
            let mut headers = metadata?.as_object()?.iter();
            let (_, value) = headers.find(|(header, _)| header.eq_ignore_ascii_case(name))?;
            value.as_str()
        };
        buckets(in_body, sent)
    };
    let wait = in_headers(headers, sent)
        .or_else(|| buckets(|name| text(headers, name), sent).filter(|_| is_limited))
        .or_else(|| limits().filter(|_| is_limited))
        .or_else(|| retry_delay(error?));
    let longest = if is_limited {
        LONGEST_LIMITED
    } else {
        LONGEST_BREAKER_PAUSE
    };
    wait.filter(|wait| !wait.is_zero())
        .map(|wait| wait.min(longest))
}

/// Whether the provider says that another try is worth it; nothing where it does not say.
pub(super) fn should_retry(headers: &HeaderMap) -> Option<bool> {
    match text(headers, SHOULD_RETRY)? {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn in_headers(headers: &HeaderMap, sent: SystemTime) -> Option<Duration> {
    let number = |name| text(headers, name)?.trim().parse::<f64>().ok();
    if let Some(millis) = number(MILLIS) {
        return seconds(millis / 1_000.0);
    }
    if let Some(secs) = number(header::RETRY_AFTER.as_str()) {
        return seconds(secs);
    }
    let until = date(headers, &header::RETRY_AFTER)?;
    until.duration_since(sent).ok()
}

/// When the last of the limits that are used up is full again. One without a header for what remains is
/// taken for used up.
fn buckets<'a>(value: impl Fn(&str) -> Option<&'a str>, sent: SystemTime) -> Option<Duration> {
    let waits = BUCKETS.iter().filter_map(|[remaining, reset]| {
        let is_used_up = value(remaining).is_none_or(|left| left.trim() == "0");
        value(reset)
            .filter(|_| is_used_up)
            .and_then(|reset| until(reset.trim(), sent))
    });
    waits.max()
}

/// A wait as servers write it: a duration such as `6m0s` or `20ms`, seconds, or a time as seconds
/// or milliseconds since 1970 or in RFC 3339.
fn until(reset: &str, sent: SystemTime) -> Option<Duration> {
    /// No wait is as long in seconds, and no time as early in milliseconds.
    const TIME_SECONDS: f64 = 1e9;
    const TIME_MILLIS: f64 = 1e12;
    if let Ok(number) = reset.parse::<f64>() {
        let since_1970 = if number >= TIME_MILLIS {
            number / 1_000.0
        } else if number >= TIME_SECONDS {
            number
        } else {
            return seconds(number);
        };
        let at = SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(since_1970).ok()?);
        return at?.duration_since(sent).ok();
    }
    if let Ok(at) = humantime::parse_rfc3339(reset) {
        return at.duration_since(sent).ok();
    }
    duration(reset)
}

/// A duration with units, such as `1h2m3.5s`, `6m0s` and `20ms`.
fn duration(text: &str) -> Option<Duration> {
    let duration = humantime::parse_duration(text).ok()?;
    Some(duration.min(LONGEST_LIMITED))
}

/// What Google's error details have: `{"@type": "…RetryInfo", "retryDelay": "17s"}`.
fn retry_delay(error: &Value) -> Option<Duration> {
    let mut details = error.get("details")?.as_array()?.iter();
    let delay = details.find_map(|detail| detail.get("retryDelay")?.as_str())?;
    duration(delay)
}

/// What the answer says under this name, or what a gateway passes on of the provider behind it.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let passed_on = || headers.get(format!("{PASSED_ON}{name}"));
    headers.get(name).or_else(passed_on)?.to_str().ok()
}

fn seconds(secs: f64) -> Option<Duration> {
    // Infinity is longer than any duration, so it is brought into range first; NaN stays, and is refused.
    Duration::try_from_secs_f64(secs.clamp(0.0, LONGEST_LIMITED.as_secs_f64())).ok()
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(text(headers, name.as_str())?).ok()
}

fn moment(at: UnixMicros) -> SystemTime {
    let micros = u64::try_from(at.0).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_micros(micros)
}

#[cfg(test)]
#[path = "retry_after_tests.rs"]
mod tests;
