//! Who calls: a name in the metadata, or the address.
use std::net::IpAddr;

use http::{HeaderMap, HeaderName};

use crate::domain::CallerId;

/// Tells callers apart that come from one address.
pub(super) const CALLER_ID: HeaderName = HeaderName::from_static("x-caller-id");

/// Who calls: whom the metadata names, or else the address. Callers are other backends of the
/// same owner; they are believed, and a name can never pass for an address.
pub(super) fn caller(headers: &HeaderMap, peer: Option<IpAddr>) -> Result<CallerId, String> {
    let Some(name) = name(headers)? else {
        let address = peer.map(|peer| peer.to_canonical().to_string());
        return Ok(CallerId(format!("address {}", address.unwrap_or_default())));
    };
    Ok(CallerId(format!("name {name}")))
}

/// Whom the metadata names, if it names somebody.
pub(super) fn name(headers: &HeaderMap) -> Result<Option<&str>, String> {
    let Some(name) = headers.get(CALLER_ID) else {
        return Ok(None);
    };
    let name = name.to_str().ok().filter(|name| CallerId::is_name(name));
    let name = name.ok_or_else(|| format!("{}, or left out", CallerId::NAME_RULE))?;
    Ok(Some(name))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn named(name: &str) -> Result<String, String> {
        let mut headers = HeaderMap::new();
        headers.insert(CALLER_ID, HeaderValue::from_str(name).unwrap());
        caller(&headers, Some([10, 0, 0, 1].into())).map(|caller| caller.0)
    }

    #[test]
    fn a_caller_is_known_by_its_name_or_else_by_its_address() {
        assert_eq!(named("ann@example.org").unwrap(), "name ann@example.org");
        let v6: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
        let address = caller(&HeaderMap::new(), Some(v6)).unwrap();
        assert_eq!(address.0, "address 10.0.0.1");
    }

    #[test]
    fn a_name_that_cannot_be_one_is_refused() {
        for name in ["", "two words", "ä", &"x".repeat(129)] {
            assert!(named(name).is_err(), "{name:?}");
        }
    }
}
