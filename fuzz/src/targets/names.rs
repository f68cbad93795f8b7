//! Ids, versions, tags and names, as callers and databases write them.
use std::{fmt::Display, str::FromStr};

use challenges_catalog::domain::{
    CallerId, ChallengeId, Difficulty, Locale, PersonaName, Role, Stamp, Tag, Version,
};

use crate::{input::Input, target::Target};

pub(super) const TARGET: Target = Target {
    name: "names",
    words: &[
        "5f0c1d4e-8a53-4f0e-9d6b-0c8f6f1a2b01",
        "-",
        "challenge:",
        "difficulty:",
        "challenges",
        "flags",
        "beginner",
        "0123456789abcdef-0000000a0000000000000f09",
        "viewer",
        "de-CH",
        "zh-Hans",
        "=",
        "ä",
        "connell",
        "urn:uuid:",
        "{",
    ],
    memory_bytes: 64 << 10,
    check,
};

fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let at = usize::from(input.byte());
    let text = input.text();
    if let Ok(id) = ChallengeId::parse(&text) {
        assert_eq!(ChallengeId::parse(&id.to_string()), Ok(id));
        assert_eq!(
            text.replace('-', "").to_ascii_lowercase(),
            id.uuid().as_simple().to_string()
        );
    }
    if let Some(version) = reads_back::<Version>(&text) {
        assert_eq!(version.to_string(), text.to_ascii_lowercase());
    }
    reads_back::<Stamp>(&text);
    reads_back::<Tag>(&text);
    reads_back::<Role>(&text);
    reads_back::<Difficulty>(&text);
    reads_back::<Locale>(&text);
    reads_back::<PersonaName>(&text);

    let middle = text.floor_char_boundary(at);
    let (one, other) = text.split_at(middle);
    for name in [&text, one, other].map(CallerId::name_like) {
        assert!(name.is_empty() || CallerId::is_name(&name), "{name}");
    }
    let same = CallerId::name_like(&text) == CallerId::name_like(one);
    assert_eq!(
        same,
        text == one,
        "two owners of one name: {text:?} {one:?}"
    );
}

/// What was read, which is read again as it is shown.
fn reads_back<T>(text: &str) -> Option<T>
where
    T: FromStr<Err = String> + Display + PartialEq + std::fmt::Debug,
{
    let read: T = match text.parse() {
        Ok(read) => read,
        Err(problem) => {
            assert!(
                problem.len() < 700,
                "an error that repeats it all: {problem}"
            );
            return None;
        }
    };
    assert_eq!(
        read.to_string().parse().ok().as_ref(),
        Some(&read),
        "{text:?}"
    );
    Some(read)
}
