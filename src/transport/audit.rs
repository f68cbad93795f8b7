//! The audit trail: a log line for every call of a service for operators or editors, however it ends.
use std::sync::LazyLock;

use http::HeaderMap;
use prost_reflect::{DescriptorPool, DynamicMessage};
use tonic::Code;

use super::{
    caller::caller, code::code_name, context::RequestContext, methods::Method,
    request_body::PREFIX_LEN,
};

const SUBJECT_MAX_CHARS: usize = 200;

/// A call that will be in the audit trail.
pub(super) struct AuditRecord {
    call: RequestContext,
    caller: Option<String>,
    method: &'static Method,
}

impl AuditRecord {
    /// For a call of `method` whose caller was admitted, or refused.
    pub(super) fn of(call: &RequestContext, headers: &HeaderMap, method: &'static Method) -> Self {
        Self {
            call: call.clone(),
            caller: caller(headers, call).ok().map(|caller| caller.0),
            method,
        }
    }

    /// Writes the line of a call that ended with `code`.
    pub(super) fn write(&self, code: Code) {
        let call = &self.call;
        tracing::info!(
            target: "audit",
            request_id = call.request_id(),
            method = self.method.label(),
            caller = self.caller,
            role = call.principal.as_ref().map(|principal| principal.role.as_str()),
            address = call.peer.map(|peer| peer.to_canonical()).map(tracing::field::display),
            subject = call.subject.as_ref().and_then(|subject| subject.get()),
            outcome = code_name(code),
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
