use prost::Message;
use serde_json::json;

use super::*;
use crate::{
    http::fixtures::CONTRACT,
    pb::{
        admin::v1::{LatencyStatus, ReplicaCacheStatus},
        catalog::v1::{
            Challenge, Difficulty, Freshness, ListChallengesResponse, StreamTipsResponse, TipDelta,
            stream_tips_response::Event,
        },
    },
};

fn shown<M: Message + prost::Name>(message: &M) -> serde_json::Value {
    let kind = CONTRACT.get_message_by_name(&M::full_name()).unwrap();
    let message = DynamicMessage::decode(kind, &message.encode_to_vec()[..]).unwrap();
    serde_json::from_slice(&json(&message)).unwrap()
}

#[test]
fn defaults_are_shown_and_what_is_absent_is_left_out() {
    let message = ListChallengesResponse {
        challenges: vec![Challenge {
            id: "a".to_owned(),
            difficulty: Difficulty::Advanced.into(),
            create_time: Some(prost_types::Timestamp {
                seconds: 0,
                nanos: 250_000_000,
            }),
            ..Challenge::default()
        }],
        freshness: Some(Freshness {
            staleness_bound: Some(prost_types::Duration {
                seconds: 0,
                nanos: 412_000_000,
            }),
            source: 99,
            ..Freshness::default()
        }),
        ..ListChallengesResponse::default()
    };
    let expected = json!({
        "challenges": [{
            "id": "a", "difficulty": "DIFFICULTY_ADVANCED", "title": "", "description": "", "points": 0,
            "create_time": "1970-01-01T00:00:00.250Z",
        }],
        "total_count": 0, "difficulty_filter": "DIFFICULTY_UNSPECIFIED", "next_page_token": "", "etag": "",
        "not_modified": false, "cached": false,
        "freshness": {"version": "", "source": 99, "stale": false, "staleness_bound": "0.412s"},
    });
    assert_eq!(shown(&message), expected);
}

#[test]
fn numbers_of_64_bits_are_texts_and_bytes_are_base64() {
    let message = StreamTipsResponse {
        epoch: u64::MAX,
        resume_token: vec![0xfb, 0xff],
        event: Some(Event::Delta(TipDelta {
            text: "Hi\u{2028}".to_owned(),
        })),
        ..StreamTipsResponse::default()
    };
    let expected = json!({
        "epoch": "18446744073709551615", "offset": "0", "resume_token": "+/8=", "delta": {"text": "Hi\u{2028}"},
    });
    assert_eq!(shown(&message), expected);
}

#[test]
fn a_number_that_json_lacks_is_a_word() {
    let message = ReplicaCacheStatus {
        hit_ratio: Some(f64::NAN),
        hit_ratio_1m: Some(f64::NEG_INFINITY),
        hit_ratio_5m: Some(0.0),
        hit_latency: Some(LatencyStatus::default()),
        ..ReplicaCacheStatus::default()
    };
    let shown = shown(&message);
    assert_eq!(shown["hit_ratio"], "NaN");
    assert_eq!(shown["hit_ratio_1m"], "-Infinity");
    assert_eq!(shown["hit_ratio_5m"], 0.0);
    assert_eq!(shown["hit_latency"], json!({"count": "0"}));
    assert!(shown.get("hit_ratio_15m").is_none());
}
