use serde_json::json;

use super::*;

/// 2026-01-01T00:00:00Z.
const NOW: UnixMicros = UnixMicros(1_767_225_600_000_000);

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pairs = pairs.iter().map(|(name, value)| {
        let name = HeaderName::from_static(name);
        (name, value.parse().unwrap())
    });
    pairs.collect()
}

fn waits(pairs: &[(&'static str, &'static str)]) -> Option<u128> {
    let wait = retry_after(FailureKind::RateLimited, &headers(pairs), None, NOW);
    wait.map(|wait| wait.as_millis())
}

fn told(kind: FailureKind, error: &Value) -> Option<Duration> {
    retry_after(kind, &HeaderMap::new(), Some(error), NOW)
}

#[test]
fn every_form_is_read_and_milliseconds_come_first() {
    assert_eq!(waits(&[("retry-after", "2")]), Some(2_000));
    assert_eq!(waits(&[("retry-after", "1.5")]), Some(1_500));
    let both = [("retry-after-ms", "250"), ("retry-after", "1")];
    assert_eq!(waits(&both), Some(250));
    let broken = [("retry-after-ms", "soon"), ("retry-after", "1")];
    assert_eq!(waits(&broken), Some(1_000));
    let date = ("retry-after", "Thu, 01 Jan 2026 00:00:30 GMT");
    assert_eq!(waits(&[date]), Some(30_000));
    let sent = ("date", "Thu, 01 Jan 2026 00:00:10 GMT");
    assert_eq!(waits(&[date, sent]), Some(20_000));
}

#[test]
fn what_a_gateway_passes_on_comes_after_its_own_word() {
    let passed_on = ("llm_provider-retry-after", "7");
    assert_eq!(waits(&[passed_on]), Some(7_000));
    assert_eq!(waits(&[passed_on, ("retry-after", "2")]), Some(2_000));
    let limit = [
        ("x-ratelimit-remaining-requests", "0"),
        ("llm_provider-x-ratelimit-reset-requests", "9s"),
    ];
    assert_eq!(waits(&limit), Some(9_000));
    let dates = [
        ("date", "Thu, 01 Jan 2026 00:00:10 GMT"),
        ("llm_provider-retry-after", "Thu, 01 Jan 2026 00:00:30 GMT"),
    ];
    assert_eq!(waits(&dates), Some(20_000));
}

#[test]
fn a_limit_that_is_used_up_says_when_it_is_full_again() {
    for (reset, millis) in [
        ("6m0s", 360_000),
        ("20ms", 20),
        ("1h0m1.5s", 3_601_500),
        ("12", 12_000),
        ("1767225630", 30_000),
        ("1767225630000", 30_000),
        ("2026-01-01T00:00:30Z", 30_000),
    ] {
        assert_eq!(
            waits(&[("x-ratelimit-reset", reset)]),
            Some(millis),
            "{reset}"
        );
    }
    for reset in [
        "",
        "soon",
        "s",
        "-5",
        "0s",
        "1x",
        "..s",
        "2025-12-31T23:59:59Z",
    ] {
        assert_eq!(waits(&[("x-ratelimit-reset", reset)]), None, "{reset}");
    }
}

#[test]
fn of_several_limits_those_count_that_have_nothing_left() {
    let openai = [
        ("x-ratelimit-remaining-requests", "4999"),
        ("x-ratelimit-reset-requests", "7m12s"),
        ("x-ratelimit-remaining-tokens", "0"),
        ("x-ratelimit-reset-tokens", "2s"),
    ];
    assert_eq!(waits(&openai), Some(2_000));
    assert_eq!(waits(&openai[..2]), None);
    let anthropic = [
        ("anthropic-ratelimit-requests-remaining", "0"),
        ("anthropic-ratelimit-requests-reset", "2026-01-01T00:00:07Z"),
        ("anthropic-ratelimit-output-tokens-remaining", "0"),
        (
            "anthropic-ratelimit-output-tokens-reset",
            "2026-01-01T00:00:09Z",
        ),
    ];
    assert_eq!(waits(&anthropic), Some(9_000));
}

#[test]
fn bodies_are_read_where_headers_say_nothing() {
    let gemini = json!({"details": [{"reason": "x"}, {"retryDelay": "17.5s"}]});
    let limited = FailureKind::RateLimited;
    assert_eq!(told(limited, &gemini), Some(Duration::from_millis(17_500)));
    let openrouter = json!({"code": 429, "metadata": {"headers": {
        "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1767229200000"}}});
    assert_eq!(told(limited, &openrouter), Some(Duration::from_hours(1)));
    assert_eq!(told(FailureKind::Overloaded, &openrouter), None);
    for odd in [
        json!(null),
        json!("text"),
        json!({"details": 1, "metadata": []}),
    ] {
        assert_eq!(told(limited, &odd), None, "{odd}");
    }
}

#[test]
fn only_too_many_calls_are_waited_for_longer_than_a_minute() {
    let day = headers(&[("retry-after", "86400")]);
    let gemini = json!({"details": [{"retryDelay": "7200s"}]});
    for kind in &FailureKind::ALL {
        let (wait, in_body) = if *kind == FailureKind::RateLimited {
            (Duration::from_hours(24), Duration::from_hours(2))
        } else {
            (Duration::from_mins(1), Duration::from_mins(1))
        };
        assert_eq!(retry_after(*kind, &day, None, NOW), Some(wait), "{kind:?}");
        assert_eq!(told(*kind, &gemini), Some(in_body), "{kind:?}");
    }
}

#[test]
fn what_is_no_wait_is_none_and_what_is_too_long_is_a_day() {
    for value in [
        "",
        "0",
        "-1",
        "NaN",
        "-inf",
        "soon",
        "Thu, 01 Jan 2026 00:00:00 GMT",
    ] {
        let pairs = [("retry-after", value)];
        assert_eq!(waits(&pairs), None, "{value:?}");
    }
    for value in ["86401", "1e300", "inf", "Thu, 01 Jan 2099 00:00:00 GMT"] {
        assert_eq!(
            waits(&[("retry-after", value)]),
            Some(86_400_000),
            "{value}"
        );
    }
}

#[test]
fn the_providers_word_on_retries_is_yes_no_or_nothing() {
    let says = |value| should_retry(&headers(&[("x-should-retry", value)]));
    assert_eq!(
        (says("true"), says("false"), says("maybe")),
        (Some(true), Some(false), None)
    );
    assert_eq!(should_retry(&HeaderMap::new()), None);
}
