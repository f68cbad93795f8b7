use http::HeaderMap;
use tonic::Status;

use super::{
    call::Call,
    convert::difficulty_filter,
    fields::Wrong,
    page_token::PageTokens,
    reply::{self, Reply},
    status::to_status,
};
use crate::{
    domain::{ChallengeId, ListQuery, PageSize, ReadOptions, Version},
    pb::catalog::v1 as pb,
    service::CatalogService,
};

/// The service `challenges.catalog.v1.ChallengesCatalog`: decode, one call, encode.
#[derive(Clone)]
pub struct CatalogTransport {
    service: CatalogService,
    page_tokens: PageTokens,
}

/// The most ids that one batch may ask for.
const IDS_MAX: usize = 100;

impl CatalogTransport {
    /// Serves `service`; lists continue by `page_tokens`.
    #[must_use]
    pub fn new(service: CatalogService, page_tokens: PageTokens) -> Self {
        Self {
            service,
            page_tokens,
        }
    }

    pub(super) async fn list(
        &self,
        request: pb::ListChallengesRequest,
        headers: &HeaderMap,
        call: &Call,
    ) -> Result<Reply, Status> {
        let answer = async {
            let mut wrong = Wrong::default();
            let difficulty = wrong.field("difficulty", difficulty_filter(request.difficulty));
            let page_size = wrong.field("page_size", PageSize::parse(request.page_size));
            let min_version = wrong.version(&request.min_version);
            let (Some(difficulty), Some(page_size), Some(min_version)) =
                (difficulty, page_size, min_version)
            else {
                return Err(wrong.into());
            };
            let after = self
                .page_tokens
                .read(&request.page_token, difficulty, page_size)?;
            let query = ListQuery {
                difficulty,
                page_size,
                after,
            };
            self.service.list(&query, options(min_version, call)).await
        };
        let answer = answer
            .await
            .map_err(|error| to_status(&error, call.request_id()))?;
        Ok(reply::reply(
            &[answer],
            if_none_match(&request.if_none_match, headers),
        ))
    }

    pub(super) async fn get(
        &self,
        request: pb::GetChallengeRequest,
        headers: &HeaderMap,
        call: &Call,
    ) -> Result<Reply, Status> {
        let answers = async {
            let mut wrong = Wrong::default();
            let id = wrong.field("id", ChallengeId::parse(&request.id));
            let min_version = wrong.version(&request.min_version);
            let (Some(id), Some(min_version)) = (id, min_version) else {
                return Err(wrong.into());
            };
            self.service
                .get_many(&[id], options(min_version, call))
                .await
        };
        let answers = answers
            .await
            .map_err(|error| to_status(&error, call.request_id()))?;
        Ok(reply::reply(
            &answers,
            if_none_match(&request.if_none_match, headers),
        ))
    }

    pub(super) async fn batch_get(
        &self,
        request: pb::BatchGetChallengesRequest,
        headers: &HeaderMap,
        call: &Call,
    ) -> Result<Reply, Status> {
        let answers = async {
            let mut wrong = Wrong::default();
            let ids = wrong.ids("ids", &request.ids, IDS_MAX);
            let min_version = wrong.version(&request.min_version);
            let (Some(ids), Some(min_version)) = (ids, min_version) else {
                return Err(wrong.into());
            };
            self.service
                .get_many(&ids, options(min_version, call))
                .await
        };
        let answers = answers
            .await
            .map_err(|error| to_status(&error, call.request_id()))?;
        Ok(reply::reply(
            &answers,
            if_none_match(&request.if_none_match, headers),
        ))
    }
}

fn options(min_version: Option<Version>, call: &Call) -> ReadOptions {
    ReadOptions {
        min_version,
        deadline: call.deadline,
    }
}

/// The field, or else the metadata of the same meaning.
fn if_none_match<'a>(field: &'a str, headers: &'a HeaderMap) -> &'a str {
    if !field.is_empty() {
        return field;
    }
    let header = headers.get(http::header::IF_NONE_MATCH);
    header
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}
