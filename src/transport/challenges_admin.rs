//! The service `challenges.admin.v1.ChallengesAdmin`.
use std::time::Instant;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use http::HeaderMap;
use prost::Message;
use ring::digest::{Context, SHA256};
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use super::{
    caller::{self, CALLER_ID},
    challenges_admin_messages::{change, draft},
    context::{RequestContext, parts},
    convert::read_etag,
    page_token::PageTokens,
    revision_token,
};
use crate::{
    domain::{
        ChallengeId, EditTerms, Error, Etag, FieldViolations, IdempotencyKey, Operation, PageSize,
        RequestId, Revision, RevisionQuery, Version, finished,
    },
    pb::admin::v1::{self as pb, challenges_admin_server::ChallengesAdmin},
    service::{EditOutcome, EditService},
};

/// The service `challenges.admin.v1.ChallengesAdmin`: decode, one call, encode.
#[derive(Clone)]
pub struct ChallengesAdminTransport {
    pub(super) service: EditService,
    page_tokens: PageTokens,
}

impl ChallengesAdminTransport {
    /// Serves `service`; lists continue by `page_tokens`.
    #[must_use]
    pub fn new(service: EditService, page_tokens: PageTokens) -> Self {
        Self {
            service,
            page_tokens,
        }
    }

    /// One more than the page has, to know whether another one follows.
    fn query(
        &self,
        request: &pb::ListChallengeRevisionsRequest,
    ) -> Result<(RevisionQuery, PageSize), Error> {
        let mut violations = FieldViolations::default();
        let challenge = match request.challenge_id.as_str() {
            "" => Ok(None),
            id => ChallengeId::parse(id).map(Some),
        };
        let challenge = violations.field("challenge_id", challenge);
        let page_size = violations.field("page_size", PageSize::parse(request.page_size));
        let (Some(challenge), Some(page_size)) = (challenge, page_size) else {
            return Err(violations.into());
        };
        let tokens = &self.page_tokens;
        let query = RevisionQuery {
            challenge,
            before: revision_token::read(tokens, challenge, &request.page_token)?,
            limit: page_size.get() + 1,
        };
        Ok((query, page_size))
    }
}

#[async_trait]
impl ChallengesAdmin for ChallengesAdminTransport {
    async fn get_challenge(
        &self,
        request: Request<pb::GetChallengeRequest>,
    ) -> Result<Response<pb::GetChallengeResponse>, Status> {
        let (request, _, call) = parts(request)?;
        let mut violations = FieldViolations::default();
        let Some(id) = violations.field("id", ChallengeId::parse(&request.id)) else {
            return Err(call.refused(&violations.into()));
        };
        let (mut challenge, etag, version) = call.result(self.service.get(id).await)?;
        let written_tip = challenge.written_tip.take().unwrap_or_default();
        Ok(Response::new(pb::GetChallengeResponse {
            challenge: Some(pb::EditedChallenge::of(challenge, Some(etag))),
            written_tip,
            version: version.to_string(),
        }))
    }

    async fn create_challenge(
        &self,
        request: Request<pb::CreateChallengeRequest>,
    ) -> Result<Response<pb::CreateChallengeResponse>, Status> {
        let (request, headers, call) = parts(request)?;
        let mut violations = FieldViolations::default();
        let named = (&*request.request_id, payload("create", &request));
        let edit = (named, request.validate_only);
        let terms = terms(&mut violations, edit, &headers, &call);
        let mut message = request.challenge.unwrap_or_default();
        if message.id.is_empty() {
            message.id = Uuid::new_v4().to_string();
        }
        let new = violations.fields_of("challenge", draft(message).check());
        let (Some(terms), Some(new)) = (terms, new) else {
            return Err(call.refused(&violations.into()));
        };
        let outcome = call.result(self.service.create(new, &terms).await)?;
        let (challenge, version) = to_response(outcome);
        Ok(Response::new(pb::CreateChallengeResponse {
            challenge,
            version,
        }))
    }

    async fn update_challenge(
        &self,
        request: Request<pb::UpdateChallengeRequest>,
    ) -> Result<Response<pb::UpdateChallengeResponse>, Status> {
        let (request, headers, call) = parts(request)?;
        let mut violations = FieldViolations::default();
        let named = (&*request.request_id, payload("update", &request));
        let edit = (named, request.validate_only);
        let terms = terms(&mut violations, edit, &headers, &call);
        let message = request.challenge.unwrap_or_default();
        let seen = violations.field("etag", read_etag(&request.etag));
        let inner = violations.field("challenge.etag", read_etag(&message.etag));
        let seen = seen
            .zip(inner)
            .and_then(|pair| violations.field("etag", one_of(pair)));
        let id = violations.field("challenge.id", ChallengeId::parse(&message.id));
        let asked = change(message, request.update_mask.as_ref());
        let asked = asked.map_err(|problems| violations.add(problems)).ok();
        let asked = asked.and_then(|asked| violations.fields_of("challenge", asked.check()));
        let (Some(terms), Some(seen), Some(id), Some(asked)) = (terms, seen, id, asked) else {
            return Err(call.refused(&violations.into()));
        };
        let work = self.service.update(id, asked, seen, &terms);
        let (challenge, version) = to_response(call.result(work.await)?);
        Ok(Response::new(pb::UpdateChallengeResponse {
            challenge,
            version,
        }))
    }

    async fn delete_challenge(
        &self,
        request: Request<pb::DeleteChallengeRequest>,
    ) -> Result<Response<pb::DeleteChallengeResponse>, Status> {
        let (request, headers, call) = parts(request)?;
        let mut violations = FieldViolations::default();
        let named = (&*request.request_id, payload("delete", &request));
        let edit = (named, request.validate_only);
        let terms = terms(&mut violations, edit, &headers, &call);
        let seen = violations.field("etag", read_etag(&request.etag));
        let id = violations.field("id", ChallengeId::parse(&request.id));
        let (Some(terms), Some(seen), Some(id)) = (terms, seen, id) else {
            return Err(call.refused(&violations.into()));
        };
        let outcome = call.result(self.service.delete(id, seen, &terms).await)?;
        let version = text(outcome.version);
        Ok(Response::new(pb::DeleteChallengeResponse { version }))
    }

    async fn revert_challenge(
        &self,
        request: Request<pb::RevertChallengeRequest>,
    ) -> Result<Response<pb::RevertChallengeResponse>, Status> {
        let (request, headers, call) = parts(request)?;
        let mut violations = FieldViolations::default();
        let named = (&*request.request_id, payload("revert", &request));
        let edit = (named, request.validate_only);
        let terms = terms(&mut violations, edit, &headers, &call);
        let seen = violations.field("etag", read_etag(&request.etag));
        let id = violations.field("id", ChallengeId::parse(&request.id));
        let number = Some(request.revision).filter(|number| *number > 0);
        let number = number.ok_or_else(|| "must be the number of a revision".to_owned());
        let number = violations.field("revision", number);
        let (Some(terms), Some(seen), Some(id), Some(number)) = (terms, seen, id, number) else {
            return Err(call.refused(&violations.into()));
        };
        let work = self.service.revert(id, number, seen, &terms);
        let (challenge, version) = to_response(call.result(work.await)?);
        Ok(Response::new(pb::RevertChallengeResponse {
            challenge,
            version,
        }))
    }

    async fn list_challenge_revisions(
        &self,
        request: Request<pb::ListChallengeRevisionsRequest>,
    ) -> Result<Response<pb::ListChallengeRevisionsResponse>, Status> {
        let (request, _, call) = parts(request)?;
        let query = self.query(&request);
        let (query, page_size) = call.result(query)?;
        let mut found = call.result(self.service.revisions(query).await)?;
        let has_more = found.len() > usize::from(page_size.get());
        found.truncate(page_size.get().into());
        let last = found.last().filter(|_| has_more);
        // The history of a challenge never begins with a change of it.
        let is_cut = |oldest: &Revision| match oldest.operation {
            Operation::Updated => true,
            Operation::Found | Operation::Created | Operation::Deleted => false,
        };
        let older_pruned =
            !has_more && query.challenge.is_some() && found.last().is_some_and(is_cut);
        let token = |number| revision_token::make(&self.page_tokens, query.challenge, number);
        Ok(Response::new(pb::ListChallengeRevisionsResponse {
            next_page_token: last.map(|last| token(last.number)).unwrap_or_default(),
            revisions: found.into_iter().map(Into::into).collect(),
            older_pruned,
        }))
    }

    async fn import_challenges(
        &self,
        request: Request<Streaming<pb::ImportChallengesRequest>>,
    ) -> Result<Response<pb::ImportChallengesResponse>, Status> {
        let (messages, headers, call) = parts(request)?;
        let imported = self.import(messages, &headers, &call).await?;
        Ok(Response::new(imported))
    }

    type ExportChallengesStream = BoxStream<'static, Result<pb::ExportChallengesResponse, Status>>;

    async fn export_challenges(
        &self,
        request: Request<pb::ExportChallengesRequest>,
    ) -> Result<Response<Self::ExportChallengesStream>, Status> {
        let (_, _, call) = parts(request)?;
        Ok(Response::new(self.export(&call).await?))
    }
}

/// What an update is to find: the etag of the call, or that of the challenge in it.
fn one_of((outer, inner): (Option<Etag>, Option<Etag>)) -> Result<Option<Etag>, String> {
    match (outer, inner) {
        (Some(outer), Some(inner)) if outer != inner => {
            Err("must be that of the challenge, or empty".to_owned())
        }
        (outer, inner) => Ok(outer.or(inner)),
    }
}

/// SHA-256 of all that a call asks for: the same message twice, and no other, has the same.
fn payload(what: &str, request: &impl Message) -> [u8; 32] {
    let mut hash = Context::new(&SHA256);
    hash.update(what.as_bytes());
    hash.update(&request.encode_to_vec());
    finished(hash)
}

fn terms(
    violations: &mut FieldViolations,
    ((request_id, payload), validate_only): ((&str, [u8; 32]), bool),
    headers: &HeaderMap,
    call: &RequestContext,
) -> Option<EditTerms> {
    let id = request_name(violations, request_id);
    let editor = editor(violations, headers, call);
    Some(EditTerms {
        idempotency_key: id?.map(|id| IdempotencyKey { id, payload }),
        editor: editor?,
        validate_only,
        patience: call.deadline.saturating_duration_since(Instant::now()),
    })
}

/// The field `request_id`.
#[expect(
    clippy::option_option,
    reason = "outer: could it be read; inner: was it given"
)]
pub(super) fn request_name(
    violations: &mut FieldViolations,
    text: &str,
) -> Option<Option<RequestId>> {
    if text.is_empty() {
        return Some(None);
    }
    violations.field("request_id", text.parse()).map(Some)
}

/// Who edits.
pub(super) fn editor(
    violations: &mut FieldViolations,
    headers: &HeaderMap,
    call: &RequestContext,
) -> Option<String> {
    let editor = match &call.principal {
        Some(_) => caller::editor(headers, call).map(Option::unwrap_or_default),
        // Without credentials, the history tells names from addresses.
        None => caller::caller(headers, call).map(|caller| caller.0),
    };
    violations.field(CALLER_ID.as_str(), editor)
}

fn to_response(outcome: EditOutcome) -> (Option<pb::EditedChallenge>, String) {
    let challenge = outcome.challenge;
    let challenge =
        challenge.map(|(challenge, etag)| pb::EditedChallenge::of(challenge, Some(etag)));
    (challenge, text(outcome.version))
}

/// A version as callers see it; empty when nothing was kept.
pub(super) fn text(version: Option<Version>) -> String {
    version.as_ref().map(Version::to_string).unwrap_or_default()
}
