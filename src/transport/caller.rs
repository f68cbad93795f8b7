//! Who calls, for limits and for the history: a principal, a name in the metadata, or an address.
use http::{HeaderMap, HeaderName};

use super::context::RequestContext;
use crate::domain::CallerId;

/// Tells callers apart that come from one address, or through one principal.
pub(super) const CALLER_ID: HeaderName = HeaderName::from_static("x-caller-id");

/// Who calls, for limits. A principal is what it proved to be, and whom it calls for if it may call for others.
/// Without credentials the metadata is believed, and else there is the address; neither of the three can
/// pass for another.
pub(super) fn caller(headers: &HeaderMap, call: &RequestContext) -> Result<CallerId, String> {
    let named = name(headers)?;
    let Some(principal) = &call.principal else {
        let address = || call.peer.map(|peer| peer.to_canonical().to_string());
        let address = || format!("address {}", address().unwrap_or_default());
        let id = named.map_or_else(address, |name| format!("name {name}"));
        return Ok(CallerId(id));
    };
    let named = named.filter(|_| principal.may_speak_for_others);
    Ok(CallerId(match named {
        Some(name) => format!("principal {}, for {name}", principal.name),
        None => format!("principal {}", principal.name),
    }))
}

/// Who edits, if that is known: a principal, and whom it edits for; without credentials, whom the metadata names.
pub(super) fn editor(headers: &HeaderMap, call: &RequestContext) -> Result<Option<String>, String> {
    let named = name(headers)?;
    let Some(principal) = &call.principal else {
        return Ok(named.map(str::to_owned));
    };
    let named = named.filter(|_| principal.may_speak_for_others);
    Ok(Some(match named {
        Some(name) => format!("{}, for {name}", principal.name),
        None => principal.name.clone(),
    }))
}

/// Whom the metadata names, if it names somebody.
fn name(headers: &HeaderMap) -> Result<Option<&str>, String> {
    let Some(name) = headers.get(CALLER_ID) else {
        return Ok(None);
    };
    let name = name.to_str().ok().filter(|name| CallerId::is_name(name));
    let name = name.ok_or_else(|| format!("{}, or left out", CallerId::NAME_RULE))?;
    Ok(Some(name))
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, sync::Arc, time::Duration};

    use http::{HeaderValue, Request};

    use super::*;
    use crate::domain::{Principal, Role};

    fn call(peer: IpAddr, principal: Option<(&str, bool)>) -> RequestContext {
        let mut call = RequestContext::start(&Request::new(()), Duration::from_secs(1), Some(peer));
        call.principal = principal.map(|(name, may_speak_for_others)| {
            Arc::new(Principal {
                name: name.to_owned(),
                role: Role::Editor,
                may_speak_for_others,
                rate: None,
            })
        });
        call
    }

    fn headers(name: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CALLER_ID, HeaderValue::from_str(name).unwrap());
        headers
    }

    #[test]
    fn a_caller_is_known_by_its_name_or_else_by_its_address() {
        let v6: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
        let call = call(v6, None);
        let named = caller(&headers("ann@example.org"), &call).unwrap();
        assert_eq!(named.0, "name ann@example.org");
        let address = caller(&HeaderMap::new(), &call).unwrap();
        assert_eq!(address.0, "address 10.0.0.1");
    }

    #[test]
    fn a_name_that_cannot_be_one_is_refused() {
        let call = call([10, 0, 0, 1].into(), None);
        for name in ["", "two words", "ä", &"x".repeat(129)] {
            assert!(caller(&headers(name), &call).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_principal_calls_for_others_only_where_the_access_file_says_so() {
        let address = [10, 0, 0, 1].into();
        let gateway = call(address, Some(("gateway", true)));
        let shop = call(address, Some(("shop", false)));
        let who = |call: &RequestContext| caller(&headers("ann"), call).unwrap().0;
        assert_eq!(who(&gateway), "principal gateway, for ann");
        assert_eq!(who(&shop), "principal shop");
        let editor = |call: &RequestContext| editor(&headers("ann"), call).unwrap().unwrap();
        assert_eq!(editor(&gateway), "gateway, for ann");
        assert_eq!(editor(&shop), "shop");
    }
}
