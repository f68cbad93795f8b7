//! Tags, versions, and answers of edges.
use challenges_catalog::{
    domain::{ChallengeId, DatabaseId, Difficulty, Stamp, Tag, Version},
    edges::PurgeService,
};
use uuid::Uuid;

use crate::support::scripted::{Act, Exchange};

/// A token that must not be found anywhere but in the request.
pub const TOKEN: &str = "S3CR3T";

pub const BEGINNER: Tag = Tag::Difficulty(Difficulty::Beginner);

/// So many challenges' tags.
pub fn challenges(count: u128) -> Vec<Tag> {
    let id = |number| ChallengeId::parse(&Uuid::from_u128(number).to_string()).unwrap();
    (1..=count)
        .map(|number| Tag::Challenge(id(number)))
        .collect()
}

pub fn version(seq: u64) -> Version {
    Version {
        database: DatabaseId(7),
        stamp: Stamp { timeline: 1, seq },
    }
}

/// A service that is purged and asked at `url`.
pub fn service(url: &str) -> PurgeService {
    PurgeService {
        api_url: format!("{url}/api/").parse().unwrap(),
        id: "SU1Z0".to_owned(),
        token: TOKEN.into(),
        asked: vec![format!("{url}/shop").parse().unwrap()],
    }
}

/// One whole answer; `head` is the status and further headers, each with its line break.
pub fn answer(head: &str, body: &str) -> Vec<Act> {
    let length = body.len();
    let text =
        format!("HTTP/1.1 {head}content-length: {length}\r\nconnection: close\r\n\r\n{body}");
    vec![Act::Send(text.into_bytes())]
}

pub fn ok(body: &str) -> Vec<Act> {
    answer("200 OK\r\n", body)
}

/// The value of a header of a request; `None` where it is missing.
pub fn header<'a>(exchange: &'a Exchange, name: &str) -> Option<&'a str> {
    let mut lines = exchange
        .head
        .lines()
        .filter_map(|line| line.split_once(": "));
    let found = lines.find(|(header, _)| header.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value)
}

/// The request line of a request.
pub fn line(exchange: &Exchange) -> &str {
    exchange.head.lines().next().unwrap_or_default()
}
