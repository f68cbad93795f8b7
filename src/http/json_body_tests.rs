use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::Value;

use super::*;
use crate::http::json::json;

/// What is written of the same message as a whole, without the fields that differ from call to call.
fn by_reflection(name: &str, body: &Bytes) -> Value {
    let pool = DescriptorPool::decode(crate::pb::DESCRIPTORS).unwrap();
    let kind = pool.get_message_by_name(name).unwrap();
    let message = DynamicMessage::decode(kind, body.clone()).unwrap();
    let mut json = read(&json(&message));
    let fields = json.as_object_mut().unwrap();
    for of_call in ["etag", "not_modified", "cached"] {
        fields.remove(of_call).unwrap();
    }
    json
}

fn challenges() -> Vec<pb::Challenge> {
    let full = pb::Challenge {
        id: "5f0c1d4e-8a53-4f0e-9d6b-0c8f6f1a2b01".to_owned(),
        difficulty: pb::Difficulty::Advanced.into(),
        title: "Quotes \" and \u{2028} and \u{1f600} and \u{1}".to_owned(),
        description: "Line\nline".to_owned(),
        points: 40,
        tips: Some(String::new()),
        create_time: Some(prost_types::Timestamp {
            seconds: 1_700_000_000,
            nanos: 120_000_000,
        }),
        update_time: Some(prost_types::Timestamp {
            seconds: 1,
            nanos: 1_000,
        }),
    };
    vec![full, pb::Challenge::default()]
}

fn read(json: &Bytes) -> Value {
    serde_json::from_slice(json).unwrap()
}

#[test]
fn a_page_is_the_json_of_its_message() {
    for challenges in [challenges(), Vec::new()] {
        let body = pb::ListChallengesResponse {
            challenges,
            total_count: 7,
            difficulty_filter: pb::Difficulty::Beginner.into(),
            next_page_token: "token".to_owned(),
            ..Default::default()
        };
        let body = Bytes::from(body.encode_to_vec());
        let name = "challenges.catalog.v1.ListChallengesResponse";
        assert_eq!(read(&page(&body)), by_reflection(name, &body));
    }
}

#[test]
fn challenges_are_the_json_of_their_messages_one_by_one_and_together() {
    let mut parts = Vec::new();
    for one in challenges() {
        let body = pb::GetChallengeResponse {
            challenge: Some(one),
            ..Default::default()
        };
        let body = Bytes::from(body.encode_to_vec());
        let name = "challenges.catalog.v1.GetChallengeResponse";
        assert_eq!(read(&challenge(&body)), by_reflection(name, &body));
        parts.push(challenge(&body));
    }
    let all = pb::BatchGetChallengesResponse {
        challenges: challenges(),
        ..Default::default()
    };
    let all = Bytes::from(all.encode_to_vec());
    let name = "challenges.catalog.v1.BatchGetChallengesResponse";
    assert_eq!(read(&batch(&parts)), by_reflection(name, &all));
    assert_eq!(&batch(&[])[..], b"{\"challenges\":[]}");
}
