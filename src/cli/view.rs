//! Answers as JSON: the field names of the proto, difficulties and sources as
//! plain words, times as RFC 3339.
use serde::Serialize;

use super::output::clean;
use crate::pb::catalog::v1 as pb;

/// A challenge.
#[derive(Debug, Serialize)]
pub(super) struct ChallengeView {
    pub(super) id: String,
    pub(super) difficulty: &'static str,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) points: i32,
    pub(super) tips: Option<String>,
    pub(super) create_time: Option<String>,
    pub(super) update_time: Option<String>,
}

/// How old an answer can be.
#[derive(Debug, Serialize)]
pub(super) struct FreshnessView {
    pub(super) version: String,
    pub(super) source: &'static str,
    pub(super) stale: bool,
    /// Seconds, such as `0.412s`.
    pub(super) staleness_bound: Option<String>,
}

impl From<pb::Challenge> for ChallengeView {
    fn from(challenge: pb::Challenge) -> Self {
        Self {
            difficulty: difficulty(challenge.difficulty()),
            id: challenge.id,
            title: challenge.title,
            description: challenge.description,
            points: challenge.points,
            tips: challenge.tips,
            create_time: challenge.create_time.map(|time| time.to_string()),
            update_time: challenge.update_time.map(|time| time.to_string()),
        }
    }
}

impl From<pb::Freshness> for FreshnessView {
    fn from(freshness: pb::Freshness) -> Self {
        Self {
            source: match freshness.source() {
                pb::AnswerSource::Unspecified => "unspecified",
                pb::AnswerSource::NearCache => "near_cache",
                pb::AnswerSource::SharedCache => "shared_cache",
                pb::AnswerSource::Database => "database",
            },
            version: freshness.version,
            stale: freshness.stale,
            staleness_bound: freshness.staleness_bound.map(|bound| bound.to_string()),
        }
    }
}

impl FreshnessView {
    /// One line for people.
    pub(super) fn summary(&self) -> String {
        let age = match (&self.staleness_bound, self.stale) {
            (Some(bound), true) => format!(", stale: {bound} old or more"),
            (None, true) => ", stale".to_owned(),
            (Some(bound), false) => format!(", at most {bound} old"),
            (None, false) => String::new(),
        };
        format!(
            "from {}{age}, version {}",
            self.source.replace('_', " "),
            clean(&self.version)
        )
    }
}

/// The word for a difficulty; `all` for none.
pub(super) fn difficulty(difficulty: pb::Difficulty) -> &'static str {
    match difficulty {
        pb::Difficulty::Unspecified => "all",
        pb::Difficulty::Beginner => "beginner",
        pb::Difficulty::Intermediate => "intermediate",
        pb::Difficulty::Advanced => "advanced",
    }
}
