//! Conditions of changes (RFC 9110, 13.1): `If-Match` is the etag of the contract. A condition that is not understood is
//! refused: a change that was made although it does not hold would be lost for somebody.
use http::{
    HeaderMap, HeaderName,
    header::{IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE},
};
use prost_reflect::{DynamicMessage, ReflectMessage, Value};

use crate::domain::FieldViolation;

const ETAG: &str = "etag";

/// Whether the method of this input takes an etag, so that `If-Match` says something to it.
pub(super) fn has_etag(input: &prost_reflect::MessageDescriptor) -> bool {
    input.get_field_by_name(ETAG).is_some()
}

/// What is wrong with the conditions of a change that takes none.
pub(super) fn refuse(headers: &HeaderMap) -> Option<FieldViolation> {
    let unknown = [IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE];
    let name = unknown.iter().find(|name| headers.contains_key(*name))?;
    Some(violation(name, "is no condition that this change can have"))
}

/// Puts the etag that `If-Match` names into the message of a change.
///
/// # Errors
///
/// What is wrong with the conditions.
pub(super) fn apply(
    headers: &HeaderMap,
    message: &mut DynamicMessage,
) -> Result<(), FieldViolation> {
    if !has_etag(&message.descriptor()) {
        return refuse(headers).map_or(Ok(()), Err);
    }
    for other in [IF_NONE_MATCH, IF_UNMODIFIED_SINCE] {
        if headers.contains_key(&other) {
            return Err(violation(&other, "is not understood here: If-Match is"));
        }
    }
    let mut values = headers.get_all(IF_MATCH).iter();
    let Some(value) = values.next() else {
        return Ok(());
    };
    let text = value.to_str().unwrap_or_default().trim();
    if values.next().is_some() || text.is_empty() || text.contains(',') {
        return Err(violation(&IF_MATCH, "must be one etag"));
    }
    // What is to be changed must be there anyway.
    if text == "*" {
        return Ok(());
    }
    let given = message.get_field_by_name(ETAG);
    let given = given.and_then(|given| given.as_str().map(str::to_owned));
    if given.is_some_and(|given| !given.is_empty() && given != text) {
        return Err(violation(&IF_MATCH, "is another etag in the request"));
    }
    message.set_field_by_name(ETAG, Value::String(text.to_owned()));
    Ok(())
}

fn violation(header: &HeaderName, problem: &str) -> FieldViolation {
    FieldViolation::new(header.as_str(), problem.to_owned())
}

#[cfg(test)]
mod tests {
    use prost_reflect::Kind;

    use super::*;
    use crate::http::fixtures::kind;

    const OURS: &str = "\"fEGoFWBFIh4\"";

    fn etag(kind_name: &str, headers: &[(HeaderName, &str)]) -> Result<String, String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value.parse().unwrap());
        }
        let mut message = DynamicMessage::new(kind(kind_name));
        apply(&map, &mut message).map_err(|wrong| wrong.to_string())?;
        let etag = message.get_field_by_name(ETAG);
        Ok(etag.map_or(String::new(), |it| it.as_str().unwrap().to_owned()))
    }

    #[test]
    fn a_change_has_the_etag_that_its_caller_read() {
        let update = "admin.v1.UpdateChallengeRequest";
        assert_eq!(etag(update, &[(IF_MATCH, OURS)]).unwrap(), OURS);
        for none in [&[][..], &[(IF_MATCH, "*")]] {
            assert_eq!(etag(update, none).unwrap(), "");
        }
        for wrong in [
            &[(IF_MATCH, "\"a\", \"b\"")][..],
            &[(IF_MATCH, OURS), (IF_MATCH, OURS)],
            &[(IF_MATCH, "")],
            &[(IF_NONE_MATCH, "*")],
            &[(IF_UNMODIFIED_SINCE, "Mon, 30 Nov 2026 16:00:00 GMT")],
        ] {
            assert!(etag(update, wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_change_that_takes_no_condition_refuses_them() {
        let create = "admin.v1.CreateChallengeRequest";
        for name in [IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE] {
            assert!(etag(create, &[(name, "*")]).is_err());
        }
        assert_eq!(etag(create, &[]).unwrap(), "");
    }

    #[test]
    fn every_etag_of_a_request_is_a_text() {
        for service in crate::http::fixtures::CONTRACT.services() {
            for rpc in service.methods().filter(|rpc| has_etag(&rpc.input())) {
                let field = rpc.input().get_field_by_name(ETAG).unwrap();
                assert_eq!(field.kind(), Kind::String, "{}", rpc.full_name());
            }
        }
    }
}
