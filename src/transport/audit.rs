//! The audit trail: a log line for every call of a service for operators or editors, however it ends. Refusals of
//! callers that are not known are limited: anybody can cause them.
use std::sync::LazyLock;

use http::HeaderMap;
use prost_reflect::{DescriptorPool, DynamicMessage};
use tonic::Code;

use super::{
    caller::audited, code::code_name, context::RequestContext, methods::Method,
    request_body::PREFIX_LEN,
};
use crate::{domain::IdentifiedBy, telemetry::LineLimit};

const SUBJECT_MAX_CHARS: usize = 200;
static UNKNOWN: LineLimit = LineLimit::new();

/// A call that will be in the audit trail.
pub(super) struct AuditRecord {
    call: RequestContext,
    caller: String,
    method: &'static Method,
    /// Limits the lines of calls that anybody can make.
    limit: Option<&'static LineLimit>,
}

impl AuditRecord {
    /// For a call of `method` whose caller was admitted, or refused.
    pub(super) fn of(
        call: &RequestContext,
        headers: &HeaderMap,
        method: &'static Method,
        is_refused: bool,
    ) -> Self {
        let principal = call.principal.as_ref();
        let is_known = principal.is_some_and(|it| it.identified_by != IdentifiedBy::Nothing);
        Self {
            call: call.clone(),
            caller: audited(headers, call),
            method,
            limit: (is_refused && !is_known).then_some(&UNKNOWN),
        }
    }

    /// Writes the line of a call that ended with `code`.
    pub(super) fn write(&self, code: Code) {
        let left_out = match self.limit.map(LineLimit::admit) {
            Some(None) => return,
            Some(left_out) => left_out,
            None => None,
        };
        let call = &self.call;
        let principal = call.principal.as_ref();
        tracing::info!(
            target: "audit",
            request_id = call.request_id(),
            method = self.method.label(),
            caller = self.caller,
            via = principal.map(|principal| principal.identified_by.as_str()),
            role = principal.map(|principal| principal.role.as_str()),
            address = call.peer.map(|peer| peer.to_canonical()).map(tracing::field::display),
            subject = call.subject.as_ref().and_then(|subject| subject.get()),
            outcome = code_name(code),
            left_out,
            "admin call"
        );
    }
}

static CONTRACT: LazyLock<Option<DescriptorPool>> =
    LazyLock::new(|| DescriptorPool::decode(crate::pb::DESCRIPTORS).ok());

/// What the framed `message` for `path` is about: its fields in the order of the contract, where ids stand first.
pub(super) fn subject_of(path: &str, message: &[u8]) -> Option<String> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    let service = CONTRACT.as_ref()?.get_service_by_name(service)?;
    let input = service.methods().find(|it| it.name() == method)?.input();
    let message = DynamicMessage::decode(input, message.get(PREFIX_LEN..)?).ok()?;
    Some(
        message
            .to_string()
            .chars()
            .take(SUBJECT_MAX_CHARS)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::pb::admin::v1 as pb;

    #[test]
    fn the_subject_of_a_call_is_its_message_as_text_and_bounded() {
        let subject = |request: &pb::DeleteChallengeRequest| {
            let mut framed = vec![0; PREFIX_LEN];
            framed.extend(request.encode_to_vec());
            subject_of(
                "/challenges.admin.v1.ChallengesAdmin/DeleteChallenge",
                &framed,
            )
            .unwrap()
        };
        let mut request = pb::DeleteChallengeRequest {
            id: "a\nb".to_owned(),
            validate_only: true,
            ..pb::DeleteChallengeRequest::default()
        };
        assert_eq!(subject(&request), r#"id:"a\nb",validate_only:true"#);
        request.id = "x".repeat(10_000);
        assert_eq!(subject(&request).len(), SUBJECT_MAX_CHARS);
        assert_eq!(subject_of("/no/Method", &[0; 5]), None);
    }
}
