//! How long an edge asks to be left alone.
use std::time::Duration;

use http::{HeaderMap, header};

/// No edge is left alone for longer: what it holds may be out of date.
const LONGEST: Duration = Duration::from_mins(1);

/// What `Retry-After` says, as seconds or as a date (RFC 9110, section 10.2.3); a date is measured from the answer's own
/// `Date`, so that clocks need not agree. Nothing where it is missing or cannot be read.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let asked = text(header::RETRY_AFTER)?;
    let wait = if let Ok(seconds) = asked.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let until = httpdate::parse_http_date(asked).ok()?;
        let sent = httpdate::parse_http_date(text(header::DATE)?).ok()?;
        until.duration_since(sent).ok()?
    };
    Some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn asked(pairs: &[(header::HeaderName, &'static str)]) -> Option<Duration> {
        let pairs = pairs.iter().cloned();
        retry_after(
            &pairs
                .map(|(name, value)| (name, HeaderValue::from_static(value)))
                .collect(),
        )
    }

    #[test]
    fn seconds_and_dates_are_read_and_bounded() {
        const DATE: &str = "Tue, 01 Dec 2026 10:00:00 GMT";
        const LATER: &str = "Tue, 01 Dec 2026 10:00:07 GMT";
        let after = header::RETRY_AFTER;
        assert_eq!(asked(&[(after.clone(), "3")]), Some(Duration::from_secs(3)));
        assert_eq!(asked(&[(after.clone(), "86400")]), Some(LONGEST));
        let dates = [(after.clone(), LATER), (header::DATE, DATE)];
        assert_eq!(asked(&dates), Some(Duration::from_secs(7)));
        for bad in ["", "-1", "soon", LATER] {
            assert_eq!(asked(&[(after.clone(), bad)]), None, "{bad}");
        }
        assert_eq!(asked(&[]), None);
    }
}
