//! What the old routes answer when all is well: the fields of both forms of the replaced service, in the order of the
//! plan's, each followed by what the deployed form calls it. What has no value is null, and is not left out.
use bytes::Bytes;
use prost_types::Timestamp;
use serde::{Serialize, Serializer};

use crate::{
    domain::UnixMicros,
    pb::{admin::v1 as admin, catalog::v1 as pb},
};

/// The part of a list that is equal for every caller who asks the same.
#[derive(Serialize)]
struct Listed<'a> {
    challenges: Vec<Item<'a>>,
    total_count: i32,
    count: usize,
}

#[derive(Serialize)]
struct Item<'a> {
    id: &'a str,
    difficulty: &'static str,
    title: &'a str,
    description: &'a str,
    points: i32,
    tips: Option<&'a str>,
    created_at: Option<RowTime>,
}

impl<'a> From<&'a pb::Challenge> for Item<'a> {
    fn from(challenge: &'a pb::Challenge) -> Self {
        let pb::Challenge {
            id,
            difficulty: _,
            title,
            description,
            points,
            tips,
            create_time,
            update_time: _,
        } = challenge;
        Self {
            id,
            difficulty: word(challenge.difficulty()),
            title,
            description,
            points: *points,
            tips: tips.as_deref(),
            created_at: create_time.map(RowTime),
        }
    }
}

fn word(difficulty: pb::Difficulty) -> &'static str {
    match difficulty {
        pb::Difficulty::Unspecified => "",
        pb::Difficulty::Beginner => "beginner",
        pb::Difficulty::Intermediate => "intermediate",
        pb::Difficulty::Advanced => "advanced",
    }
}

/// What an answer says of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct CompatFacts<'a> {
    /// What [`super::compat_query::CompatQuery`] says that the answer repeats.
    pub(super) filter: Option<&'a str>,
    /// Whether it came from a cache.
    pub(super) cached: bool,
    /// When the cached copy expires, if there is one.
    pub(super) cache_expiry: Option<UnixMicros>,
    /// When the answer was made.
    pub(super) timestamp: UnixMicros,
}

#[derive(Serialize)]
struct Tail<'a> {
    difficulty_filter: Option<&'a str>,
    cached: bool,
    cache_expiry: Option<PythonTime>,
    timestamp: PythonTime,
}

/// The beginning of a list, up to what differs from call to call: for [`list`], and worth keeping.
pub(super) fn list_head(page: &pb::ListChallengesResponse) -> Bytes {
    let mut head = written(&Listed {
        challenges: page.challenges.iter().map(Item::from).collect(),
        total_count: page.total_count,
        count: page.challenges.len(),
    });
    // The object goes on.
    head.pop();
    head.into()
}

/// A list, of what [`list_head`] made.
pub(super) fn list(head: &[u8], facts: &CompatFacts<'_>) -> Bytes {
    let tail = written(&Tail {
        difficulty_filter: facts.filter,
        cached: facts.cached,
        cache_expiry: facts.cache_expiry.map(PythonTime),
        timestamp: PythonTime(facts.timestamp),
    });
    let tail = tail.strip_prefix(b"{").unwrap_or_default();
    [head, b",", tail].concat().into()
}

/// What the deployed form says to an invalidation.
#[derive(Serialize)]
struct Invalidated {
    success: bool,
    message: &'static str,
}

const INVALIDATED: Invalidated = Invalidated {
    success: true,
    message: "Challenges cache invalidated",
};

/// Everything was invalidated.
pub(super) fn invalidated() -> Bytes {
    written(&INVALIDATED).into()
}

/// The plan does not say what is answered to a tag: the same, and the receipt.
#[derive(Serialize)]
struct Receipt<'a> {
    #[serde(flatten)]
    invalidated: Invalidated,
    tag: &'a str,
    version: &'a str,
    acknowledged: &'a [String],
    fenced: &'a [String],
    unproven: &'a [String],
    entries_dropped: i64,
}

/// What depends on `tag` was invalidated.
pub(super) fn receipt(tag: &str, receipt: &admin::InvalidateCacheResponse) -> Bytes {
    written(&Receipt {
        invalidated: INVALIDATED,
        tag,
        version: &receipt.version,
        acknowledged: &receipt.acknowledged,
        fenced: &receipt.fenced,
        unproven: &receipt.unproven,
        entries_dropped: receipt.entries_dropped,
    })
    .into()
}

fn written(value: &impl Serialize) -> Vec<u8> {
    // Writing to memory does not fail.
    serde_json::to_vec(value).unwrap_or_default()
}

/// A time as Python's `isoformat` writes it: six digits of a second, or none.
struct PythonTime(UnixMicros);

/// A time of a row as PostgreSQL writes it into JSON, which the deployed form passed on: without zeros at the end.
struct RowTime(Timestamp);

impl Serialize for PythonTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (seconds, nanos) = self.0.split();
        let whole = to_the_second(seconds);
        match nanos / 1_000 {
            0 => serializer.collect_str(&format_args!("{whole}+00:00")),
            micros => serializer.collect_str(&format_args!("{whole}.{micros:06}+00:00")),
        }
    }
}

impl Serialize for RowTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let whole = to_the_second(self.0.seconds);
        let fraction = format!(".{:06}", self.0.nanos / 1_000);
        let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
        serializer.collect_str(&format_args!("{whole}{fraction}+00:00"))
    }
}

/// `2026-11-30T12:00:00`.
fn to_the_second(seconds: i64) -> String {
    let text = Timestamp { seconds, nanos: 0 }.to_string();
    text.trim_end_matches('Z').to_owned()
}

#[cfg(test)]
#[path = "compat_answer_tests.rs"]
mod tests;
