//! Answers as JSON: the field names of the proto, difficulties and sources as
//! plain words, times as RFC 3339.
use prost_types::Duration as Told;
use serde::Serialize;

use super::{escape::clean, figures};
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
    #[serde(skip)]
    bound: Option<Told>,
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
            bound: freshness.staleness_bound,
        }
    }
}

impl FreshnessView {
    /// Two lines for people.
    pub(super) fn summary(&self) -> String {
        let age = match (&self.bound, self.stale) {
            (Some(bound), true) => format!(", stale: {} old or more", figures::time(Some(bound))),
            (None, true) => ", stale".to_owned(),
            (Some(bound), false) => format!(", at most {} old", figures::time(Some(bound))),
            (None, false) => String::new(),
        };
        let (source, version) = (self.source.replace('_', " "), clean(&self.version));
        format!("from {source}{age}\nversion {version}")
    }

    /// What must not be overlooked, if there is anything.
    pub(super) fn warning(&self) -> Option<String> {
        let age = self
            .bound
            .map(|bound| format!(", {} old or more", figures::time(Some(&bound))));
        self.stale.then(|| {
            format!(
                "warning: a stale copy{}: the server cannot read its database",
                age.unwrap_or_default()
            )
        })
    }

    /// Takes in how fresh another page of the same list is: together they are as fresh as the worse.
    pub(super) fn join(&mut self, page: &Self) {
        let age = |view: &Self| view.bound.map(|bound| (bound.seconds, bound.nanos));
        if page.stale && !self.stale || page.stale == self.stale && age(page) > age(self) {
            self.staleness_bound.clone_from(&page.staleness_bound);
            self.bound = page.bound;
        }
        self.stale |= page.stale;
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
