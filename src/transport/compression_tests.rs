//! Streams that other programs made and read.
use std::{io::Read, time::Duration};

use http::HeaderValue;

use super::*;
use crate::domain::{DeflatedSlot, Etag, Freshness, Source, Version};

fn text(bytes: usize) -> Bytes {
    let words = ["challenge", "city", "walk", "a", "of", "the", "twenty"];
    let mut text = String::new();
    let mut at = 7_usize;
    while text.len() < bytes {
        at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        text += words[(at >> 33) % words.len()];
        text.push(' ');
    }
    text.truncate(bytes);
    text.into()
}

fn answer(body: Bytes) -> Answer {
    Answer {
        etag: Etag::of(Some(&body)),
        json: None,
        deflated: DeflatedSlot::of(&body),
        body: Some(body),
        expires_at: None,
        freshness: Freshness {
            version: Version::default(),
            source: Source::NearCache,
            stale: false,
            staleness_bound: Duration::ZERO,
        },
    }
}

fn accepting(names: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(names));
    headers
}

/// One member, as strict readers take it: what stands behind it is a fault.
fn unzipped(stream: &[u8]) -> Vec<u8> {
    let mut reader = flate2::bufread::GzDecoder::new(stream);
    let mut plain = Vec::new();
    reader.read_to_end(&mut plain).unwrap();
    assert!(reader.into_inner().is_empty(), "something stands behind it");
    plain
}

#[test]
fn an_answer_put_together_is_one_gzip_member_of_body_and_fields() {
    for bytes in [8_192, 9_000, 65_535, 65_536, 300_000] {
        let answer = answer(text(bytes));
        for fields in [&b""[..], b"fields of this call", &[7; 3_000]] {
            let framed =
                compressed(&answer, fields, &accepting("identity, deflate, gzip")).unwrap();
            let [flag, length @ ..] = *framed.first_chunk::<PREFIX_LEN>().unwrap();
            assert_eq!(
                (flag, u32::from_be_bytes(length) as usize),
                (1, framed.len() - PREFIX_LEN)
            );
            let expected = [answer.body.as_ref().unwrap(), fields].concat();
            assert!(
                unzipped(&framed[PREFIX_LEN..]) == expected,
                "{bytes} {}",
                fields.len()
            );
        }
    }
}

#[test]
fn a_body_is_compressed_once() {
    let answer = answer(text(10_000));
    let headers = accepting("gzip");
    compressed(&answer, b"", &headers).unwrap();
    let slot = answer.deflated.as_ref().unwrap();
    let made = slot.get_or_make(answer.body.as_ref().unwrap(), |_| panic!("once more"));
    assert!(made.is_some());
}

#[test]
fn what_is_small_or_random_or_not_asked_for_is_sent_as_it_is() {
    let gzip = accepting("gzip");
    assert!(compressed(&answer(text(8_191)), b"", &gzip).is_none());
    let random: Vec<u8> = (0..10_000).map(|_| rand::random()).collect();
    assert!(compressed(&answer(random.into()), b"", &gzip).is_none());
    let body = answer(text(10_000));
    for headers in [
        HeaderMap::new(),
        accepting("identity"),
        accepting("xgzip, deflate"),
    ] {
        assert!(compressed(&body, b"", &headers).is_none());
    }
}
