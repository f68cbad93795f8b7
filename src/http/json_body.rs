//! The JSON form of cached bodies: proto3 JSON with the names of the contract, of the fields that do not differ from call
//! to call. What differs stands in headers.
use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use serde::{Serialize, Serializer};

use crate::pb::catalog::v1 as pb;

/// A page, as `ListChallengesResponse` has it.
#[derive(Serialize)]
struct Page<'a> {
    challenges: Vec<Challenge<'a>>,
    total_count: i32,
    difficulty_filter: Difficulty,
    next_page_token: &'a str,
}

/// One challenge, as `GetChallengeResponse` has it.
#[derive(Serialize)]
struct One<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge: Option<Challenge<'a>>,
}

#[derive(Serialize)]
struct Challenge<'a> {
    id: &'a str,
    difficulty: Difficulty,
    title: &'a str,
    description: &'a str,
    points: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    tips: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    create_time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_time: Option<Time>,
}

struct Difficulty(i32);
struct Time(prost_types::Timestamp);

impl Serialize for Difficulty {
    /// The name of the contract, or the number that has none.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match pb::Difficulty::try_from(self.0) {
            Ok(known) => serializer.serialize_str(known.as_str_name()),
            Err(_) => serializer.serialize_i32(self.0),
        }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'a> From<&'a pb::Challenge> for Challenge<'a> {
    fn from(challenge: &'a pb::Challenge) -> Self {
        // Taken apart, so that a field that the contract gets is not forgotten here.
        let pb::Challenge {
            id,
            difficulty,
            title,
            description,
            points,
            tips,
            create_time,
            update_time,
        } = challenge;
        Self {
            id,
            difficulty: Difficulty(*difficulty),
            title,
            description,
            points: *points,
            tips: tips.as_deref(),
            create_time: create_time.map(Time),
            update_time: update_time.map(Time),
        }
    }
}

/// A cached page as JSON. Empty for bytes that are no page, which no cache holds.
pub(super) fn page(body: &Bytes) -> Bytes {
    let page = pb::ListChallengesResponse::decode(body.clone()).unwrap_or_default();
    written(&Page {
        challenges: page.challenges.iter().map(Challenge::from).collect(),
        total_count: page.total_count,
        difficulty_filter: Difficulty(page.difficulty_filter),
        next_page_token: &page.next_page_token,
    })
}

/// A cached challenge as JSON.
pub(super) fn challenge(body: &Bytes) -> Bytes {
    let one = pb::GetChallengeResponse::decode(body.clone()).unwrap_or_default();
    written(&One {
        challenge: one.challenge.as_ref().map(Challenge::from),
    })
}

/// What stands before and behind the challenge in what [`challenge`] makes.
const BEFORE: &[u8] = b"{\"challenge\":";
const BEHIND: &[u8] = b"}";

/// Several challenges, each as [`challenge`] makes it, as `BatchGetChallengesResponse` has them.
pub(super) fn batch(challenges: &[Bytes]) -> Bytes {
    let length: usize = challenges.iter().map(Bytes::len).sum();
    let mut json = BytesMut::with_capacity(length + 32);
    json.put_slice(b"{\"challenges\":[");
    for (at, challenge) in challenges.iter().enumerate() {
        if at > 0 {
            json.put_u8(b',');
        }
        let inner = challenge.strip_prefix(BEFORE);
        let inner = inner.and_then(|inner| inner.strip_suffix(BEHIND));
        json.put_slice(inner.unwrap_or(b"null"));
    }
    json.put_slice(b"]}");
    json.freeze()
}

fn written(value: &impl Serialize) -> Bytes {
    // Writing to memory does not fail.
    serde_json::to_vec(value).unwrap_or_default().into()
}

#[cfg(test)]
#[path = "json_body_tests.rs"]
mod tests;
