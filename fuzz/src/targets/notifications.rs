//! Payloads of PostgreSQL's NOTIFY, by which replicas tell each other what changed, and which any role may send.
use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use challenges_catalog::{
    domain::DatabaseId,
    repository::fuzzing::{announced, announcing},
};
use ring::hmac;

use crate::{
    input::{Input, with_byte},
    target::Target,
};

pub(super) const TARGET: Target = Target {
    name: "notifications",
    words: &[
        "news1 ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\"database\":\"0123456789abcdef\"",
        "\"timeline\":",
        "\"after\":",
        "\"head\":",
        "\"is_awaited\":true",
        "\"changes\":[",
        "[11,\"challenges\",true]",
        "\"difficulty:beginner\"",
        "18446744073709551615",
        "4294967296",
        "-1",
        "null",
    ],
    memory_bytes: 256 << 10,
    check,
};

const KEY: [u8; 32] = [7; 32];

fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let is_sealed = input.byte() % 2 == 1;
    let (at, byte) = (usize::from(input.short()), input.byte());
    let text = input.text();
    if !is_sealed {
        assert_eq!(announced(&text, &KEY), None, "nobody sealed it");
        return;
    }
    let payload = sealed(&text);
    let Some(announcement) = announced(&payload, &KEY) else {
        return;
    };
    // The default id stands for no database, of which nothing is announced.
    let is_ours = announcement.head.database != DatabaseId::default();
    if let Some(again) = announcing(&announcement, &KEY).filter(|_| is_ours) {
        assert_eq!(announced(&again, &KEY), Some(announcement));
    }
    assert_eq!(announced(&payload, &[8; 32]), None, "another fleet's");
    let changed = with_byte(payload.as_bytes(), at, byte);
    if let Some(Ok(changed)) = changed.map(String::from_utf8) {
        assert_eq!(announced(&changed, &KEY), None, "changed at {at}");
    }
}

/// The text as a replica of the fleet would send it.
fn sealed(text: &str) -> String {
    let key = |bytes: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, bytes);
    let derived = hmac::sign(&key(&KEY), b"challenges-catalog announcement 1");
    let code = hmac::sign(&key(derived.as_ref()), text.as_bytes());
    format!("news1 {} {text}", BASE64_STANDARD_NO_PAD.encode(code))
}
