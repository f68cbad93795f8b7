//! The reads of `challenges.catalog.v1.ChallengesCatalog`.
use std::sync::Arc;

use http::HeaderMap;
use tokio::sync::{Semaphore, SemaphorePermit};
use tonic::Status;

use super::{
    context::RequestContext,
    convert::difficulty_filter,
    page_token::PageTokens,
    reply::{self, Reply},
    status,
};
use crate::{
    domain::{
        Answer, ChallengeId, Error, FieldViolations, ListQuery, PageSize, ReadOptions, Version,
    },
    pb::catalog::v1 as pb,
    service::CatalogService,
};

/// The service `challenges.catalog.v1.ChallengesCatalog`: decode, one call, encode.
#[derive(Clone)]
pub struct CatalogTransport {
    service: CatalogService,
    page_tokens: PageTokens,
    /// Permits of calls that found nothing cached and load.
    loading: Arc<Semaphore>,
    /// Permits of calls that wait for a version, which the next poll brings.
    waiting: Arc<Semaphore>,
}

/// How many calls may wait for a version at once.
const WAITING_MAX: usize = 10_000;
/// The most ids that one batch may ask for.
const IDS_MAX: usize = 100;

impl CatalogTransport {
    /// Serves `service`; lists continue by `page_tokens`. Of calls that have to wait for a load
    /// there are at most `max_calls` at once; more get what is at hand, stale if need be, or are refused.
    #[must_use]
    pub fn new(service: CatalogService, page_tokens: PageTokens, max_calls: usize) -> Self {
        Self {
            service,
            page_tokens,
            loading: Arc::new(Semaphore::new(max_calls)),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
        }
    }

    pub(super) async fn list(
        &self,
        request: pb::ListChallengesRequest,
        headers: &HeaderMap,
        call: &RequestContext,
    ) -> Result<Reply, Status> {
        let answer = self.read_list(&request, call).await?;
        let known = if_none_match(&request.if_none_match, headers);
        Ok(reply::reply(&[answer], known, headers))
    }

    pub(super) async fn get(
        &self,
        request: pb::GetChallengeRequest,
        headers: &HeaderMap,
        call: &RequestContext,
    ) -> Result<Reply, Status> {
        let answers = self.read_one(&request, call).await?;
        let known = if_none_match(&request.if_none_match, headers);
        Ok(reply::reply(&answers, known, headers))
    }

    pub(super) async fn batch_get(
        &self,
        request: pb::BatchGetChallengesRequest,
        headers: &HeaderMap,
        call: &RequestContext,
    ) -> Result<Reply, Status> {
        let answers = self.read_batch(&request, call).await?;
        let known = if_none_match(&request.if_none_match, headers);
        Ok(reply::reply(&answers, known, headers))
    }

    /// One page of challenges.
    pub(super) async fn read_list(
        &self,
        request: &pb::ListChallengesRequest,
        call: &RequestContext,
    ) -> Result<Answer, Status> {
        let asked = self.list_query(request);
        let (query, min_version) = asked.map_err(|error| call.refused(&error))?;
        let cached = call.at_once(|| self.service.try_list_cached(&query, min_version));
        if let Some(answer) = cached {
            return Ok(answer);
        }
        let permit = self.acquire_load_permit(min_version, call).await?;
        let options = options(min_version, call, permit.as_ref());
        call.waiting(self.service.list(&query, options)).await
    }

    /// One challenge.
    pub(super) async fn read_one(
        &self,
        request: &pb::GetChallengeRequest,
        call: &RequestContext,
    ) -> Result<Vec<Answer>, Status> {
        let mut violations = FieldViolations::default();
        let id = violations.field("id", ChallengeId::parse(&request.id));
        let min_version = violations.version(&request.min_version);
        let (Some(id), Some(min_version)) = (id, min_version) else {
            return Err(call.refused(&violations.into()));
        };
        self.many(&[id], min_version, call).await
    }

    /// One challenge for each id, in the order of the ids.
    pub(super) async fn read_batch(
        &self,
        request: &pb::BatchGetChallengesRequest,
        call: &RequestContext,
    ) -> Result<Vec<Answer>, Status> {
        let mut violations = FieldViolations::default();
        let ids = violations.ids("ids", &request.ids, IDS_MAX);
        let min_version = violations.version(&request.min_version);
        let (Some(ids), Some(min_version)) = (ids, min_version) else {
            return Err(call.refused(&violations.into()));
        };
        self.many(&ids, min_version, call).await
    }

    async fn many(
        &self,
        ids: &[ChallengeId],
        min_version: Option<Version>,
        call: &RequestContext,
    ) -> Result<Vec<Answer>, Status> {
        if let Some(answers) = call.at_once(|| self.service.try_many_cached(ids, min_version)) {
            return answers.map_err(|error| call.refused(&error));
        }
        let permit = self.acquire_load_permit(min_version, call).await?;
        let options = options(min_version, call, permit.as_ref());
        call.waiting(self.service.get_many(ids, options)).await
    }

    /// Waits for `min_version`, then takes a permit to load, if there is one.
    async fn acquire_load_permit(
        &self,
        min_version: Option<Version>,
        call: &RequestContext,
    ) -> Result<Option<SemaphorePermit<'_>>, Status> {
        if let Some(version) = min_version {
            let waiting = self.waiting.try_acquire();
            let too_many = |_| status::overloaded("too many calls wait for a version");
            let _waiting = waiting.map_err(too_many)?;
            let reached = self.service.reach(version, call.deadline);
            call.waiting(reached).await?;
        }
        Ok(self.loading.try_acquire().ok())
    }

    fn list_query(
        &self,
        request: &pb::ListChallengesRequest,
    ) -> Result<(ListQuery, Option<Version>), Error> {
        // Taken apart, so that a filter that the contract gets is not forgotten here.
        let pb::ListChallengesRequest {
            difficulty,
            page_size,
            page_token,
            if_none_match: _,
            min_version,
        } = request;
        let mut violations = FieldViolations::default();
        let difficulty = violations.field("difficulty", difficulty_filter(*difficulty));
        let page_size = violations.field("page_size", PageSize::parse(*page_size));
        let min_version = violations.version(min_version);
        let (Some(difficulty), Some(page_size), Some(min_version)) =
            (difficulty, page_size, min_version)
        else {
            return Err(violations.into());
        };
        let mut query = ListQuery::first(difficulty, page_size);
        query.after = self.page_tokens.read(page_token, &query)?;
        Ok((query, min_version))
    }
}

fn options(
    min_version: Option<Version>,
    call: &RequestContext,
    permit: Option<&SemaphorePermit<'_>>,
) -> ReadOptions {
    ReadOptions {
        min_version,
        deadline: call.deadline,
        may_load: permit.is_some(),
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
