//! Encodes the bodies that caches hold.
use bytes::Bytes;
use prost::Message;
use prost_types::FileDescriptorSet;
use ring::digest::{Context, SHA256};

use super::{convert::difficulty_filter, page_token::PageTokens};
use crate::{
    domain::{
        AnswerEncoder, Challenge, ChallengeId, ChallengePage, ListQuery, TipSubject, finished,
    },
    pb::catalog::v1 as pb,
};

/// Whose messages the bodies are made of.
const PACKAGE: &str = "challenges.catalog.v1";

/// Encodes what was read as the part of the answer that is equal for every
/// caller. The rest is appended for each call, see `transport::reply`:
/// protobuf messages may be joined.
#[derive(Clone, Debug)]
pub struct ProtoEncoder {
    page_tokens: PageTokens,
    shape: u32,
}

impl ProtoEncoder {
    /// Lists carry tokens of `page_tokens`.
    #[must_use]
    pub fn new(page_tokens: PageTokens) -> Self {
        Self {
            page_tokens,
            shape: shape(),
        }
    }
}

/// The beginning of a hash of the package's messages, so that another field is another shape.
fn shape() -> u32 {
    let mut hash = Context::new(&SHA256);
    // They are compiled in.
    let files = FileDescriptorSet::decode(crate::pb::DESCRIPTORS).unwrap_or_default();
    for file in files.file.iter().filter(|file| file.package() == PACKAGE) {
        for message in &file.message_type {
            hash.update(&message.encode_to_vec());
        }
    }
    u32::from_be_bytes(finished(hash))
}

impl AnswerEncoder for ProtoEncoder {
    fn shape(&self) -> u32 {
        self.shape
    }

    fn page(&self, query: &ListQuery, page: &ChallengePage) -> Bytes {
        let ListQuery {
            difficulty,
            page_size: _,
            after: _,
        } = query;
        let next = page.next();
        let token = |next| self.page_tokens.make(query, next);
        let answer = pb::ListChallengesResponse {
            challenges: page.challenges.iter().map(pb::Challenge::from).collect(),
            total_count: i32::try_from(page.total_count).unwrap_or(i32::MAX),
            difficulty_filter: difficulty.map_or(0, |only| pb::Difficulty::from(only).into()),
            next_page_token: next.as_ref().map(token).unwrap_or_default(),
            ..Default::default()
        };
        answer.encode_to_vec().into()
    }

    fn total_count(&self, body: &Bytes) -> Option<u64> {
        let list = pb::ListChallengesResponse::decode(body.clone()).ok()?;
        u64::try_from(list.total_count).ok()
    }

    /// Field 1 of `GetChallengeResponse`, and of `BatchGetChallengesResponse`
    /// where it repeats; so a batch is its challenges' bodies, joined.
    fn challenge(&self, challenge: &Challenge) -> Bytes {
        let answer = pb::GetChallengeResponse {
            challenge: Some(challenge.into()),
            ..Default::default()
        };
        answer.encode_to_vec().into()
    }

    /// A challenge with as much as decides its tip, and the static tip.
    fn subject(&self, subject: &TipSubject) -> Bytes {
        let body = pb::Challenge {
            id: subject.challenge.to_string(),
            difficulty: pb::Difficulty::from(subject.difficulty).into(),
            title: subject.title.clone(),
            description: subject.description.clone(),
            tips: subject.static_tip.clone(),
            ..Default::default()
        };
        body.encode_to_vec().into()
    }

    fn read_subject(&self, body: &Bytes) -> Option<TipSubject> {
        let body = pb::Challenge::decode(body.clone()).ok()?;
        Some(TipSubject {
            challenge: ChallengeId::parse(&body.id).ok()?,
            difficulty: difficulty_filter(body.difficulty).ok()??,
            title: body.title,
            description: body.description,
            static_tip: body.tips,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Difficulty;

    fn challenge(number: u128) -> Challenge {
        Challenge {
            id: ChallengeId::from(uuid::Uuid::from_u128(number)),
            difficulty: Difficulty::Advanced,
            title: format!("Title {number}"),
            description: String::new(),
            points: 40,
            tips: None,
            written_tip: None,
            created_at: None,
            updated_at: None,
        }
    }

    #[test]
    fn the_tip_that_was_written_goes_before_the_static_one() {
        let encoder = ProtoEncoder::new(PageTokens::new(b"key"));
        let texts = |text: Option<&str>| text.map(str::to_owned);
        for (tips, written_tip, shown) in [
            (None, None, None),
            (Some("static"), None, Some("static")),
            (None, Some("written"), Some("written")),
            (Some("static"), Some("written"), Some("written")),
        ] {
            let challenge = Challenge {
                tips: texts(tips),
                written_tip: texts(written_tip),
                ..challenge(1)
            };
            let body = encoder.challenge(&challenge);
            let answer = pb::GetChallengeResponse::decode(body).unwrap();
            assert_eq!(answer.challenge.unwrap().tips.as_deref(), shown);
        }
    }

    #[test]
    fn what_a_tip_is_about_reads_back_with_the_static_tip() {
        let encoder = ProtoEncoder::new(PageTokens::new(b"key"));
        for tips in [None, Some(String::new()), Some("static".to_owned())] {
            let challenge = Challenge {
                tips,
                written_tip: Some("written".to_owned()),
                ..challenge(1)
            };
            let subject = TipSubject::from(&challenge);
            assert_eq!(subject.static_tip, challenge.tips);
            let body = encoder.subject(&subject);
            assert_eq!(encoder.read_subject(&body), Some(subject));
        }
        for body in [&b""[..], b"\xff", b"\x0a\x01x"] {
            assert_eq!(encoder.read_subject(&Bytes::from_static(body)), None);
        }
    }

    #[test]
    fn bodies_of_challenges_joined_are_the_body_of_a_batch() {
        let encoder = ProtoEncoder::new(PageTokens::new(b"key"));
        let challenges = [challenge(1), challenge(2), challenge(3)];
        let joined = challenges
            .each_ref()
            .map(|challenge| encoder.challenge(challenge))
            .concat();
        let batch = pb::BatchGetChallengesResponse::decode(&*joined).unwrap();
        assert_eq!(
            batch.challenges,
            challenges.each_ref().map(pb::Challenge::from)
        );
    }
}
