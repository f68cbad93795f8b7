use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, header};

use crate::domain::UnixMicros;

/// Nobody waits longer than a day because a header says so.
const LONGEST: Duration = Duration::from_hours(24);
/// Not in the standard; the providers' own clients read it first.
const MILLIS: HeaderName = HeaderName::from_static("retry-after-ms");
/// Likewise: the provider's own word on whether to try again.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// How long the provider asks us to wait: `retry-after-ms`, else `retry-after` as seconds (whole
/// or not) or as a date (RFC 9110, section 10.2.3). Nothing where that is missing, unreadable, or
/// not in the future; a day at most.
///
/// A date is measured from the answer's own `date`, so that clocks need not agree; from `now`
/// where it has none.
pub(super) fn retry_after(headers: &HeaderMap, now: UnixMicros) -> Option<Duration> {
    let number = |name: &HeaderName| text(headers, name)?.trim().parse::<f64>().ok();
    let wait = if let Some(millis) = number(&MILLIS) {
        seconds(millis / 1_000.0)
    } else if let Some(secs) = number(&header::RETRY_AFTER) {
        seconds(secs)
    } else {
        let until = date(headers, &header::RETRY_AFTER)?;
        let sent = date(headers, &header::DATE).unwrap_or_else(|| moment(now));
        until.duration_since(sent).ok()
    };
    wait.filter(|wait| !wait.is_zero())
        .map(|wait| wait.min(LONGEST))
}

/// Whether the provider says that another try is worth it; nothing where it does not say.
pub(super) fn should_retry(headers: &HeaderMap) -> Option<bool> {
    match text(headers, &SHOULD_RETRY)? {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn seconds(secs: f64) -> Option<Duration> {
    // Infinity is longer than any duration, so it is brought into range first; NaN stays, and is refused.
    Duration::try_from_secs_f64(secs.clamp(0.0, LONGEST.as_secs_f64())).ok()
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(text(headers, name)?).ok()
}

fn moment(at: UnixMicros) -> SystemTime {
    let micros = u64::try_from(at.0).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_micros(micros)
}

#[cfg(test)]
mod tests {
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
        retry_after(&headers(pairs), NOW).map(|wait| wait.as_millis())
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
}
