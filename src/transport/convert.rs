//! Converts values of the domain to messages of the contract, and back.
use std::time::Duration;

use crate::{
    domain::{Challenge, Difficulty, Etag, Freshness, Source, UnixMicros},
    pb::catalog::v1 as pb,
};

/// Enums of the domain whose variants have the same names in the contract.
macro_rules! same_variants {
    ($($ours:ident => $theirs:path { $($variant:ident),+ $(,)? })+) => {$(
        impl From<$ours> for $theirs {
            fn from(ours: $ours) -> Self {
                match ours { $($ours::$variant => Self::$variant,)+ }
            }
        }
    )+};
}
pub(super) use same_variants;

same_variants! {
    Difficulty => pb::Difficulty { Beginner, Intermediate, Advanced }
    Source => pb::AnswerSource { NearCache, SharedCache, Database }
}

/// The filter of a request: `None` stands for all.
pub(super) fn difficulty_filter(number: i32) -> Result<Option<Difficulty>, String> {
    match pb::Difficulty::try_from(number) {
        Ok(pb::Difficulty::Unspecified) => Ok(None),
        Ok(pb::Difficulty::Beginner) => Ok(Some(Difficulty::Beginner)),
        Ok(pb::Difficulty::Intermediate) => Ok(Some(Difficulty::Intermediate)),
        Ok(pb::Difficulty::Advanced) => Ok(Some(Difficulty::Advanced)),
        Err(_) => Err(format!(
            "must be DIFFICULTY_BEGINNER (1), DIFFICULTY_INTERMEDIATE (2), DIFFICULTY_ADVANCED (3) \
             or unset for all, not {number}"
        )),
    }
}

impl From<&Challenge> for pb::Challenge {
    fn from(challenge: &Challenge) -> Self {
        let Challenge {
            id,
            difficulty,
            title,
            description,
            points,
            tips: _,
            written_tip: _,
            created_at,
            updated_at,
        } = challenge;
        Self {
            id: id.to_string(),
            difficulty: pb::Difficulty::from(*difficulty).into(),
            title: title.clone(),
            description: description.clone(),
            points: *points,
            tips: challenge.shown_tip().map(str::to_owned),
            create_time: created_at.map(timestamp),
            update_time: updated_at.map(timestamp),
        }
    }
}

pub(super) fn timestamp(at: UnixMicros) -> prost_types::Timestamp {
    let (seconds, nanos) = at.split();
    prost_types::Timestamp { seconds, nanos }
}

pub(super) fn duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
    }
}

impl From<Freshness> for pb::Freshness {
    fn from(freshness: Freshness) -> Self {
        Self {
            version: freshness.version.to_string(),
            source: pb::AnswerSource::from(freshness.source).into(),
            stale: freshness.stale,
            staleness_bound: Some(duration(freshness.staleness_bound)),
        }
    }
}

/// An etag as callers see it: weak, because what is promised is equal content,
/// not equal bytes.
pub(super) fn etag_text(etag: Etag) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let mut text = String::with_capacity(16);
    text.push_str("W/\"");
    URL_SAFE_NO_PAD.encode_string(etag.0, &mut text);
    text.push('"');
    text
}

/// An etag as [`etag_text`] writes it, weak or not; `None` for an empty text.
pub(super) fn read_etag(text: &str) -> Result<Option<Etag>, String> {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    if text.is_empty() {
        return Ok(None);
    }
    let inner = text.strip_prefix("W/").unwrap_or(text).trim_matches('"');
    let bytes = URL_SAFE_NO_PAD.decode(inner).ok();
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    let etag = bytes.map(Etag);
    etag.map(Some)
        .ok_or_else(|| "must be an etag that this service gave out, or left out".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_reads_back_as_it_is_shown_and_nothing_else_does() {
        let shown = Etag([0, 1, 2, 250, 251, 252, 253, 254]);
        let text = etag_text(shown);
        assert_eq!(read_etag(&text), Ok(Some(shown)));
        assert_eq!(read_etag(text.strip_prefix("W/").unwrap()), Ok(Some(shown)));
        assert_eq!(read_etag(""), Ok(None));
        for violations in ["*", "W/\"\"", "W/\"AAAA\"", "\"not base64!\""] {
            assert!(read_etag(violations).is_err(), "{violations}");
        }
    }
}
