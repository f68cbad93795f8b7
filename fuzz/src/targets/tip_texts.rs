//! Text that a provider writes, checked against the content policy while it comes.
use challenges_catalog::{llm::fuzzing::delimited, tips::fuzzing::shown};

use crate::{
    input::{Input, text_pieces},
    target::Target,
};

pub(super) const TARGET: Target = Target {
    name: "tip_texts",
    words: &[
        "http://",
        "www.",
        ".com",
        "@",
        "<",
        "</a",
        "](",
        "//",
        ":",
        "mailto:",
        "555-123-4567",
        "+49",
        "\r\n",
        "\n\n",
        "\t",
        "\u{200b}",
        "\u{2060}",
        "\u{3002}",
        "\u{ff0e}",
        "\u{202e}",
        "\u{2066}",
        "٠١٢",
        "\u{20e3}",
        "e.g.",
        "3.5",
        "24/7",
        "2026-11-29",
        "\u{fdfa}",
    ],
    memory_bytes: 1 << 20,
    check,
};

const MAX_BYTES: usize = 2_000;

fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let seed = input.byte();
    let text = input.text();
    let whole = shown(std::iter::once(text.as_str()), MAX_BYTES);
    let in_pieces = shown(text_pieces(&text, seed).into_iter(), MAX_BYTES);
    assert_eq!(whole.1, in_pieces.1, "in pieces");
    // In one piece, nothing is given on before a violation.
    if whole.1.is_none() {
        assert_eq!(whole.0, in_pieces.0, "in pieces");
    }
    assert!(in_pieces.0.len() <= MAX_BYTES);
    // What was given on is clean by itself, and has the shape in which tips are kept.
    let again = shown(std::iter::once(in_pieces.0.as_str()), MAX_BYTES);
    assert_eq!(again.1, None, "{:?}", in_pieces.0);
    if whole.1.is_none() {
        assert_eq!(again.0, in_pieces.0);
    }
    is_fenced(&text);
}

/// No text of others can end the block that it stands in.
fn is_fenced(text: &str) {
    let block = delimited(text, 500);
    let (open, rest) = block.split_once('\n').expect("a tag on its line");
    let (inner, close) = rest.rsplit_once('\n').expect("a tag on its line");
    assert_eq!(open.strip_prefix('<'), close.strip_prefix("</"));
    assert!(!inner.contains(['<', '>']), "{inner}");
    assert!(
        !inner.chars().any(|c| c.is_control() && c != '\n'),
        "{inner:?}"
    );
    assert!(inner.chars().count() <= 501);
}
