//! An origin of browsers: scheme, host and port, as they send it.
use url::Url;

/// An origin whose pages may read answers, or `*` for all origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOrigin(pub(super) String);

impl HttpOrigin {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "*" {
            return Ok(Self(text.to_owned()));
        }
        let problem =
            || format!("{text:?} must be https://HOST[:PORT] or http://HOST[:PORT], or *");
        let url = Url::parse(text).map_err(|_| problem())?;
        let is_web = matches!(url.scheme(), "http" | "https");
        // Browsers send it without a path, and with a port only where that is not the usual one.
        let origin = url.origin().ascii_serialization();
        if !is_web || text.contains('*') || text.trim_end_matches('/') != origin {
            return Err(problem());
        }
        Ok(Self(origin))
    }

    /// As browsers send it, or `*`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_browsers_send() {
        for (text, origin) in [
            ("https://app.example", "https://app.example"),
            ("http://localhost:3000/", "http://localhost:3000"),
            (" * ", "*"),
        ] {
            assert_eq!(HttpOrigin::parse(text).unwrap().as_str(), origin);
        }
        for text in [
            "",
            "app.example",
            "https://a/b",
            "https://a:443",
            "null",
            "ftp://a",
            "https://A",
        ] {
            assert!(HttpOrigin::parse(text).is_err(), "{text}");
        }
    }
}
