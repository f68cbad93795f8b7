use http::HeaderValue;
use prost::Message;
use prost_reflect::DescriptorPool;

use super::*;
use crate::pb::catalog::v1::{
    StreamTipsRequest, StreamTipsResponse, TipDelta, TipDone, TipHeartbeat,
    stream_tips_response::Event,
};

fn dynamic(name: &str, message: &impl Message) -> DynamicMessage {
    let pool = DescriptorPool::decode(crate::pb::DESCRIPTORS).unwrap();
    let kind = pool.get_message_by_name(name).unwrap();
    DynamicMessage::decode(kind, &message.encode_to_vec()[..]).unwrap()
}

fn written(event: Event) -> String {
    let message = StreamTipsResponse {
        epoch: 7,
        offset: 2,
        resume_token: vec![9; TOKEN_BYTES],
        event: Some(event),
    };
    let mut text = BytesMut::new();
    let name = "challenges.catalog.v1.StreamTipsResponse";
    write(&dynamic(name, &message), &mut text);
    String::from_utf8(text.to_vec()).unwrap()
}

fn id_of(event: &str) -> String {
    let id = event.lines().find_map(|line| line.strip_prefix("id: "));
    id.unwrap().to_owned()
}

fn taken(id: &str) -> (Resume, Vec<u8>) {
    let name = "challenges.catalog.v1.StreamTipsRequest";
    let mut message = dynamic(name, &StreamTipsRequest::default());
    let mut headers = HeaderMap::new();
    headers.insert(LAST_EVENT_ID, HeaderValue::from_str(id).unwrap());
    let resume = Resume::take(&mut message, &headers);
    let request: StreamTipsRequest = message.transcode_to().unwrap();
    (resume, request.resume_token)
}

#[test]
fn text_with_line_breaks_is_one_line_of_data() {
    let event = written(Event::Delta(TipDelta {
        text: "a\nb\r\n\u{2028}c".to_owned(),
    }));
    let lines: Vec<_> = event.split('\n').collect();
    assert_eq!(lines.len(), 5, "{event}");
    assert!(lines[0].starts_with("id: ") && lines[1] == "event: delta");
    assert!(lines[2].starts_with("data: {") && lines[3..] == ["", ""]);
}

#[test]
fn the_id_of_an_event_leads_back_to_it_and_that_of_the_last_one_says_so() {
    let delta = written(Event::Delta(TipDelta::default()));
    assert_eq!(
        taken(&id_of(&delta)),
        (Resume::Within, vec![9; TOKEN_BYTES])
    );
    let done = written(Event::Done(TipDone::default()));
    assert_eq!(taken(&id_of(&done)), (Resume::AtEnd, vec![9; TOKEN_BYTES]));
}

#[test]
fn an_id_that_is_none_is_a_damaged_token() {
    assert_eq!(
        taken("not base64!"),
        (Resume::Within, b"not base64!".to_vec())
    );
}

#[test]
fn a_heartbeat_is_a_comment() {
    let event = written(Event::Heartbeat(TipHeartbeat::default()));
    assert_eq!(event, ": heartbeat\n\n");
}
