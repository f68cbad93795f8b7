//! Reads that come by another way than gRPC: the same access, limits, deadlines and counts, and the cached bodies as
//! they lie, for the caller to encode.
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Request, Uri};
use tokio::time::timeout;
use tonic::{Code, Status};

use super::{
    authorization::has_credentials,
    caller::misnamed,
    context::RequestContext,
    convert::etag_text,
    edge::{Edge, EdgeInner, crowded},
    failed_calls::log_panicked,
    reply::{etag_of, names, oldest},
    rpc_stats::OpenCall,
    status,
    unary::in_time,
};
use crate::{
    domain::{Answer, Error, FieldViolation, Freshness},
    pb::catalog::v1 as pb,
};

/// Which read a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadMethod {
    /// A page of challenges.
    List,
    /// One challenge.
    Get,
    /// Several challenges.
    BatchGet,
}

/// What is to be read.
pub enum ReadRequest {
    /// One page of challenges.
    List(pb::ListChallengesRequest),
    /// One challenge.
    Get(pb::GetChallengeRequest),
    /// Several challenges.
    BatchGet(pb::BatchGetChallengesRequest),
}

/// What was read.
pub struct DirectRead {
    /// One for a page or a challenge, and one for each challenge of several.
    pub answers: Vec<Answer>,
    /// Names the content of all: weak and quoted, the same as that of the gRPC answer.
    pub etag: String,
    /// How old the oldest of them can be.
    pub freshness: Option<Freshness>,
}

/// How a read went, and the correlation id of its call.
pub struct ReadOutcome {
    /// Taken from the caller, or made here.
    pub request_id: HeaderValue,
    /// What was read, or why nothing was.
    pub result: Result<DirectRead, Status>,
}

impl ReadMethod {
    /// The method of the contract.
    const fn path(self) -> &'static str {
        match self {
            Self::List => "/challenges.catalog.v1.ChallengesCatalog/ListChallenges",
            Self::Get => "/challenges.catalog.v1.ChallengesCatalog/GetChallenge",
            Self::BatchGet => "/challenges.catalog.v1.ChallengesCatalog/BatchGetChallenges",
        }
    }
}

impl DirectRead {
    fn of(answers: Vec<Answer>) -> Self {
        let etag = etag_text(etag_of(&answers));
        let freshness = answers.iter().map(|answer| answer.freshness).reduce(oldest);
        Self {
            answers,
            etag,
            freshness,
        }
    }

    /// Whether `if_none_match`, a list as in HTTP or `*`, names this content.
    #[must_use]
    pub fn is_named_by(&self, if_none_match: &str) -> bool {
        names(if_none_match, &self.etag)
    }
}

impl Edge {
    /// Whether a request with these `headers` says who makes it, by a token or by the certificate of its connection.
    #[must_use]
    pub fn has_credentials(&self, headers: &HeaderMap) -> bool {
        has_credentials(headers, &self.connection)
    }

    /// Reads for a caller whose request had these `headers`: credentials, correlation id and `grpc-timeout` count as
    /// they do for gRPC, and so does the call. Who may not read is told so, and nothing of what is wrong with the
    /// request.
    pub async fn read(
        &self,
        method: ReadMethod,
        read: Result<ReadRequest, Vec<FieldViolation>>,
        headers: HeaderMap,
    ) -> ReadOutcome {
        let mut request = Request::new(());
        *request.headers_mut() = headers;
        *request.uri_mut() = Uri::from_static(method.path());
        let (stats, mut call) = self.inner.begin(&request, self.connection.address);
        let mut open = OpenCall::begin(stats.as_ref(), call.began);
        let headers = request.headers();
        let answer = async {
            if let Some(go) = &self.overflow {
                go.cancel();
                return Err(crowded());
            }
            let method = stats.method.ok_or_else(|| status::internal("unknown"))?;
            let admission = self.inner.access.admit(method, headers, &self.connection);
            let admission = in_time(&call, admission.map(Ok)).await?;
            call.principal = admission.principal;
            let refusal = admission.refusal.or_else(|| misnamed(headers, &call));
            if let Some(refusal) = refusal.or_else(|| call.unreadable()) {
                return Err(refusal);
            }
            let read = read.map_err(|wrong| call.refused(&Error::Invalid(wrong)))?;
            in_time(&call, self.inner.read_directly(read, &call)).await
        };
        let answer = AssertUnwindSafe(answer).catch_unwind().await;
        let result = answer.unwrap_or_else(|_| {
            call.span().in_scope(log_panicked);
            Err(status::internal(call.request_id()))
        });
        open.end(result.as_ref().map_or_else(Status::code, |_| Code::Ok));
        ReadOutcome {
            request_id: call.returned_id(),
            result,
        }
    }
}

impl Edge {
    /// Whether a caller whose request had these `headers` may read the contract, as by reflection.
    ///
    /// # Errors
    ///
    /// Why not.
    pub async fn admit_to_contract(&self, headers: &HeaderMap) -> Result<(), Status> {
        const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
        let access = &self.inner.access;
        let method = self.inner.stats.at(REFLECTION).method;
        let method = method.filter(|method| access.offers(method));
        let Some(method) = method else {
            return Err(status::unknown_method(REFLECTION));
        };
        let admission = access.admit(method, headers, &self.connection);
        // An issuer's keys may have to be fetched first.
        let admission = timeout(self.inner.settings.request_timeout, admission).await;
        let admission = admission.map_err(|_| status::deadline_exceeded())?;
        admission.refusal.map_or(Ok(()), Err)
    }
}

impl EdgeInner {
    async fn read_directly(
        &self,
        read: ReadRequest,
        call: &RequestContext,
    ) -> Result<DirectRead, Status> {
        if let Some(status) = self.gate.refusal() {
            return Err(status);
        }
        let answers = match read {
            ReadRequest::List(request) => vec![self.catalog.read_list(&request, call).await?],
            ReadRequest::Get(request) => self.catalog.read_one(&request, call).await?,
            ReadRequest::BatchGet(request) => self.catalog.read_batch(&request, call).await?,
        };
        Ok(DirectRead::of(answers))
    }
}
