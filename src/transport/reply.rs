//! The answer to a read: what differs from call to call, joined with the cached body.
use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, header::AGE};
use prost::Message;
use ring::digest;

use super::{
    body::FramedChunks,
    compression::compressed,
    convert::{etag_text, timestamp},
    request_body::PREFIX_LEN,
};
use crate::{
    domain::{Answer, Etag, Freshness, Source, finished},
    pb::catalog::v1 as pb,
};

/// What goes back to one caller.
pub(super) struct Reply {
    /// The framed message.
    pub(super) frame: FramedChunks,
    /// Whether the message is compressed with gzip.
    pub(super) is_compressed: bool,
    /// What the answer's freshness says, once more for those who look at metadata only.
    pub(super) metadata: Option<[(HeaderName, HeaderValue); 3]>,
}

/// A message behind its prefix.
pub(super) fn framed(message: &impl Message) -> Bytes {
    let mut frame = prefixed(message.encoded_len(), PREFIX_LEN + message.encoded_len());
    message.encode_raw(&mut frame);
    frame.freeze()
}

/// The prefix of a message of `length` bytes, with room for `capacity`.
fn prefixed(length: usize, capacity: usize) -> BytesMut {
    let mut frame = BytesMut::with_capacity(capacity);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    frame
}

const CACHE: HeaderName = HeaderName::from_static("x-cache");
const VERSION: HeaderName = HeaderName::from_static("x-catalog-version");

/// `x-cache` (near, shared, database or stale), `x-catalog-version`, and `age` in whole seconds.
fn metadata(freshness: &Freshness) -> [(HeaderName, HeaderValue); 3] {
    let cache = match (freshness.stale, freshness.source) {
        (true, _) => "stale",
        (false, Source::NearCache) => "near",
        (false, Source::SharedCache) => "shared",
        (false, Source::Database) => "database",
    };
    let version = HeaderValue::from_bytes(&freshness.version.ascii());
    [
        (CACHE, HeaderValue::from_static(cache)),
        (VERSION, version.unwrap_or(HeaderValue::from_static(""))),
        (AGE, HeaderValue::from(freshness.staleness_bound.as_secs())),
    ]
}

/// Frames an answer for one caller: the fields that differ from call to call,
/// and behind them the cached body as it lies. Protobuf messages may be joined
/// in any order, so nothing is decoded or encoded again, and one body is not even copied.
///
/// With `if_none_match` naming the answer's content, the body is left out. A large body is sent compressed to
/// callers whose `headers` accept that.
pub(super) fn reply(answers: &[Answer], if_none_match: &str, headers: &HeaderMap) -> Reply {
    let etag = etag_of(answers);
    let etag_text = etag_text(etag);
    let not_modified = names(if_none_match, &etag_text);
    let bodies = || {
        answers
            .iter()
            .filter(|_| !not_modified)
            .filter_map(|a| a.body.as_ref())
    };
    let freshness = answers.iter().map(|answer| answer.freshness).reduce(oldest);
    let tail = tail(answers, freshness, etag_text, not_modified);

    let metadata = freshness.as_ref().map(metadata);
    if let (
        [
            answer @ Answer {
                deflated: Some(_), ..
            },
        ],
        false,
    ) = (answers, not_modified)
        && let Some(frame) = compressed(answer, &tail.encode_to_vec(), headers)
    {
        return Reply {
            frame: frame.chain(Bytes::new()),
            is_compressed: true,
            metadata,
        };
    }
    let own_length = tail.encoded_len();
    let length = bodies().map(Bytes::len).sum::<usize>() + own_length;
    let shared = answers
        .first()
        .filter(|_| answers.len() == 1 && !not_modified);
    let shared = shared.and_then(|answer| answer.body.clone());
    let copied = if shared.is_some() { own_length } else { length };
    let mut frame = prefixed(length, PREFIX_LEN + copied);
    tail.encode_raw(&mut frame);
    if shared.is_none() {
        bodies().for_each(|body| frame.put_slice(body));
    }
    Reply {
        frame: frame.freeze().chain(shared.unwrap_or_default()),
        is_compressed: false,
        metadata,
    }
}

/// The fields that differ from call to call. Their numbers are the same in all
/// three responses, so one message stands for all.
fn tail(
    answers: &[Answer],
    freshness: Option<Freshness>,
    etag: String,
    not_modified: bool,
) -> pb::GetChallengeResponse {
    let from_cache = |answer: &Answer| answer.freshness.source != Source::Database;
    let expires_at = answers.iter().filter_map(|answer| answer.expires_at).min();
    pb::GetChallengeResponse {
        challenge: None,
        etag,
        not_modified,
        cached: answers.iter().all(from_cache),
        cache_expire_time: expires_at.map(timestamp),
        freshness: freshness.map(Into::into),
    }
}

/// What can be said of two answers together: the older one counts.
pub(super) fn oldest(a: Freshness, b: Freshness) -> Freshness {
    let distance = |source| match source {
        Source::NearCache => 0,
        Source::SharedCache => 1,
        Source::Database => 2,
    };
    Freshness {
        version: if a.version.stamp <= b.version.stamp {
            a.version
        } else {
            b.version
        },
        source: if distance(a.source) >= distance(b.source) {
            a.source
        } else {
            b.source
        },
        stale: a.stale || b.stale,
        staleness_bound: a.staleness_bound.max(b.staleness_bound),
    }
}

/// One answer has its own name; several are named by their names, in order.
pub(super) fn etag_of(answers: &[Answer]) -> Etag {
    if let [answer] = answers {
        return answer.etag;
    }
    let mut names = digest::Context::new(&digest::SHA256);
    for answer in answers {
        names.update(&answer.etag.0);
    }
    Etag(finished(names))
}

/// Whether an `if_none_match` names `etag`: a list as in HTTP, compared weakly, or `*`.
pub(super) fn names(if_none_match: &str, etag: &str) -> bool {
    let etag = etag.trim_start_matches("W/");
    !if_none_match.is_empty()
        && if_none_match
            .split(',')
            .map(str::trim)
            .any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_is_found_in_a_list_and_compared_weakly() {
        let etag = "W/\"abc\"";
        for list in ["W/\"abc\"", "\"abc\"", "\"x\", W/\"abc\"", "*"] {
            assert!(names(list, etag), "{list}");
        }
        for list in ["", "abc", "W/\"abcd\"", "\"x\", \"y\""] {
            assert!(!names(list, etag), "{list}");
        }
    }

    #[test]
    fn the_three_responses_number_their_common_fields_alike() {
        let tail = pb::GetChallengeResponse {
            challenge: None,
            etag: "e".to_owned(),
            not_modified: true,
            cached: true,
            cache_expire_time: Some(prost_types::Timestamp {
                seconds: 1,
                nanos: 2,
            }),
            freshness: Some(pb::Freshness {
                stale: true,
                ..Default::default()
            }),
        };
        let bytes = tail.encode_to_vec();
        let list = pb::ListChallengesResponse::decode(&*bytes).unwrap();
        let batch = pb::BatchGetChallengesResponse::decode(&*bytes).unwrap();
        assert_eq!(list.encode_to_vec(), bytes);
        assert_eq!(batch.encode_to_vec(), bytes);
        assert_eq!((list.etag, batch.etag), ("e".to_owned(), "e".to_owned()));
    }
}
