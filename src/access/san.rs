//! What a client's certificate says of its owner, and patterns for the names in it.
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

/// A pattern for a name in a certificate: the name itself, or its beginning and `*`, or `*.` and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SanPattern {
    Exact(String),
    Beginning(String),
    End(String),
}

impl SanPattern {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let problem = || {
            format!(
                "must be a DNS name or URI, `*.` and the end of one, or the beginning of a URI and `*`, not {text:?}"
            )
        };
        let text = if text.contains("://") {
            text.to_owned()
        } else {
            text.to_ascii_lowercase()
        };
        let pattern = match (text.strip_prefix("*."), text.strip_suffix('*')) {
            (Some(end), _) => Self::End(format!(".{end}")),
            (None, Some(beginning)) if beginning.contains("://") => {
                Self::Beginning(beginning.to_owned())
            }
            (None, _) => Self::Exact(text.clone()),
        };
        let (Self::Exact(rest) | Self::Beginning(rest) | Self::End(rest)) = &pattern;
        if rest.len() < 2 || rest.contains(['*', ' ']) {
            return Err(problem());
        }
        Ok(pattern)
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => name == exact,
            Self::Beginning(beginning) => name.starts_with(beginning),
            // One label, as in certificates of servers.
            Self::End(end) => name
                .strip_suffix(end.as_str())
                .is_some_and(|label| !label.is_empty() && !label.contains(['.', '/', ':'])),
        }
    }
}

/// The DNS names, in small letters, and URIs of a certificate in DER, and the second since 1970 after which it does
/// not count; `None` for one that cannot be read.
pub(super) fn names_and_end(certificate: &[u8]) -> Option<(Vec<String>, i64)> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let end = certificate.validity().not_after.timestamp();
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Some((Vec::new(), end));
    };
    let names = extension.value.general_names.iter();
    let names = names.filter_map(|name| {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "addresses and names of directories say nothing of who a client is"
        )]
        match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            GeneralName::URI(name) => Some((*name).to_owned()),
            _ => None,
        }
    });
    Some((names.collect(), end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_name_or_a_part_of_one() {
        let matches = |pattern: &str, name| SanPattern::parse(pattern).unwrap().matches(name);
        assert!(matches("shop.example", "shop.example"));
        assert!(!matches("shop.example", "shop.example.evil.org"));
        assert!(matches("*.shop.example", "a.shop.example"));
        for name in [
            "shop.example",
            ".shop.example",
            "a.b.shop.example",
            "x://a.shop.example",
        ] {
            assert!(!matches("*.shop.example", name), "{name}");
        }
        assert!(matches(
            "spiffe://prod/ns/shop/*",
            "spiffe://prod/ns/shop/sa/backend"
        ));
        assert!(!matches(
            "spiffe://prod/ns/shop/*",
            "spiffe://prod/ns/shopping"
        ));
        for text in ["", "*", "*.", "a*b", "shop*", "two words", "spiffe://*/x*"] {
            assert!(SanPattern::parse(text).is_err(), "{text}");
        }
    }
}
