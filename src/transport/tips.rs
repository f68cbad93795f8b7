//! The streams of `challenges.catalog.v1.ChallengesCatalog`.
use std::{net::IpAddr, time::Duration};

use futures_util::{StreamExt, TryStreamExt};
use http::{HeaderMap, HeaderName};
use tonic::Status;

use super::{
    caller::{CALLER_ID, caller},
    context::RequestContext,
    resume_token,
    status::failure,
    stream::Messages,
    tip_events::mode,
};
use crate::{
    domain::{ChallengeId, Error, FieldViolations, TipMode},
    pb::catalog::v1::{self as pb, stream_tips_batch_response::Result as Outcome},
    service::{TipTerms, TipsService},
};

/// The streams of `challenges.catalog.v1.ChallengesCatalog`: decode, one call, encode.
#[derive(Clone)]
pub struct TipsTransport {
    service: TipsService,
    /// For callers who ask for no interval; zero for none.
    heartbeat: Duration,
    refresh: RefreshBy,
}

/// Who may have a tip written anew that is there, which costs money each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshBy {
    /// Every caller.
    All,
    /// Callers on this machine.
    Local,
    /// None.
    Nobody,
}

/// What proxies add.
const FORWARDED: [HeaderName; 11] = [
    http::header::FORWARDED,
    http::header::VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-client-ip"),
    HeaderName::from_static("x-envoy-external-address"),
    HeaderName::from_static("cf-connecting-ip"),
    HeaderName::from_static("true-client-ip"),
    HeaderName::from_static("cdn-loop"),
];

impl RefreshBy {
    fn allows(self, peer: Option<IpAddr>, headers: &HeaderMap) -> Result<(), String> {
        let is_local = peer.is_some_and(|peer| peer.to_canonical().is_loopback());
        // A proxy on this machine has callers elsewhere.
        let is_forwarded = FORWARDED.iter().any(|name| headers.contains_key(name));
        let is_local = is_local && !is_forwarded;
        match self {
            Self::All => Ok(()),
            Self::Local if is_local => Ok(()),
            Self::Local => {
                Err("TIP_MODE_REFRESH is for callers on the server's machine".to_owned())
            }
            Self::Nobody => Err("TIP_MODE_REFRESH is switched off".to_owned()),
        }
    }
}

/// The most tips that one batch may ask for.
const IDS_MAX: usize = 50;
/// The intervals that a caller may ask for.
const HEARTBEAT_MIN: Duration = Duration::from_millis(100);
const HEARTBEAT_MAX: Duration = Duration::from_mins(1);

impl TipsTransport {
    /// Serves `service`. Who asks for no interval gets a sign of life after `heartbeat` without
    /// another event; zero for none. Tips are written anew for those whom `refresh` names.
    #[must_use]
    pub fn new(service: TipsService, heartbeat: Duration, refresh: RefreshBy) -> Self {
        Self {
            service,
            heartbeat,
            refresh,
        }
    }

    pub(super) async fn stream(
        &self,
        request: pb::StreamTipsRequest,
        headers: &HeaderMap,
        call: &RequestContext,
    ) -> Result<Messages<pb::StreamTipsResponse>, Status> {
        let mut violations = FieldViolations::default();
        let id = violations.field("challenge_id", ChallengeId::parse(&request.challenge_id));
        let terms = self.terms(&mut violations, &request, headers, call);
        let (Some(id), Some(terms)) = (id, terms) else {
            return Err(call.refused(&violations.into()));
        };
        let resume = resume_token::read(&request.resume_token);
        let events = call.waiting(self.service.stream(id, resume, terms)).await?;
        Ok(events.map_ok(Into::into).boxed())
    }

    pub(super) async fn batch(
        &self,
        request: pb::StreamTipsBatchRequest,
        headers: &HeaderMap,
        call: &RequestContext,
    ) -> Result<Messages<pb::StreamTipsBatchResponse>, Status> {
        let mut violations = FieldViolations::default();
        let ids = violations.ids("challenge_ids", &request.challenge_ids, IDS_MAX);
        let wanted = pb::StreamTipsRequest {
            locale: request.locale,
            persona: request.persona,
            mode: request.mode,
            no_static_fallback: request.no_static_fallback,
            heartbeat_interval: request.heartbeat_interval,
            ..Default::default()
        };
        let terms = self.terms(&mut violations, &wanted, headers, call);
        let (Some(ids), Some(terms)) = (ids, terms) else {
            return Err(call.refused(&violations.into()));
        };
        let events = call.waiting(self.service.batch(&ids, terms)).await?;
        let call = call.clone();
        let messages = events.map(move |(id, event)| {
            let outcome = match event {
                Ok(event) => Outcome::Tip(event.into()),
                // All tips of a batch share one deadline.
                Err(Error::DeadlineExceeded) => return Err(Error::DeadlineExceeded),
                Err(error) => Outcome::Failure(failure(&call.refused(&error))),
            };
            Ok(pb::StreamTipsBatchResponse {
                challenge_id: id.to_string(),
                result: Some(outcome),
            })
        });
        Ok(messages.boxed())
    }

    /// How tips are wanted, whatever they are about.
    fn terms(
        &self,
        violations: &mut FieldViolations,
        wanted: &pb::StreamTipsRequest,
        headers: &HeaderMap,
        call: &RequestContext,
    ) -> Option<TipTerms> {
        let locale = violations.field("locale", self.service.locale(&wanted.locale));
        let persona = violations.field("persona", self.service.persona(&wanted.persona));
        let mode = mode(wanted.mode).and_then(|mode| match mode {
            TipMode::Refresh => self.refresh.allows(call.peer, headers).map(|()| mode),
            TipMode::Default | TipMode::CachedOnly => Ok(mode),
        });
        let mode = violations.field("mode", mode);
        let heartbeat = wanted.heartbeat_interval.as_ref();
        let heartbeat = heartbeat.map_or(Ok(self.heartbeat), heartbeat_interval);
        let heartbeat = violations.field("heartbeat_interval", heartbeat);
        let caller = caller(headers, call);
        let caller = violations.field(CALLER_ID.as_str(), caller);
        Some(TipTerms {
            locale: locale?,
            persona: persona?,
            mode: mode?,
            no_static_fallback: wanted.no_static_fallback,
            heartbeat: heartbeat.map(|every| (!every.is_zero()).then_some(every))?,
            caller: caller?,
            address: call.peer.map(|peer| peer.to_canonical()),
            deadline: call.deadline,
        })
    }
}

fn heartbeat_interval(asked: &prost_types::Duration) -> Result<Duration, String> {
    let every = Duration::try_from(*asked).ok();
    every
        .filter(|every| every.is_zero() || (HEARTBEAT_MIN..=HEARTBEAT_MAX).contains(every))
        .ok_or_else(|| {
            format!("must be {HEARTBEAT_MIN:?} to {HEARTBEAT_MAX:?}, 0s for none, or unset")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_none_or_between_a_tenth_of_a_second_and_a_minute() {
        let read = |seconds, nanos| heartbeat_interval(&prost_types::Duration { seconds, nanos });
        assert_eq!(read(0, 0), Ok(Duration::ZERO));
        assert_eq!(read(0, 100_000_000), Ok(HEARTBEAT_MIN));
        assert_eq!(read(60, 0), Ok(HEARTBEAT_MAX));
        for (seconds, nanos) in [(0, 99_999_999), (60, 1), (-1, 0), (i64::MAX, 0)] {
            assert!(read(seconds, nanos).is_err(), "{seconds} {nanos}");
        }
    }
}
