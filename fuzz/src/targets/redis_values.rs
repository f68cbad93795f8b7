//! What lies in Redis, where other programs may write too: entries of the cache, and messages about tips.
use std::sync::OnceLock;

use bytes::Bytes;
use challenges_catalog::{
    cache::fuzzing::reread,
    domain::{AnswerEncoder, Stamp},
    redis::MacKey,
    tips::fuzzing::TipMessages,
    transport::{PageTokens, ProtoEncoder},
};

use crate::{
    input::{Input, block_on, with_byte},
    target::Target,
};

pub(super) const TARGET: Target = Target {
    name: "redis_values",
    words: &[
        "P",
        "A",
        "L",
        "0000000300000000000004d2",
        "9 3 D 12\n",
        "9 3 E 0\n",
        "9 3 X 0\n",
        "9 3 R 0\n",
        "restart",
        "rules",
        "{\"text\":",
        "\"sha256\":",
        "\0\0\0\0",
        "18446744073709551615",
        "+5",
    ],
    // The first input has the encoder made.
    memory_bytes: 1 << 20,
    check,
};

const KEY: &str = "key";

fn mac() -> MacKey {
    MacKey::new(&[1; 32])
}

fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let mode = input.byte();
    match mode % 5 {
        0 => assert_eq!(
            reread(&Bytes::copy_from_slice(input.rest()), KEY, &mac()),
            None
        ),
        1 => entry(&mut input),
        2 => assert!(messages().text(input.rest()).is_none(), "nobody sealed it"),
        3 => message(&mut input),
        _ => subject(input.rest()),
    }
}

/// An entry with a code of the fleet, whatever it says: it is read as it is, or not at all.
fn entry(input: &mut Input<'_>) {
    let (at, byte) = (usize::from(input.short()), input.byte());
    let Some((stamp, coded)) = input.rest().split_first_chunk::<{ Stamp::HEX_LEN }>() else {
        return;
    };
    let code = mac().code(&[coded, stamp, KEY.as_bytes()]);
    let sealed = [&stamp[..], &code, coded].concat();
    let read = |bytes: &[u8]| reread(&Bytes::copy_from_slice(bytes), KEY, &mac());
    if let Some(written) = read(&sealed) {
        let rest = Stamp::HEX_LEN + MacKey::BYTES;
        assert_eq!(written[rest..], sealed[rest..]);
        assert_eq!(written[..Stamp::HEX_LEN], stamp.to_ascii_lowercase());
        assert_eq!(read(&written), Some(written));
    }
    assert_eq!(reread(&sealed.clone().into(), "other", &mac()), None);
    if let Some(changed) = with_byte(&sealed, at, byte) {
        assert_eq!(read(&changed), None, "changed at {at}");
    }
}

fn messages() -> &'static TipMessages {
    static MESSAGES: OnceLock<TipMessages> = OnceLock::new();
    MESSAGES.get_or_init(|| {
        block_on(async { TipMessages::new(mac()) }).expect("a client that connects to nothing")
    })
}

/// A message about a tip with a code of the fleet: `<epoch> <number> <kind> <offset>`, a line break, and the payload.
fn message(input: &mut Input<'_>) {
    let (at, byte) = (usize::from(input.short()), input.byte());
    let Some(end) = input.rest().iter().position(|byte| *byte == b'\n') else {
        return;
    };
    let (head, payload) = input.rest().split_at(end);
    let Ok(head) = std::str::from_utf8(head) else {
        return;
    };
    let payload = &payload[1..];
    let words: Vec<_> = head.split(' ').collect();
    let [epoch, number, kind, offset] = words.as_slice() else {
        return;
    };
    let place = match *kind {
        "D" => format!("{epoch}-{number} {offset}"),
        _ => String::new(),
    };
    let scope = messages().scope().as_bytes();
    let code = mac().code(&[payload, scope, kind.as_bytes(), place.as_bytes()]);
    let code: &[u8] = if *kind == "R" { &[] } else { &code };
    let sealed = [head.as_bytes(), b"\n", code, payload].concat();
    let Some(written) = messages().reread(&sealed) else {
        return;
    };
    assert_eq!(messages().text(&written), messages().text(&sealed));
    assert_eq!(messages().reread(&written).as_ref(), Some(&written));
    if let Some(changed) = with_byte(&sealed, at, byte)
        && let Some(text) = messages().text(&changed)
    {
        // The numbers of an end are no part of its seal: it means the same wherever it stands.
        assert_eq!(Some(text), messages().text(&sealed), "changed at {at}");
    }
}

/// What a tip is about, as the cache keeps it.
fn subject(body: &[u8]) {
    static ENCODER: OnceLock<ProtoEncoder> = OnceLock::new();
    let encoder = ENCODER.get_or_init(|| ProtoEncoder::new(PageTokens::new(b"key")));
    let Some(subject) = encoder.read_subject(&Bytes::copy_from_slice(body)) else {
        return;
    };
    let written = encoder.subject(&subject);
    assert_eq!(encoder.read_subject(&written), Some(subject));
}
