//! The old routes: those of the service that this one replaced, with its bodies and its errors.
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE},
    request::Parts,
    uri::Authority,
};
use prost::Message;
use tonic::{Code, Status};

use super::{
    body::HttpBody,
    call,
    compat_answer::{self, CompatFacts},
    compat_pairs::{self, last_value},
    compat_query::{CompatForm, CompatQuery},
    compat_refusal::CompatRefusal,
    compat_route::{CompatRoute, CompatTarget, location, target},
    compat_status,
    reads::{JSON, identified},
};
use crate::{
    domain::{Clock, Difficulty, Source},
    pb::{
        admin::v1::{
            GetCacheStatusRequest, GetCacheStatusResponse, InvalidateCacheRequest,
            InvalidateCacheResponse, invalidate_cache_request::Target,
        },
        catalog::v1 as pb,
    },
    transport::{DirectRead, Edge, ReadMethod, ReadRequest, request_id_of},
};

/// What a proxy in front says that its callers speak.
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// When to ask again whether the catalog is switched on, in seconds.
const SWITCHED_OFF_SECONDS: u16 = 60;
const INVALIDATE: &str = "/challenges.admin.v1.CacheAdmin/InvalidateCache";
const STATUS: &str = "/challenges.admin.v1.CacheAdmin/GetCacheStatus";
/// The tag of all challenges, which is what the replaced service knew.
const EVERYTHING: &str = "challenges";
/// A form without a limit answers with so many pages at most.
const PAGES_MAX: usize = 20;
const PAGE: i32 = 100;

/// How the old routes answer.
#[derive(Clone, Copy, Debug)]
pub struct CompatSettings {
    /// Which form of the replaced service they take after.
    pub form: CompatForm,
    /// Whether callers come by HTTPS, and redirects are to lead there.
    pub is_encrypted: bool,
}

/// Whether the old routes answer for this path, if only that there is no such one: they do for all that is not `/v1`.
pub(super) fn answers_for(path: &str) -> bool {
    let path = compat_pairs::path(path);
    let first = path.trim_start_matches('/').split('/').next();
    first != Some("v1")
}

/// Answers as the replaced service did.
pub(super) async fn answer(
    edge: &Edge,
    (settings, clock): (CompatSettings, &dyn Clock),
    head: &Parts,
) -> Response<HttpBody> {
    let request_id = request_id_of(&head.headers);
    let mut headers = head.headers.clone();
    headers.insert(super::reads::REQUEST_ID, request_id.clone());
    let query = head.uri.query().unwrap_or_default();
    let asked = Asked {
        edge,
        form: settings.form,
        headers,
        query,
    };
    let answer = match target(&head.method, head.uri.path()) {
        CompatTarget::Refused(refusal) => Err(refusal),
        CompatTarget::Redirect(path) => Ok(redirect(head, &path, settings.is_encrypted)),
        CompatTarget::Route(CompatRoute::List) => asked.list(clock).await.map(ok),
        CompatTarget::Route(CompatRoute::InvalidateAll) => {
            let invalidated = asked.invalidate(EVERYTHING).await;
            invalidated.map(|_| ok(compat_answer::invalidated()))
        }
        CompatTarget::Route(CompatRoute::InvalidateTag) => {
            let tag = last_value(query, "tag").unwrap_or_else(|| EVERYTHING.to_owned());
            let receipt = asked.invalidate(&tag).await;
            receipt.map(|receipt| ok(compat_answer::receipt(&tag, &receipt)))
        }
        CompatTarget::Route(CompatRoute::Status) => asked.status().await.map(ok),
    };
    let response = answer.unwrap_or_else(|refusal| refused(&refusal));
    identified(response, request_id)
}

/// What was asked of an old route.
struct Asked<'a> {
    edge: &'a Edge,
    form: CompatForm,
    headers: HeaderMap,
    query: &'a str,
}

impl Asked<'_> {
    async fn list(&self, clock: &dyn Clock) -> Result<Bytes, CompatRefusal> {
        let query = match CompatQuery::read(self.query, self.form) {
            Ok(query) => query,
            Err(refusal) => return Err(self.refuse(refusal).await),
        };
        let (read, page) = self.pages(&query).await?;
        let answers = &read.answers;
        let expiry = answers.iter().filter_map(|answer| answer.expires_at).min();
        let is_cached = |source| source != Source::Database;
        let facts = CompatFacts {
            filter: query.filter.as_deref(),
            cached: answers.iter().all(|it| is_cached(it.freshness.source)),
            cache_expiry: expiry,
            timestamp: clock.now(),
        };
        Ok(compat_answer::list(
            &compat_answer::list_head(&page),
            &facts,
        ))
    }

    /// The deployed form looked at the flag before it looked at the query, the planned one after.
    async fn refuse(&self, refusal: CompatRefusal) -> CompatRefusal {
        let disabled = CompatRefusal::disabled();
        let first = match self.form {
            CompatForm::Plan => Ok(()),
            CompatForm::Deployed => self.page(None, None, "").await.map(|_| ()),
        };
        if first == Err(disabled.clone()) {
            disabled
        } else {
            refusal
        }
    }

    /// One page, or all of them where the form knows no limit.
    async fn pages(
        &self,
        query: &CompatQuery,
    ) -> Result<(DirectRead, pb::ListChallengesResponse), CompatRefusal> {
        let limit = query.limit.and_then(|limit| i32::try_from(limit).ok());
        let (mut read, mut whole) = self.page(query.difficulty, limit, "").await?;
        for _ in 1..PAGES_MAX {
            if limit.is_some() || whole.next_page_token.is_empty() {
                break;
            }
            let token = whole.next_page_token.clone();
            let (more, page) = self.page(query.difficulty, limit, &token).await?;
            read.answers.extend(more.answers);
            whole.challenges.extend(page.challenges);
            whole.next_page_token = page.next_page_token;
        }
        Ok((read, whole))
    }

    async fn page(
        &self,
        difficulty: Option<Difficulty>,
        limit: Option<i32>,
        token: &str,
    ) -> Result<(DirectRead, pb::ListChallengesResponse), CompatRefusal> {
        let request = pb::ListChallengesRequest {
            difficulty: difficulty.map_or(0, |only| pb::Difficulty::from(only).into()),
            page_size: limit.unwrap_or(PAGE),
            page_token: token.to_owned(),
            ..Default::default()
        };
        let read = Ok(ReadRequest::List(request));
        let headers = self.headers.clone();
        let outcome = self.edge.read(ReadMethod::List, read, headers).await;
        let failed = |status: Status| refusal(&status, CompatRefusal::failed);
        let read = outcome.result.map_err(failed)?;
        let body = read.answers.first().and_then(|answer| answer.body.clone());
        let page = pb::ListChallengesResponse::decode(body.unwrap_or_default());
        Ok((read, page.map_err(|_| CompatRefusal::failed())?))
    }

    async fn invalidate(&self, tag: &str) -> Result<InvalidateCacheResponse, CompatRefusal> {
        let request = InvalidateCacheRequest {
            target: Some(Target::Tag(tag.to_owned())),
            ..Default::default()
        };
        let answer = call::unary(self.edge, INVALIDATE, &request, &self.headers).await;
        answer.map_err(|status| refusal(&status, CompatRefusal::not_invalidated))
    }

    async fn status(&self) -> Result<Bytes, CompatRefusal> {
        let request = GetCacheStatusRequest::default();
        let answer = call::unary(self.edge, STATUS, &request, &self.headers).await;
        let failed = |status: Status| refusal(&status, CompatRefusal::failed);
        let answer: GetCacheStatusResponse = answer.map_err(failed)?;
        compat_status::status(&answer).ok_or_else(CompatRefusal::failed)
    }
}

/// What a caller is told who gets nothing; `otherwise` is what the route said of its own failures.
fn refusal(status: &Status, otherwise: fn() -> CompatRefusal) -> CompatRefusal {
    let told = |code| CompatRefusal::saying(code, status.message());
    if super::problem::is_switched_off(status) {
        return CompatRefusal::disabled();
    }
    match status.code() {
        Code::Unauthenticated => told(StatusCode::UNAUTHORIZED),
        Code::PermissionDenied => told(StatusCode::FORBIDDEN),
        Code::ResourceExhausted => told(StatusCode::TOO_MANY_REQUESTS),
        Code::InvalidArgument => told(StatusCode::BAD_REQUEST),
        Code::NotFound => told(StatusCode::NOT_FOUND),
        Code::Unimplemented => CompatRefusal::not_found(),
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => otherwise(),
    }
}

fn ok(body: Bytes) -> Response<HttpBody> {
    json(StatusCode::OK, body)
}

/// Every answer has the time of the call in it, so none is kept.
fn json(status: StatusCode, body: Bytes) -> Response<HttpBody> {
    let mut response = Response::new(HttpBody::whole(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn refused(refusal: &CompatRefusal) -> Response<HttpBody> {
    let mut response = json(refusal.status, refusal.body.clone());
    let allow = refusal.allow.as_ref().map(Method::as_str);
    if let Some(Ok(allow)) = allow.map(HeaderValue::from_str) {
        response.headers_mut().insert(ALLOW, allow);
    }
    let (name, value) = match refusal.status {
        StatusCode::SERVICE_UNAVAILABLE => (RETRY_AFTER, HeaderValue::from(SWITCHED_OFF_SECONDS)),
        StatusCode::UNAUTHORIZED => (WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
        _ => return response,
    };
    response.headers_mut().insert(name, value);
    response
}

fn redirect(head: &Parts, path: &str, is_encrypted: bool) -> Response<HttpBody> {
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| head.uri.authority().map(Authority::as_str));
    let forwarded = head.headers.get(FORWARDED_PROTO);
    let is_https = is_encrypted || forwarded.is_some_and(|proto| proto == "https");
    let scheme = if is_https { "https" } else { "http" };
    let url = location(scheme, host.unwrap_or("localhost"), path, head.uri.query());
    let mut response = Response::new(HttpBody::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    let headers = response.headers_mut();
    // It names the host that this caller asked.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(url) = HeaderValue::from_str(&url) {
        headers.insert(LOCATION, url);
    }
    response
}
