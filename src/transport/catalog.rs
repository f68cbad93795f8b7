use bytes::Bytes;
use http::HeaderMap;
use tonic::Status;

use super::{
    call::Call, convert::difficulty_filter, page_token::PageTokens, reply, status::to_status,
};
use crate::{
    domain::{ChallengeId, Error, FieldViolation, ListQuery, PageSize, ReadOptions, Version},
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
    ) -> Result<Bytes, Status> {
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
        Ok(reply::frame(
            &[answer],
            if_none_match(&request.if_none_match, headers),
        ))
    }

    pub(super) async fn get(
        &self,
        request: pb::GetChallengeRequest,
        headers: &HeaderMap,
        call: &Call,
    ) -> Result<Bytes, Status> {
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
        Ok(reply::frame(
            &answers,
            if_none_match(&request.if_none_match, headers),
        ))
    }

    pub(super) async fn batch_get(
        &self,
        request: pb::BatchGetChallengesRequest,
        headers: &HeaderMap,
        call: &Call,
    ) -> Result<Bytes, Status> {
        let answers = async {
            let mut wrong = Wrong::default();
            let ids = wrong.ids(&request.ids);
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
        Ok(reply::frame(
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

/// Gathers what is wrong with a request, so that the caller hears all of it at once.
#[derive(Default)]
struct Wrong(Vec<FieldViolation>);

impl Wrong {
    fn field<T>(&mut self, field: &str, parsed: Result<T, String>) -> Option<T> {
        parsed
            .map_err(|problem| self.0.push(FieldViolation::new(field, problem)))
            .ok()
    }

    #[expect(
        clippy::option_option,
        reason = "outer: could it be read; inner: was it given"
    )]
    fn version(&mut self, text: &str) -> Option<Option<Version>> {
        if text.is_empty() {
            return Some(None);
        }
        self.field("min_version", text.parse()).map(Some)
    }

    fn ids(&mut self, texts: &[String]) -> Option<Vec<ChallengeId>> {
        if texts.is_empty() || texts.len() > IDS_MAX {
            let problem = format!("must be 1 to {IDS_MAX} ids, not {}", texts.len());
            return self.field("ids", Err(problem));
        }
        let mut ids = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            let field = format!("ids[{index}]");
            if let Some(id) = self.field(&field, ChallengeId::parse(text)) {
                if let Some(first) = ids.iter().position(|known| *known == Some(id)) {
                    let problem = format!("repeats ids[{first}]");
                    self.0.push(FieldViolation::new(field, problem));
                }
                ids.push(Some(id));
            } else {
                ids.push(None);
            }
        }
        self.0
            .is_empty()
            .then(|| ids.into_iter().flatten().collect())
    }
}

impl From<Wrong> for Error {
    fn from(wrong: Wrong) -> Self {
        Self::Invalid(wrong.0)
    }
}
