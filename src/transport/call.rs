use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The correlation id, in requests and responses.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_MAX_BYTES: usize = 128;

/// What belongs to one call, beside its message.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Taken from the caller, or made here. Only letters, digits and `-_.:/+=`, so that it is
    /// the same text in every log.
    pub(super) request_id: HeaderValue,
    /// When the call's time is over: the caller's limit or ours, whichever is earlier.
    pub(super) deadline: Instant,
}

impl Call {
    /// Reads the headers of a call that starts now and may take `at_most`.
    pub(super) fn start(headers: &HeaderMap, at_most: Duration) -> Self {
        let limit = headers.get("grpc-timeout").and_then(grpc_timeout);
        let limit = limit.map_or(at_most, |theirs| theirs.min(at_most));
        let usable = headers
            .get(REQUEST_ID)
            .filter(|id| is_usable(id.as_bytes()));
        Self {
            request_id: usable.cloned().unwrap_or_else(new_request_id),
            deadline: Instant::now() + limit,
        }
    }

    /// The correlation id as text.
    pub(super) fn request_id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }
}

fn is_usable(id: &[u8]) -> bool {
    let ordinary = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
    (1..=REQUEST_ID_MAX_BYTES).contains(&id.len()) && id.iter().all(ordinary)
}

fn new_request_id() -> HeaderValue {
    let id = format!("{:032x}", rand::random::<u128>());
    HeaderValue::try_from(id).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

/// `TimeoutValue TimeoutUnit` of the gRPC protocol: 1 to 8 digits and one of H, M, S, m, u, n.
/// What is something else is no limit; the server's own still holds.
fn grpc_timeout(value: &HeaderValue) -> Option<Duration> {
    let (unit, digits) = value.as_bytes().split_last()?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    match unit {
        b'H' => Some(Duration::from_hours(count)),
        b'M' => Some(Duration::from_mins(count)),
        b'S' => Some(Duration::from_secs(count)),
        b'm' => Some(Duration::from_millis(count)),
        b'u' => Some(Duration::from_micros(count)),
        b'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeout(text: &'static str) -> Option<Duration> {
        grpc_timeout(&HeaderValue::from_static(text))
    }

    #[test]
    fn timeouts_are_read_as_the_protocol_writes_them() {
        assert_eq!(timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(timeout("99999999H"), Some(Duration::from_hours(99_999_999)));
        for text in ["", "S", "1", "-1S", "1s", "123456789S", "1 S"] {
            assert_eq!(timeout(text), None, "{text}");
        }
    }

    #[test]
    fn a_request_id_is_kept_when_it_can_be_and_made_when_not() {
        let with = |id: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_str(id).unwrap());
            Call::start(&headers, Duration::from_secs(1))
                .request_id()
                .to_owned()
        };
        assert_eq!(with("abc-1.2"), "abc-1.2");
        for bad in ["", "two words", "{\"json\"}", &"x".repeat(129)] {
            assert_eq!(with(bad).len(), 32, "{bad}");
        }
    }
}
