//! Bodies of requests: gRPC's frames, whole and in pieces, plain and compressed; and answers that are sent compressed.
use std::io::Write;

use bytes::Bytes;
use challenges_catalog::{
    domain::{Answer, DeflatedSlot, Etag, Freshness, Source, Version},
    transport::fuzzing::{compressed, message, messages},
};
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderValue};

use crate::{
    input::{Input, block_on, pieces},
    target::Target,
};

pub(super) const TARGET: Target = Target {
    name: "requests",
    words: &[
        "\0\0\0\0\0",
        "\x01\0\0\0\x14",
        "\0\0\0\x40\0",
        "\0\0\0\x40\x01",
        "\x03\0\0\0\0\0\0\0\0\0",
    ],
    memory_bytes: 1 << 20,
    check,
};

/// No message is larger.
const LIMIT_BYTES: usize = 16 << 10;
/// From so many on, answers are compressed.
const LARGE_BYTES: usize = DeflatedSlot::FROM_BYTES;

fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let (mode, seed) = (input.byte(), input.byte());
    match mode % 4 {
        0 => raw(input.rest(), &encoded(mode), seed),
        1 => sent(0, input.rest(), input.rest(), seed),
        2 => sent(1, input.rest(), &zipped(input.rest()), seed),
        _ => answered(input.rest(), seed.into()),
    }
}

/// The headers of a request that says that it is compressed with gzip, with something else, or not at all.
fn encoded(mode: u8) -> HeaderMap {
    let mut headers = HeaderMap::new();
    match mode >> 6 {
        0 => {}
        1 => drop(headers.insert("grpc-encoding", HeaderValue::from_static("zstd"))),
        _ => drop(headers.insert("grpc-encoding", HeaderValue::from_static("gzip"))),
    }
    headers
}

fn gzip() -> HeaderMap {
    let mut headers = encoded(u8::MAX);
    headers.insert("grpc-accept-encoding", HeaderValue::from_static("gzip"));
    headers
}

fn zipped(message: &[u8]) -> Vec<u8> {
    let mut zip = GzEncoder::new(Vec::new(), Compression::fast());
    zip.write_all(message).expect("a vector takes all");
    zip.finish().expect("a vector takes all")
}

fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("inputs are short");
    [&[flag], &length.to_be_bytes()[..], message].concat()
}

/// Any bytes as a body: in one piece and in many they mean the same.
fn raw(body: &[u8], headers: &HeaderMap, seed: u8) {
    let read = |pieces| {
        let read = block_on(message(pieces, headers, LIMIT_BYTES));
        read.map_err(|status| status.code() as i32)
    };
    let one = read(pieces(body, 1));
    assert_eq!(one, read(pieces(body, seed)), "one message in pieces");
    match &one {
        Ok(message) => {
            let length = message.len() - 5;
            assert!(length <= LIMIT_BYTES);
            assert_eq!(message[..], framed(0, &message[5..]));
        }
        // INVALID_ARGUMENT, RESOURCE_EXHAUSTED and UNIMPLEMENTED.
        Err(code) => assert!([3, 8, 12].contains(code), "{code}"),
    }
    let read = |pieces| {
        let (read, refused) = block_on(messages(pieces, headers, LIMIT_BYTES));
        (read, refused.map(|status| status.code() as i32))
    };
    let several = read(pieces(body, 1));
    assert_eq!(several, read(pieces(body, seed)), "messages in pieces");
    if let Ok(message) = one {
        assert_eq!(several, (vec![message], None), "one of several");
    }
}

/// A message that is sent as gRPC wants it is read as it is, or is too large.
fn sent(flag: u8, plain: &[u8], sent: &[u8], seed: u8) {
    let body = framed(flag, sent);
    let read = block_on(message(pieces(&body, seed), &gzip(), LIMIT_BYTES));
    match read {
        Ok(message) => assert_eq!(message[..], framed(0, plain)),
        Err(status) => {
            assert_eq!(status.code() as i32, 8, "{}", status.message());
            assert!(plain.len().max(sent.len()) > LIMIT_BYTES);
        }
    }
}

/// An answer that is sent compressed reads as its body and the fields of its call.
fn answered(data: &[u8], fields: usize) {
    if data.is_empty() {
        return;
    }
    let body: Bytes = data.repeat(LARGE_BYTES.div_ceil(data.len())).into();
    let fields = &data[..fields.min(data.len())];
    let answer = Answer {
        etag: Etag::of(Some(&body)),
        json: None,
        deflated: DeflatedSlot::of(&body),
        body: Some(body.clone()),
        expires_at: None,
        freshness: Freshness {
            version: Version::default(),
            source: Source::NearCache,
            stale: false,
            staleness_bound: std::time::Duration::ZERO,
        },
    };
    let Some(sent) = compressed(&answer, fields, &gzip()) else {
        return;
    };
    let read = block_on(message(vec![sent], &gzip(), 1 << 20)).expect("it is read");
    assert_eq!(read[5..], [&body, fields].concat());
}
