//! What the fields of a challenge may hold: the one place for seeds, imports and edits.
//!
//! Text is kept as it is given. So it must come in Unicode's normalization form C, in which nearly
//! all software writes: two spellings of one letter would be two titles to every program that
//! compares bytes (Unicode Standard Annex #15).
use unicode_normalization::is_nfc;

/// The longest title, in characters: the column's width.
pub const TITLE_MAX_CHARS: usize = 200;
/// The longest description and the longest tip, in characters: a few pages. So a list of a hundred
/// challenges stays within the 4 MiB that most gRPC clients take, whatever alphabet it is in.
pub const TEXT_MAX_CHARS: usize = 5_000;
/// The most points.
pub const POINTS_MAX: i64 = 1_000;

/// A title: 1 to [`TITLE_MAX_CHARS`] characters on one line, not all of them blank.
pub(super) fn title(title: String) -> Result<String, String> {
    let chars = title.chars().count();
    if !(1..=TITLE_MAX_CHARS).contains(&chars) {
        let problem = format!("must be 1 to {TITLE_MAX_CHARS} characters, not {chars}");
        return Err(problem);
    }
    if is_blank(&title) {
        return Err("must not be blank".to_owned());
    }
    if title.chars().any(char::is_control) {
        return Err("must not have control characters".to_owned());
    }
    if title.contains(['\u{2028}', '\u{2029}']) {
        return Err("must be one line, without U+2028 and U+2029".to_owned());
    }
    ended(composed(title)?)
}

/// A description or a tip: at most [`TEXT_MAX_CHARS`] characters; line breaks (\n) and tabs are the only
/// control characters.
pub(super) fn text(text: String) -> Result<String, String> {
    let chars = text.chars().count();
    if chars > TEXT_MAX_CHARS {
        let problem = format!("must be at most {TEXT_MAX_CHARS} characters, not {chars}");
        return Err(problem);
    }
    let is_bad = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if text.chars().any(is_bad) {
        let problem = r"must not have control characters but line breaks (\n) and tabs";
        return Err(problem.to_owned());
    }
    if !text.trim().is_empty() && is_blank(&text) {
        return Err("must have something to see, or be empty".to_owned());
    }
    ended(composed(text)?)
}

/// Whether there is nothing to see.
fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || is_invisible(c))
}

/// Characters of which fonts show nothing: those that the Unicode Standard (5.21) has ignored by default, and the
/// mark that puts a key around a digit.
#[must_use]
pub const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{20e3}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Refuses a turn of direction that goes on behind the text or the line that has it: what follows there would read
/// backwards (Unicode Standard Annex #9).
fn ended(text: String) -> Result<String, String> {
    let is_ended = text.lines().all(|line| {
        let (mut embedded, mut isolated) = (0_u32, 0_u32);
        for c in line.chars() {
            match c {
                '\u{202a}' | '\u{202b}' | '\u{202d}' | '\u{202e}' => embedded += 1,
                '\u{202c}' => embedded = embedded.saturating_sub(1),
                '\u{2066}'..='\u{2068}' => isolated += 1,
                '\u{2069}' => isolated = isolated.saturating_sub(1),
                _ => {}
            }
        }
        (embedded, isolated) == (0, 0)
    });
    let problem =
        "must end every change of direction (U+202A to U+202E, U+2066 to U+2068) on its line";
    is_ended.then_some(text).ok_or_else(|| problem.to_owned())
}

fn composed(text: String) -> Result<String, String> {
    let problem = "must be in Unicode normalization form C (NFC); text is kept as given";
    is_nfc(&text)
        .then_some(text)
        .ok_or_else(|| problem.to_owned())
}

/// The points, 0 to [`POINTS_MAX`].
pub(super) fn points(given: i64) -> Result<i32, String> {
    i32::try_from(given)
        .ok()
        .filter(|_| (0..=POINTS_MAX).contains(&given))
        .ok_or_else(|| format!("must be 0 to {POINTS_MAX}, not {given}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_one_line_that_says_something() {
        for good in [
            "x",
            "Größe",
            "日本語",
            "👩\u{200d}👩\u{200d}👧 ❤\u{fe0f}",
            "שלום",
            "می\u{200c}خواهم",
            "\u{2067}שלום\u{2069} x",
            "\u{202b}שלום\u{202c} x",
            &"ä".repeat(TITLE_MAX_CHARS),
        ] {
            assert!(title(good.to_owned()).is_ok(), "{good}");
        }
        for bad in [
            "",
            " ",
            "a\nb",
            "a\u{85}b",
            "\u{200b}",
            " \u{2060}\u{fe0f}",
            "a\u{2028}b",
            "a\u{2029}b",
            "\u{202e}txt.exe",
            "\u{2067}a",
            "Gro\u{308}ße",
            &"x".repeat(TITLE_MAX_CHARS + 1),
        ] {
            assert!(title(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_text_may_be_empty_and_have_lines_but_no_other_controls() {
        for good in [
            "",
            "\n",
            "a\n\tb",
            "a\u{2028}b",
            &"ä".repeat(TEXT_MAX_CHARS),
        ] {
            assert!(text(good.to_owned()).is_ok());
        }
        for bad in [
            "a\r\nb",
            "\0",
            "e\u{301}",
            "\u{200b}",
            "\u{202e}a\nb\u{202c}",
            &"x".repeat(TEXT_MAX_CHARS + 1),
        ] {
            assert!(text(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn points_are_between_nothing_and_a_thousand() {
        assert_eq!((points(0), points(1_000)), (Ok(0), Ok(1_000)));
        for bad in [-1, 1_001, i64::MAX, i64::MIN] {
            assert!(points(bad).is_err(), "{bad}");
        }
    }
}
