//! Who calls, for limits and for the history: a principal, a name in the metadata, or an address.
use http::{HeaderMap, HeaderName};
use tonic::Status;

use super::context::RequestContext;
use crate::domain::{CallerId, Error, FieldViolation};

/// Tells callers apart that come from one address, or through one principal.
pub(super) const CALLER_ID: HeaderName = HeaderName::from_static("x-caller-id");

/// Who calls, for limits. A principal is what it proved to be, and whom it calls for if it may call for others.
/// Without credentials the metadata is believed, and else there is the address; neither of the three can
/// pass for another.
pub(super) fn caller(headers: &HeaderMap, call: &RequestContext) -> Result<CallerId, String> {
    Ok(CallerId(match (name(headers, call)?, &call.principal) {
        (None, _) => known(call),
        (Some(name), None) => format!("name {name}"),
        (Some(name), Some(principal)) => format!("principal {}, for {name}", principal.name),
    }))
}

/// Who calls, for the audit trail: also where the metadata names nobody properly.
pub(super) fn audited(headers: &HeaderMap, call: &RequestContext) -> String {
    caller(headers, call).map_or_else(|_| known(call), |caller| caller.0)
}

/// The status for a principal that may call for others, and names nobody properly: what it does must not be taken
/// for its own.
pub(super) fn misnamed(headers: &HeaderMap, call: &RequestContext) -> Option<Status> {
    call.principal.as_ref()?;
    let problem = name(headers, call).err()?;
    let violation = FieldViolation::new(CALLER_ID.as_str(), problem);
    Some(call.refused(&Error::Invalid(vec![violation])))
}

/// Who calls, whatever the metadata says: a principal, or an address.
fn known(call: &RequestContext) -> String {
    if let Some(principal) = &call.principal {
        return format!("principal {}", principal.name);
    }
    let address = call.peer.map(|peer| peer.to_canonical().to_string());
    format!("address {}", address.unwrap_or_default())
}

/// Who edits, if that is known: a principal, and whom it edits for; without credentials, whom the metadata names.
pub(super) fn editor(headers: &HeaderMap, call: &RequestContext) -> Result<Option<String>, String> {
    let named = name(headers, call)?;
    let Some(principal) = &call.principal else {
        return Ok(named.map(str::to_owned));
    };
    Ok(Some(match named {
        Some(name) => format!("{}, for {name}", principal.name),
        None => principal.name.clone(),
    }))
}

/// Whom the metadata names, if it names somebody. That of a principal which calls for itself alone is ignored.
fn name<'a>(headers: &'a HeaderMap, call: &RequestContext) -> Result<Option<&'a str>, String> {
    let is_ignored = call
        .principal
        .as_ref()
        .is_some_and(|principal| !principal.may_speak_for_others);
    let mut names = headers.get_all(CALLER_ID).iter();
    let Some(name) = names.next().filter(|_| !is_ignored) else {
        return Ok(None);
    };
    if names.next().is_some() {
        // A gateway that adds its own must not let its callers choose theirs.
        return Err("must not be there twice".to_owned());
    }
    let name = name.to_str().ok().filter(|name| CallerId::is_name(name));
    let name = name.ok_or_else(|| format!("{}, or left out", CallerId::NAME_RULE))?;
    Ok(Some(name))
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, sync::Arc, time::Duration};

    use http::{HeaderValue, Request};

    use super::*;
    use crate::domain::{IdentifiedBy, Principal, Role};

    fn call(peer: IpAddr, principal: Option<(&str, bool)>) -> RequestContext {
        let mut call = RequestContext::start(&Request::new(()), Duration::from_secs(1), Some(peer));
        call.principal = principal.map(|(name, may_speak_for_others)| {
            Arc::new(Principal {
                name: name.to_owned(),
                identified_by: IdentifiedBy::Token,
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
    fn two_names_are_refused() {
        let mut headers = headers("mallory");
        headers.append(CALLER_ID, HeaderValue::from_static("ann"));
        let address = [10, 0, 0, 1].into();
        let gateway = call(address, Some(("gateway", true)));
        assert!(misnamed(&headers, &gateway).is_some());
        assert!(caller(&headers, &call(address, None)).is_err());
        let shop = call(address, Some(("shop", false)));
        assert!(misnamed(&headers, &shop).is_none(), "it is ignored there");
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

    #[test]
    fn a_principal_that_names_nobody_properly_is_refused_and_still_told_of() {
        let address = [10, 0, 0, 1].into();
        let gateway = call(address, Some(("gateway", true)));
        let shop = call(address, Some(("shop", false)));
        for bad in ["", "two words", &"x".repeat(129)] {
            let refused = misnamed(&headers(bad), &gateway).unwrap();
            assert_eq!(refused.code(), tonic::Code::InvalidArgument);
            assert!(refused.message().contains("x-caller-id"), "{refused}");
            assert_eq!(audited(&headers(bad), &gateway), "principal gateway");
            assert!(misnamed(&headers(bad), &shop).is_none(), "{bad:?}");
            assert_eq!(caller(&headers(bad), &shop).unwrap().0, "principal shop");
            let unknown = call(address, None);
            assert!(misnamed(&headers(bad), &unknown).is_none(), "{bad:?}");
            assert_eq!(audited(&headers(bad), &unknown), "address 10.0.0.1");
        }
        assert!(misnamed(&headers("ann"), &gateway).is_none());
        assert_eq!(
            audited(&headers("ann"), &gateway),
            "principal gateway, for ann"
        );
    }
}
