//! Streams of server-sent events, as providers send them.
use challenges_catalog::{domain::FailureKind, llm::fuzzing::events};

use crate::{
    input::{Input, block_on, pieces},
    target::Target,
};

pub(super) const TARGET: Target = Target {
    name: "events",
    words: &[
        "data: ",
        "data:",
        "data",
        "event: x",
        "id: 7",
        "retry: 10",
        ": ",
        ":",
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        "\u{feff}",
        "{",
        "[",
        "<",
        "ä",
        "\u{2028}",
        "\0",
    ],
    memory_bytes: 1 << 20,
    check,
};

fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let seed = input.byte();
    let body = input.rest();
    let whole = block_on(events(pieces(body, 1)));
    let in_pieces = block_on(events(pieces(body, seed)));
    assert_eq!(whole, in_pieces, "in pieces");
    if let Ok(text) = std::str::from_utf8(body) {
        assert_eq!(whole, expected(text), "by the standard");
    }
}

/// What the HTML standard (section 9.2.6) makes of a stream; and JSON, or a page, that stands in its place.
fn expected(text: &str) -> Vec<Result<String, FailureKind>> {
    match text.trim_ascii_start().chars().next() {
        Some('{' | '[') => return vec![Ok(text.to_owned())],
        Some('<') => return vec![Err(FailureKind::Malformed)],
        Some(_) | None => {}
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let (mut events, mut data) = (Vec::new(), Vec::new());
    // What stands behind the last line break is no line.
    let Some((lines, _)) = text.rsplit_once('\n') else {
        return events;
    };
    for line in lines.split('\n') {
        if line.is_empty() {
            let event = std::mem::take(&mut data).join("\n");
            if !event.is_empty() {
                events.push(Ok(event));
            }
        } else if line == "data" {
            data.push("");
        } else if let Some(value) = line.strip_prefix("data:") {
            data.push(value.strip_prefix(' ').unwrap_or(value));
        }
    }
    events
}
