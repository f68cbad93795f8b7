//! Certificates of clients, and the patterns for names in them.
use challenges_catalog::access::fuzzing::{certificate_names, matches};

use crate::{input::Input, target::Target};

pub(super) const TARGET: Target = Target {
    name: "certificates",
    words: &["spiffe://prod/ns/", "*", "*.", ".example", "\n"],
    memory_bytes: 256 << 10,
    check,
};

fn check(data: &[u8]) {
    let mut input = Input::new(data);
    if input.byte().is_multiple_of(2) {
        for name in certificate_names(input.rest()) {
            assert!(name.len() <= data.len());
            assert!(matches("*.example", &name).is_ok());
        }
        return;
    }
    let text = input.text();
    let (pattern, name) = text.split_once('\n').unwrap_or((&text, ""));
    let Ok(is_match) = matches(pattern, name) else {
        return;
    };
    assert_eq!(is_match, expected(pattern, name), "{pattern:?} {name:?}");
}

/// What `docs/access.md` says of patterns: the name itself, `*.` for one label, or the beginning of a URI.
fn expected(pattern: &str, name: &str) -> bool {
    let pattern = if pattern.contains("://") {
        pattern.to_owned()
    } else {
        pattern.to_ascii_lowercase()
    };
    if let Some(end) = pattern.strip_prefix("*.") {
        let label = name.split_once('.').filter(|(_, rest)| *rest == end);
        return label.is_some_and(|(label, _)| !label.is_empty() && !label.contains([':', '/']));
    }
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}
