//! Converts the events of a tip stream to messages.
use super::{
    convert::{duration, same_variants, timestamp},
    resume_token,
};
use crate::{
    domain::{
        FailureKind, FallbackCause, ResetCause, TipDone, TipEvent, TipEventKind, TipMode, TipPhase,
        TipRole, TipSource, Usage,
    },
    pb::catalog::v1::{self as pb, stream_tips_response::Event},
};

impl From<TipEvent> for pb::StreamTipsResponse {
    fn from(event: TipEvent) -> Self {
        Self {
            epoch: event.at.epoch.0,
            offset: event.at.offset,
            resume_token: resume_token::make(&event.at),
            event: Some(event.kind.into()),
        }
    }
}

impl From<TipEventKind> for Event {
    fn from(kind: TipEventKind) -> Self {
        match kind {
            TipEventKind::Accepted { role, source } => Self::Accepted(pb::TipAccepted {
                role: pb::TipRole::from(role).into(),
                source: pb::TipSource::from(source).into(),
            }),
            TipEventKind::Delta { text } => Self::Delta(pb::TipDelta { text }),
            TipEventKind::Reset { cause, new_source } => Self::Reset(pb::TipReset {
                cause: pb::TipResetCause::from(cause).into(),
                new_source: pb::TipSource::from(new_source).into(),
            }),
            TipEventKind::Heartbeat { waiting, phase } => Self::Heartbeat(pb::TipHeartbeat {
                waiting: Some(duration(waiting)),
                phase: pb::TipPhase::from(phase).into(),
            }),
            TipEventKind::Done(done) => Self::Done((*done).into()),
        }
    }
}

impl From<TipDone> for pb::TipDone {
    fn from(done: TipDone) -> Self {
        let fallback = done.fallback.map_or(pb::TipFallback::Unspecified, fallback);
        Self {
            sha256: done.sha256.to_vec(),
            length: done.bytes,
            source: pb::TipSource::from(done.source).into(),
            fallback: fallback.into(),
            provider_failure: done
                .fallback
                .map_or(0, |cause| provider_failure(cause).into()),
            stop_reason: done.stop.map_or("", |stop| stop.as_str()).to_owned(),
            usage: done.usage.map(Into::into),
            model: done.model.unwrap_or_default(),
            create_time: done.created_at.map(timestamp),
        }
    }
}

impl From<Usage> for pb::TipUsage {
    fn from(usage: Usage) -> Self {
        Self {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            estimated: usage.is_estimated,
        }
    }
}

/// What went wrong with a provider, where that is the cause.
pub(super) fn provider_failure(cause: FallbackCause) -> pb::TipProviderFailure {
    let FallbackCause::Provider(kind) = cause else {
        return pb::TipProviderFailure::Unspecified;
    };
    kind.into()
}

fn fallback(cause: FallbackCause) -> pb::TipFallback {
    match cause {
        FallbackCause::NoProvider => pb::TipFallback::NoProvider,
        FallbackCause::NotCached => pb::TipFallback::NotCached,
        FallbackCause::Provider(_) => pb::TipFallback::Provider,
        FallbackCause::Rules => pb::TipFallback::Rules,
        FallbackCause::Unwell => pb::TipFallback::Unwell,
        FallbackCause::Limited => pb::TipFallback::Limited,
        FallbackCause::Budget => pb::TipFallback::Budget,
        FallbackCause::TimedOut => pb::TipFallback::TimedOut,
        FallbackCause::Recent => pb::TipFallback::Recent,
        FallbackCause::Abandoned => pb::TipFallback::Abandoned,
        FallbackCause::SwitchedOff => pb::TipFallback::SwitchedOff,
    }
}

same_variants! {
    TipRole => pb::TipRole { Leader, Follower, Replay }
    TipSource => pb::TipSource { Ai, Cache, Stale, Static }
    ResetCause => pb::TipResetCause { Resume, Restart, Takeover, Fallback }
    TipPhase => pb::TipPhase { Queued, Connecting, Generating }
    FailureKind => pb::TipProviderFailure {
        Connect, TooSlow, RateLimited, SpendLimit, Overloaded, ServerFault, Rejected, NotFound, Denied,
        Truncated, Malformed, Refused, Empty, CutOff,
    }
}

/// The mode of a request.
pub(super) fn mode(number: i32) -> Result<TipMode, String> {
    match pb::TipMode::try_from(number) {
        Ok(pb::TipMode::Unspecified) => Ok(TipMode::Default),
        Ok(pb::TipMode::CachedOnly) => Ok(TipMode::CachedOnly),
        Ok(pb::TipMode::Refresh) => Ok(TipMode::Refresh),
        Err(_) => Err(format!(
            "must be TIP_MODE_CACHED_ONLY (2), TIP_MODE_REFRESH (3) or unset for the default, not {number}"
        )),
    }
}
