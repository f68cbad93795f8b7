//! Halves of UTF-16 characters that gateways cut apart.
use std::borrow::Cow;

/// JSON writes a character beyond the first 65 536 as two escapes, the halves of a surrogate pair.
/// Gateways that cut a text by UTF-16 units put one half at the end of a piece and the other at the
/// beginning of the next. A half alone is no character, so until it is joined one of these stands
/// for it: the last of a range that is for private use, which is unassigned.
const STAND_INS: u32 = 0x10_F800;
const HALVES: u32 = 0xD800;
const LOW_HALVES: u32 = 0xDC00;
/// `\u` and four digits.
const ESCAPE_BYTES: usize = 6;

/// The same JSON with a stand-in for every half that stands alone, which no parser would take.
pub(super) fn without_lone_halves(json: &str) -> Cow<'_, str> {
    if !json.contains("\\ud") && !json.contains("\\uD") {
        return Cow::Borrowed(json);
    }
    let mut mended = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(start) = rest.find('\\') {
        let (before, escape) = rest.split_at(start);
        mended.push_str(before);
        let length = match (
            half_at(escape),
            escape.get(ESCAPE_BYTES..).and_then(half_at),
        ) {
            (Some(high), Some(low)) if !is_low(high) && is_low(low) => 2 * ESCAPE_BYTES,
            (Some(half), _) => {
                mended.extend(char::from_u32(STAND_INS + half - HALVES));
                rest = escape.get(ESCAPE_BYTES..).unwrap_or_default();
                continue;
            }
            // The backslash, and the character that it escapes.
            (None, _) => escape.chars().take(2).map(char::len_utf8).sum(),
        };
        let (kept, after) = escape.split_at(length);
        mended.push_str(kept);
        rest = after;
    }
    mended.push_str(rest);
    Cow::Owned(mended)
}

/// The half that an escape at the beginning of `text` stands for.
fn half_at(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let unit = u32::from_str_radix(digits, 16).ok()?;
    (HALVES..0xE000).contains(&unit).then_some(unit)
}

fn is_low(half: u32) -> bool {
    half >= LOW_HALVES
}

/// Joins the halves of characters that were cut in two.
#[derive(Debug, Default)]
pub(super) struct HalfJoiner {
    /// The first half of a character, whose second is in the next piece.
    high: Option<u32>,
}

impl HalfJoiner {
    /// The next piece, with what was cut off the one before. A half that has lost its other becomes
    /// the character that stands for what cannot be shown.
    pub(super) fn join<'a>(&mut self, piece: &'a str) -> Cow<'a, str> {
        let is_whole = self.high.is_none() && piece.chars().all(|c| stood_for(c).is_none());
        if is_whole || piece.is_empty() {
            return Cow::Borrowed(piece);
        }
        let mut joined = String::with_capacity(piece.len());
        for c in piece.chars() {
            let half = stood_for(c);
            match (self.high.take(), half) {
                (Some(high), Some(low)) if is_low(low) => joined.push(pair(high, low)),
                (high, half) => {
                    joined.extend(high.map(|_| char::REPLACEMENT_CHARACTER));
                    self.high = half.filter(|half| !is_low(*half));
                    match half {
                        None => joined.push(c),
                        Some(half) if is_low(half) => joined.push(char::REPLACEMENT_CHARACTER),
                        Some(_) => {}
                    }
                }
            }
        }
        Cow::Owned(joined)
    }
}

/// The half that a character stands for.
fn stood_for(c: char) -> Option<u32> {
    u32::from(c).checked_sub(STAND_INS).map(|at| at + HALVES)
}

fn pair(high: u32, low: u32) -> char {
    let code = 0x1_0000 + ((high - HALVES) << 10) + (low - LOW_HALVES);
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(pieces: &[&str]) -> String {
        let mut joiner = HalfJoiner::default();
        let texts = pieces.iter().map(|piece| {
            let json = format!("\"{piece}\"");
            let text: String = serde_json::from_str(&without_lone_halves(&json)).unwrap();
            joiner.join(&text).into_owned()
        });
        texts.collect()
    }

    #[test]
    fn a_character_that_was_cut_in_two_is_joined() {
        for pieces in [
            &[r"Hi \ud83d", r"\ude42!"][..],
            &[r"Hi \uD83D", "", r"\uDE42!"],
            &[r"Hi \ud83d\ude42", "!"],
            &["Hi 🙂!"],
        ] {
            assert_eq!(joined(pieces), "Hi 🙂!", "{pieces:?}");
        }
        assert_eq!(joined(&[r"\ud83d", r"\ude42\ud83d", r"\ude42"]), "🙂🙂");
    }

    #[test]
    fn a_half_that_lost_its_other_is_shown_as_what_it_is() {
        assert_eq!(joined(&[r"a\ud83d", "b"]), "a\u{FFFD}b");
        assert_eq!(joined(&[r"a\ude42b"]), "a\u{FFFD}b");
        assert_eq!(joined(&[r"\ud83d\ud83d\ude42"]), "\u{FFFD}🙂");
        assert_eq!(joined(&[r"the end \ud83d"]), "the end ");
    }

    #[test]
    fn an_escaped_backslash_is_no_escape_and_other_escapes_stay() {
        for json in [
            r#""\\ud83d""#,
            r#""\u00e9 \n \" \ud83d\ude42""#,
            r#""\ud8"#,
            "\"\\",
        ] {
            assert_eq!(without_lone_halves(json), json);
        }
    }
}
