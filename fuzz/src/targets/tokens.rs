//! Tokens that callers bring back: of pages, of revisions, and for going on with a stream.
use challenges_catalog::{
    domain::{ChallengeId, Cursor, Difficulty, Epoch, ListQuery, PageSize, ResumePoint, TipKey},
    transport::{
        PageTokens,
        fuzzing::{
            page_token, read_page_token, read_resume_token, read_revision_token, resume_token,
            revision_token,
        },
    },
};

use crate::{
    input::{Input, with_byte},
    target::Target,
};

pub(super) const TARGET: Target = Target {
    name: "tokens",
    words: &["AAAA", "____", "=", "\x01", "ä"],
    memory_bytes: 256 << 10,
    check,
};

fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let tokens = PageTokens::new(b"key");
    match input.byte() % 4 {
        0 => any_text(&tokens, &input.text(), input.rest()),
        1 => page(&tokens, &mut input),
        2 => revision(&tokens, &mut input),
        _ => resumption(&mut input),
    }
}

fn query(number: u8) -> ListQuery {
    let difficulty = Difficulty::ALL.get(usize::from(number % 4)).copied();
    ListQuery::first(difficulty, PageSize::DEFAULT)
}

fn id(input: &mut Input<'_>) -> ChallengeId {
    let digits = format!("{:016x}{:016x}", input.long(), input.long());
    ChallengeId::parse(&digits).expect("32 digits")
}

/// A text that is taken for a token is the one that was given out for the same place.
fn any_text(tokens: &PageTokens, text: &str, bytes: &[u8]) {
    let is_none = text.is_empty();
    for query in [query(0), query(3)] {
        match read_page_token(tokens, &query, text) {
            Ok(Some(cursor)) => assert_eq!(page_token(tokens, &query, &cursor), text),
            Ok(None) => assert!(is_none),
            Err(_) => assert!(!is_none),
        }
    }
    match read_revision_token(tokens, None, text) {
        Ok(Some(number)) => assert_eq!(revision_token(tokens, None, number), text),
        Ok(None) => assert!(is_none),
        Err(_) => assert!(!is_none),
    }
    match read_resume_token(bytes) {
        None => assert!(bytes.is_empty()),
        // What cannot be read leads nowhere.
        Some(point) => assert!(resume_token(&point) == bytes || point.offset == u64::MAX),
    }
}

fn page(tokens: &PageTokens, input: &mut Input<'_>) {
    let (query, other) = {
        let number = input.byte();
        (query(number), query(number.wrapping_add(1)))
    };
    let cursor = Cursor {
        difficulty: Difficulty::ALL[usize::from(input.byte() % 3)],
        points: i32::from(input.short().cast_signed()),
        id: id(input),
        title: input.text(),
    };
    let token = page_token(tokens, &query, &cursor);
    assert_eq!(
        read_page_token(tokens, &query, &token).expect("ours"),
        Some(cursor)
    );
    assert!(
        read_page_token(tokens, &other, &token).is_err(),
        "other filters"
    );
    assert!(read_page_token(&PageTokens::new(b"other"), &query, &token).is_err());
    assert!(read_revision_token(tokens, None, &token).is_err());
    for changed in changed(&token, input) {
        let read = read_page_token(tokens, &query, &changed);
        assert!(read.is_err(), "{token} {changed}");
    }
}

fn revision(tokens: &PageTokens, input: &mut Input<'_>) {
    let challenge = Some(id(input)).filter(|_| input.byte().is_multiple_of(2));
    let number = input.long().cast_signed();
    let token = revision_token(tokens, challenge, number);
    assert_eq!(
        read_revision_token(tokens, challenge, &token).expect("ours"),
        Some(number)
    );
    let other = match challenge {
        Some(_) => None,
        None => Some(id(input)),
    };
    // The id of all ones stands for all challenges, and is no UUID of any version.
    if other.is_none_or(|it| !it.uuid().is_max()) && challenge.is_none_or(|it| !it.uuid().is_max())
    {
        assert!(read_revision_token(tokens, other, &token).is_err());
    }
    assert!(read_page_token(tokens, &query(3), &token).is_err());
    for changed in changed(&token, input) {
        let read = read_revision_token(tokens, challenge, &changed);
        assert!(read.is_err(), "{token} {changed}");
    }
}

/// The token with one character replaced, one left out, and one more.
fn changed(token: &str, input: &mut Input<'_>) -> Vec<String> {
    let (at, byte) = (
        usize::from(input.short()) % token.len(),
        input.byte() & 0x7f,
    );
    let replaced = with_byte(token.as_bytes(), at, byte);
    let replaced = replaced.and_then(|bytes| String::from_utf8(bytes).ok());
    let (mut shorter, mut longer) = (token.to_owned(), token.to_owned());
    shorter.remove(at);
    longer.insert(at, char::from(byte));
    [replaced, Some(shorter), Some(longer)]
        .into_iter()
        .flatten()
        .collect()
}

fn resumption(input: &mut Input<'_>) {
    let mut key = [0; 32];
    for (to, from) in key.iter_mut().zip(input.rest()) {
        *to = *from;
    }
    let point = ResumePoint {
        key: TipKey(key),
        epoch: Epoch(input.long()),
        offset: input.long(),
        prefix_hash: input.long().to_be_bytes(),
    };
    let token = resume_token(&point);
    assert_eq!(read_resume_token(&token), Some(point));
    for cut in 1..token.len() {
        let nowhere = read_resume_token(&token[..cut]).expect("a place");
        assert_eq!(nowhere.offset, u64::MAX);
    }
}
