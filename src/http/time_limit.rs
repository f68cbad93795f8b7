//! How long a caller waits: `X-Request-Timeout`, as `grpc-timeout` says it.
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::domain::FieldViolation;

const REQUEST_TIMEOUT: HeaderName = HeaderName::from_static("x-request-timeout");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const RULE: &str = "must be a time such as 2s, 1.5s or 250ms";
/// No call lasts longer.
const MOST: Duration = Duration::from_hours(24);

/// Puts the caller's time limit where calls look for it.
///
/// # Errors
///
/// What is wrong with it: a caller that means to wait for a second must not keep the server at work for longer.
pub(super) fn translate(headers: &mut HeaderMap) -> Result<(), FieldViolation> {
    headers.remove(GRPC_TIMEOUT);
    let mut values = headers.get_all(REQUEST_TIMEOUT).iter();
    let Some(value) = values.next() else {
        return Ok(());
    };
    let problem = |problem: &str| FieldViolation::new(REQUEST_TIMEOUT.as_str(), problem.to_owned());
    if values.next().is_some() {
        return Err(problem("must not be there twice"));
    }
    let limit = value.to_str().ok().and_then(read);
    let limit = limit.ok_or_else(|| problem(RULE))?;
    let millis = limit.min(MOST).as_millis();
    let value = HeaderValue::try_from(format!("{millis}m")).map_err(|_| problem(RULE))?;
    headers.insert(GRPC_TIMEOUT, value);
    Ok(())
}

/// A number of seconds, or with a unit `s`, `ms` or `m`.
fn read(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..)? {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        _ => return None,
    };
    let is_plain = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    if digits.len() > 12 || !digits.bytes().all(is_plain) {
        return None;
    }
    let number: f64 = digits.parse().ok()?;
    Duration::try_from_secs_f64(number * unit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_seconds_or_has_its_unit() {
        for (text, millis) in [
            ("2", 2_000),
            ("1.5s", 1_500),
            ("250ms", 250),
            ("1m", 60_000),
            ("0", 0),
        ] {
            assert_eq!(read(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "s",
            "-1s",
            "1h",
            "1e9",
            "nan",
            "inf",
            "1.2.3",
            "+1",
            "9999999999999",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_limit_is_there_once_and_none_is_taken_from_grpc() {
        let mut headers = HeaderMap::new();
        headers.insert(GRPC_TIMEOUT, HeaderValue::from_static("1S"));
        assert!(translate(&mut headers).is_ok() && headers.is_empty());
        headers.insert(REQUEST_TIMEOUT, HeaderValue::from_static("250ms"));
        assert!(translate(&mut headers).is_ok());
        assert_eq!(headers[GRPC_TIMEOUT], "250m");
        headers.insert(REQUEST_TIMEOUT, HeaderValue::from_static("9999999999m"));
        assert!(translate(&mut headers).is_ok());
        assert_eq!(headers[GRPC_TIMEOUT], "86400000m");
        headers.append(REQUEST_TIMEOUT, HeaderValue::from_static("1s"));
        assert!(translate(&mut headers).is_err());
    }
}
