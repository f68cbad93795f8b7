//! What the settings of a provider of tips must look like.
use std::fmt;

use secrecy::SecretString;
use url::Url;

const KNOWN: &str = "use http:// or https://HOST[:PORT][/PATH]";
/// The longest key and the longest name of a model, in bytes.
const MAX_BYTES: usize = 4_096;

/// Where a provider of tips or an edge cache is: `http` or `https` with a host, without credentials, query and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderUrl(Url);

impl ProviderUrl {
    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// What is expected. The text itself is never repeated, as it may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("is no URL ({error}); {KNOWN}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("is not HTTP; {KNOWN}"));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(format!("names no host; {KNOWN}"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("takes no user and password; the key has a setting of its own".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(format!("takes no query and no fragment; {KNOWN}"));
        }
        Ok(Self(url))
    }

    /// Whether its path ends so; a slash at the end does not count.
    pub(super) fn ends_in(&self, path: &str) -> bool {
        self.0.path().trim_end_matches('/').ends_with(path)
    }

    /// Whether it is at this host.
    pub(super) fn is_at(&self, host: &str) -> bool {
        self.0.host_str() == Some(host)
    }

    /// The URL itself.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Whether others may read on the way what is sent there.
    pub(super) fn is_open_to_readers(&self) -> bool {
        let is_local = match self.0.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.to_canonical().is_loopback(),
            None => false,
        };
        self.0.scheme() == "http" && !is_local
    }
}

impl fmt::Display for ProviderUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// A key that can be sent: visible ASCII, without spaces. The error never repeats it.
pub(super) fn key(text: &str) -> Result<SecretString, String> {
    let problem = if text.trim().is_empty() {
        "is empty"
    } else if text.starts_with(['"', '\'']) && text.ends_with(['"', '\'']) {
        "stands in quotes, which would be sent with it; leave them out"
    } else if text.contains(['\n', '\r']) {
        "has a line break in it; a key is one line"
    } else if text.len() > MAX_BYTES {
        "is too long for a key"
    } else if !is_visible(text) {
        "has characters that no key has: spaces, control characters or other than ASCII"
    } else {
        return Ok(text.into());
    };
    Err(problem.to_owned())
}

/// Names and values of headers: `NAME: VALUE`, several with `;` in between. No error repeats a value.
pub(super) fn headers(text: &str) -> Result<Vec<(String, SecretString)>, String> {
    /// What HTTP or the protocols' own rules set.
    const OURS: [&str; 6] = [
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "transfer-encoding",
    ];
    let each = text.split(';').map(str::trim);
    let each = each.filter(|header| !header.is_empty());
    let read = each.enumerate().map(|(at, header)| {
        let wrong = |what: &str| format!("header {}: {what}", at + 1);
        let (name, value) = header
            .split_once(':')
            .ok_or_else(|| wrong("has no colon; use NAME: VALUE"))?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(wrong("has characters in its name that cannot be sent"));
        }
        if OURS.contains(&name.as_str()) {
            return Err(wrong("is not to be set: the protocol does"));
        }
        let is_sendable = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        if value.is_empty() || value.len() > MAX_BYTES || !value.bytes().all(is_sendable) {
            return Err(wrong("has no value, or one that cannot be sent"));
        }
        Ok((name, value.into()))
    });
    read.collect()
}

/// Whether it can be the name of a model.
pub(super) fn is_model(text: &str) -> Result<(), String> {
    if text.len() <= MAX_BYTES && is_visible(text) {
        return Ok(());
    }
    Err(format!(
        "must be a model's name, without spaces, not {text:?}"
    ))
}

/// Whether `v1/messages` can be put behind it.
pub(super) fn ends_before_messages(text: &str) -> Result<(), String> {
    ends_before(text, "/v1/messages")
}

/// Whether `chat/completions` can be put behind it.
pub(super) fn ends_before_completions(text: &str) -> Result<(), String> {
    ends_before(text, "/chat/completions")
}

fn ends_before(text: &str, path: &str) -> Result<(), String> {
    if ProviderUrl::parse(text)?.ends_in(path) {
        return Err(format!("must not end in {path}, which is put behind it"));
    }
    Ok(())
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::config::{settings::ANTHROPIC_HEADERS, value::Value};

    #[test]
    fn a_url_is_http_with_a_host_and_may_have_a_path() {
        for (text, shown) in [
            ("https://api.anthropic.com", "https://api.anthropic.com"),
            (
                "http://127.0.0.1:8000/anthropic/",
                "http://127.0.0.1:8000/anthropic",
            ),
            ("http://[::1]:1/v1", "http://[::1]:1/v1"),
        ] {
            assert_eq!(ProviderUrl::parse(text).unwrap().to_string(), shown);
        }
        for text in [
            "",
            "api.anthropic.com",
            "ftp://S3CR3T",
            "file:///S3CR3T",
            "https://",
            "https://u:S3CR3T@a",
            "https://S3CR3T@a",
            "http://a?S3CR3T",
            "http://a#S3CR3T",
            "http://S3CR3T:99999",
        ] {
            let problem = ProviderUrl::parse(text).unwrap_err();
            assert!(!problem.contains("S3CR3T"), "{text}: {problem}");
        }
    }

    #[test]
    fn plain_http_is_open_to_readers_unless_it_stays_on_this_machine() {
        let is_open = |text: &str| ProviderUrl::parse(text).unwrap().is_open_to_readers();
        assert!(is_open("http://llm:8000") && is_open("http://10.0.0.1"));
        assert!(!is_open("https://llm") && !is_open("http://localhost:1"));
        assert!(!is_open("http://127.0.0.1:1") && !is_open("http://[::1]:1"));
    }

    #[test]
    fn headers_are_names_with_values_that_are_not_shown() {
        let read = headers("X-Team: a b: c;; api-key:S3CR3T ;").unwrap();
        let read: Vec<_> = read
            .iter()
            .map(|(name, value)| (name.as_str(), value.expose_secret()))
            .collect();
        assert_eq!(read, [("x-team", "a b: c"), ("api-key", "S3CR3T")]);
        let shown = Value::show(&headers("A: S3CR3T; b: c").unwrap(), &ANTHROPIC_HEADERS);
        assert_eq!(shown, "a: ***; b: ***");
        assert!(headers("").unwrap().is_empty());
        for text in [
            "S3CR3T",
            "a b: S3CR3T",
            ": S3CR3T",
            "a:",
            "a: S3CR3T\nb",
            "Host: S3CR3T",
        ] {
            let problem = headers(text).unwrap_err();
            assert!(!problem.contains("S3CR3T"), "{text}: {problem}");
        }
    }

    #[test]
    fn a_url_that_has_what_is_put_behind_it_is_refused() {
        let before = ends_before_completions;
        assert!(before("https://a/v1").is_ok());
        for text in [
            "https://a/v1/chat/completions",
            "https://a/chat/completions/",
        ] {
            assert!(
                before(text).unwrap_err().contains("must not end in"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_key_is_one_visible_line_and_never_repeated() {
        assert_eq!(key("sk-ant_1").unwrap().expose_secret(), "sk-ant_1");
        let long = "S3CR3T".repeat(1_000);
        for text in [
            "",
            " ",
            "S3CR3T\nx",
            "S3CR3T\r",
            "S3 CR3T",
            "S3CR3T\0",
            "\"S3CR3T\"",
            "'S3CR3T'",
            "S3CR3Té",
            &long,
        ] {
            let problem = key(text).unwrap_err();
            assert!(!problem.contains("S3"), "{text:?}: {problem}");
        }
    }
}
