//! The service `challenges.admin.v1.CacheAdmin`.
use async_trait::async_trait;
use futures_util::{StreamExt, stream::BoxStream};
use tonic::{Request, Response, Status};

use super::{
    cache_status,
    context::parts,
    convert::{difficulty_filter, duration},
};
use crate::{
    domain::{ChallengeId, EdgeProof, Error, FieldViolations, ListQuery, PageSize, Tag, Version},
    pb::admin::v1::{self as pb, cache_admin_server::CacheAdmin},
    service::{
        CacheAdminService, InvalidationTarget, Mode, Receipt, WarmPlan, WarmProgress, WarmService,
    },
};

/// The service `challenges.admin.v1.CacheAdmin`: decode, one call, encode.
#[derive(Clone)]
pub struct CacheAdminTransport {
    service: CacheAdminService,
    warmer: WarmService,
    replica: String,
}

/// The most ids that one call may name.
const IDS_MAX: usize = 1_000;
/// The most lists that one call may warm.
const QUERIES_MAX: usize = 100;

impl CacheAdminTransport {
    /// Serves `service` and `warmer` on the replica that is called `replica`.
    #[must_use]
    pub fn new(service: CacheAdminService, warmer: WarmService, replica: String) -> Self {
        Self {
            service,
            warmer,
            replica,
        }
    }

    /// Of all replicas; of this one alone while the others cannot be asked about.
    async fn all_statuses(&self) -> pb::GetCacheStatusResponse {
        let (others, own) = tokio::join!(self.service.others(), self.service.status());
        let mut replicas = vec![cache_status::message(&self.replica, &own)];
        let (others, silent) = match others {
            Ok(others) => others,
            Err(error) => {
                return pb::GetCacheStatusResponse {
                    replicas,
                    others_unknown: error.to_string(),
                    ..Default::default()
                };
            }
        };
        let others = others.iter();
        replicas
            .extend(others.filter_map(|known| cache_status::decode_status(&known.report.status)));
        let version = |status: &pb::ReplicaCacheStatus| status.version.parse::<Version>().ok();
        let head = replicas
            .iter()
            .filter_map(version)
            .max_by_key(|version| version.stamp);
        for status in &mut replicas {
            let Some((head, own)) = head.zip(version(status)) else {
                continue;
            };
            status.head_version = head.to_string();
            let behind = head.stamp.seq.saturating_sub(own.stamp.seq);
            status.lag = i64::try_from(behind).unwrap_or(i64::MAX);
        }
        pb::GetCacheStatusResponse {
            replicas,
            silent,
            ..Default::default()
        }
    }

    fn receipt(receipt: Receipt) -> pb::InvalidateCacheResponse {
        let committed = receipt.committed.as_ref();
        let (mut edges_proven, mut edges_unproven) = (Vec::new(), Vec::new());
        for EdgeProof { edge, missing } in receipt.edges {
            match missing {
                None => edges_proven.push(edge),
                Some(reason) => edges_unproven.push(format!("{edge}: {reason}")),
            }
        }
        pb::InvalidateCacheResponse {
            version: committed.map(Version::to_string).unwrap_or_default(),
            acknowledged: receipt.acknowledged,
            fenced: receipt.fenced,
            unproven: receipt.unproven,
            entries_dropped: i64::try_from(receipt.entries).unwrap_or(i64::MAX),
            took: Some(duration(receipt.took)),
            tags: receipt.tags.iter().map(Tag::to_string).collect(),
            edges_proven,
            edges_unproven,
        }
    }
}

#[async_trait]
impl CacheAdmin for CacheAdminTransport {
    async fn invalidate_cache(
        &self,
        request: Request<pb::InvalidateCacheRequest>,
    ) -> Result<Response<pb::InvalidateCacheResponse>, Status> {
        let (request, _, call) = parts(request)?;
        let (target, mode) = call.result(both(target(&request), mode(&request)))?;
        let deadline = call.deadline.into();
        let receipt = self
            .service
            .invalidate(&target, request.hard, mode, deadline);
        let receipt = receipt.await;
        Ok(Response::new(Self::receipt(call.result(receipt)?)))
    }

    async fn get_cache_status(
        &self,
        request: Request<pb::GetCacheStatusRequest>,
    ) -> Result<Response<pb::GetCacheStatusResponse>, Status> {
        if request.get_ref().all_replicas {
            return Ok(Response::new(self.all_statuses().await));
        }
        let own = cache_status::message(&self.replica, &self.service.status().await);
        Ok(Response::new(pb::GetCacheStatusResponse {
            replicas: vec![own],
            ..Default::default()
        }))
    }

    type WarmCacheStream = BoxStream<'static, Result<pb::WarmCacheResponse, Status>>;

    async fn warm_cache(
        &self,
        request: Request<pb::WarmCacheRequest>,
    ) -> Result<Response<Self::WarmCacheStream>, Status> {
        let (request, _, call) = parts(request)?;
        let plan = call.result(plan(&request))?;
        let progress = call.result(self.warmer.start(plan).await)?;
        let messages = progress.map(move |progress| call.result(progress.map(warm_message)));
        Ok(Response::new(messages.boxed()))
    }
}

fn both<A, B>(a: Result<A, Error>, b: Result<B, Error>) -> Result<(A, B), Error> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(Error::Invalid(mut violations)), Err(Error::Invalid(more))) => {
            violations.extend(more);
            Err(Error::Invalid(violations))
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

fn target(request: &pb::InvalidateCacheRequest) -> Result<InvalidationTarget, Error> {
    let mut violations = FieldViolations::default();
    match &request.target {
        Some(pb::invalidate_cache_request::Target::Tag(tag)) => match tag.parse() {
            // No answer depends on that one.
            Ok(Tag::Flags) | Err(_) => Err(Error::UnknownTag(tag.chars().take(100).collect())),
            Ok(tag) => Ok(InvalidationTarget::Tag(tag)),
        },
        Some(pb::invalidate_cache_request::Target::Challenges(named)) => violations
            .ids("challenges.ids", &named.ids, IDS_MAX)
            .map(InvalidationTarget::Challenges)
            .ok_or(violations.into()),
        Some(pb::invalidate_cache_request::Target::All(true)) => {
            Ok(InvalidationTarget::Tag(Tag::Everything))
        }
        Some(pb::invalidate_cache_request::Target::All(false)) | None => {
            let problem = "must be one of tag, challenges and all: nothing was invalidated";
            Err(Error::invalid("target", problem))
        }
    }
}

fn mode(request: &pb::InvalidateCacheRequest) -> Result<Mode, Error> {
    match pb::InvalidationWait::try_from(request.wait) {
        Ok(_) if request.validate_only => Ok(Mode::Count),
        Ok(pb::InvalidationWait::Unspecified) => Ok(Mode::Prove),
        Ok(pb::InvalidationWait::None) => Ok(Mode::Commit),
        Err(_) => {
            let problem = "must be INVALIDATION_WAIT_NONE (2) or unset";
            Err(Error::invalid("wait", problem))
        }
    }
}

fn plan(request: &pb::WarmCacheRequest) -> Result<WarmPlan, Error> {
    let mut violations = FieldViolations::default();
    if request.queries.len() > QUERIES_MAX {
        let problem = format!(
            "must be at most {QUERIES_MAX}, not {}",
            request.queries.len()
        );
        return Err(Error::invalid("queries", problem));
    }
    let mut queries = Vec::with_capacity(request.queries.len());
    for (index, query) in request.queries.iter().enumerate() {
        let pb::WarmQuery {
            difficulty,
            page_size,
        } = *query;
        let field = |name: &str| format!("queries[{index}].{name}");
        let difficulty = violations.field(&field("difficulty"), difficulty_filter(difficulty));
        let page_size = violations.field(&field("page_size"), PageSize::parse(page_size));
        queries.extend(
            difficulty
                .zip(page_size)
                .map(|(d, size)| ListQuery::first(d, size)),
        );
    }
    let ids: Option<Vec<ChallengeId>> = match request.ids.as_slice() {
        [] => Some(Vec::new()),
        ids => violations.ids("ids", ids, IDS_MAX),
    };
    match ids {
        Some(ids) if violations.is_empty() => Ok(WarmPlan { queries, ids }),
        Some(_) | None => Err(violations.into()),
    }
}

fn warm_message(progress: WarmProgress) -> pb::WarmCacheResponse {
    let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let summary = progress.current.is_empty().then(|| pb::WarmSummary {
        cached: count(progress.tally.cached),
        loaded: count(progress.tally.loaded),
        absent: count(progress.tally.absent),
        took: Some(duration(progress.took)),
    });
    pb::WarmCacheResponse {
        done: count(progress.done),
        total: count(progress.total),
        current: progress.current,
        summary,
    }
}
