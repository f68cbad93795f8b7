//! Reads the values in an access file; each error says what the value must be.
use std::time::UNIX_EPOCH;

use jsonwebtoken::Algorithm;
use url::Url;

/// The hash of a token.
pub(super) fn hash(text: &str) -> Result<[u8; 32], String> {
    let problem = "must be the SHA-256 of a token, as 64 hexadecimal digits; `challenges-catalog admin token new NAME` prints it";
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        })
        .collect();
    let bytes = digits.map(|digits| {
        let pairs = digits.as_chunks::<2>().0.iter();
        pairs.map(|[high, low]| high << 4 | low).collect::<Vec<_>>()
    });
    let bytes = bytes.filter(|_| text.len() == 64);
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| problem.to_owned())
}

/// A time, in seconds of Unix time.
pub(super) fn seconds(time: toml::value::Datetime) -> Result<i64, String> {
    let read = humantime::parse_rfc3339(&time.to_string()).ok();
    let since = read.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let seconds = since.and_then(|since| i64::try_from(since.as_secs()).ok());
    seconds
        .ok_or_else(|| format!("must be a time in UTC, such as 2027-01-31T00:00:00Z, not {time}"))
}

/// A URL that can be believed: encrypted, or on this machine.
pub(super) fn https(text: &str) -> Result<Url, String> {
    let shown = without_login(text);
    let problem = || format!("must be https://HOST…, or http:// for this machine, not {shown:?}");
    let url = Url::parse(text).map_err(|_| problem())?;
    let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let is_good = url.scheme() == "https" || (url.scheme() == "http" && is_local);
    let has_login = !url.username().is_empty() || url.password().is_some();
    if has_login {
        return Err("must not have a login".to_owned());
    }
    if !is_good || url.host_str().is_none() {
        return Err(problem());
    }
    Ok(url)
}

/// A URL as errors may show it: what stands before an `@` may be a password.
pub(super) fn without_login(text: &str) -> &str {
    text.rsplit_once('@').map_or(text, |(_, rest)| rest)
}

/// An algorithm with a public key. HMAC is not: who can verify by it can sign.
pub(super) fn algorithm(name: &str) -> Result<Algorithm, String> {
    match name {
        "RS256" => Ok(Algorithm::RS256),
        "RS384" => Ok(Algorithm::RS384),
        "RS512" => Ok(Algorithm::RS512),
        "PS256" => Ok(Algorithm::PS256),
        "PS384" => Ok(Algorithm::PS384),
        "PS512" => Ok(Algorithm::PS512),
        "ES256" => Ok(Algorithm::ES256),
        "ES384" => Ok(Algorithm::ES384),
        "EdDSA" => Ok(Algorithm::EdDSA),
        _ => Err(format!(
            "must be of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 and EdDSA, not {name:?}"
        )),
    }
}
