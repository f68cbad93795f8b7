//! Headers of calls: `grpc-timeout`, `x-request-id` and `x-caller-id`.
use std::time::Duration;

use challenges_catalog::transport::fuzzing::call_head;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::target::Target;

pub(super) const TARGET: Target = Target {
    name: "call_heads",
    words: &[
        "grpc-timeout: ",
        "x-request-id: ",
        "x-caller-id: ",
        "\n",
        "99999999H",
        "0n",
        "1S",
        "m",
        "u",
    ],
    memory_bytes: 128 << 10,
    check,
};

const AT_MOST: Duration = Duration::from_secs(30);
const NAMES: [&str; 3] = ["grpc-timeout", "x-request-id", "x-caller-id"];

fn check(data: &[u8]) {
    let headers = headers(data);
    let head = call_head(headers.clone(), AT_MOST);
    let first = |name| headers.get(name).map(HeaderValue::as_bytes);

    let ordinary = |text: &[u8], marks: &[u8]| {
        let is_ordinary = |byte: &u8| byte.is_ascii_alphanumeric() || marks.contains(byte);
        (1..=128).contains(&text.len()) && text.iter().all(is_ordinary)
    };
    assert!(ordinary(head.request_id.as_bytes(), b"-_.:/+="));
    if let Some(id) = first("x-request-id")
        && ordinary(id, b"-_.:/+=")
    {
        assert_eq!(head.request_id.as_bytes(), id);
    }

    let timeouts: Vec<_> = headers.get_all("grpc-timeout").iter().collect();
    let expected = match timeouts.as_slice() {
        [] => Ok(AT_MOST),
        [only] => limit(only.as_bytes())
            .map(|limit| limit.min(AT_MOST))
            .ok_or(()),
        [..] => Err(()),
    };
    assert_eq!(
        head.refusal.as_ref().map(|status| status.code() as i32),
        expected.err().map(|()| 3)
    );
    assert_eq!(head.limit, expected.unwrap_or(AT_MOST));

    let names: Vec<_> = headers.get_all("x-caller-id").iter().collect();
    let caller = match names.as_slice() {
        [] => Some("address ".to_owned()),
        [only] if ordinary(only.as_bytes(), b"-_.:/+=@") => {
            Some(format!("name {}", String::from_utf8_lossy(only.as_bytes())))
        }
        [..] => None,
    };
    assert_eq!(head.caller.ok(), caller);
}

/// Lines of the form `name: value`; what is none, or no header of these, is left out.
fn headers(data: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        for name in NAMES {
            let value = line.strip_prefix(name.as_bytes());
            let value = value.and_then(|rest| rest.strip_prefix(b": "));
            if let Some(Ok(value)) = value.map(HeaderValue::from_bytes) {
                headers.append(HeaderName::from_static(name), value);
            }
        }
    }
    headers
}

/// What the gRPC protocol says of a limit, in other words than the product's.
fn limit(value: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(value).ok()?;
    let unit = text.chars().last()?;
    let count = text.strip_suffix(unit)?;
    let is_count =
        !count.is_empty() && count.len() <= 8 && count.chars().all(|it| it.is_ascii_digit());
    let nanos: u64 = match unit {
        'n' => 1,
        'u' => 1_000,
        'm' => 1_000_000,
        'S' => 1_000_000_000,
        'M' => 60_000_000_000,
        'H' => 3_600_000_000_000,
        _ => return None,
    };
    let count: u32 = count.parse().ok().filter(|_| is_count)?;
    Some(Duration::from_nanos_u128(
        u128::from(count) * u128::from(nanos),
    ))
}
