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
    if title.trim().is_empty() {
        return Err("must not be blank".to_owned());
    }
    if title.chars().any(char::is_control) {
        return Err("must not have control characters".to_owned());
    }
    composed(title)
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
    composed(text)
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
        for good in ["x", "Größe", "日本語", &"ä".repeat(TITLE_MAX_CHARS)] {
            assert!(title(good.to_owned()).is_ok(), "{good}");
        }
        for bad in [
            "",
            " ",
            "a\nb",
            "a\u{85}b",
            "Gro\u{308}ße",
            &"x".repeat(TITLE_MAX_CHARS + 1),
        ] {
            assert!(title(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_text_may_be_empty_and_have_lines_but_no_other_controls() {
        for good in ["", "a\n\tb", &"ä".repeat(TEXT_MAX_CHARS)] {
            assert!(text(good.to_owned()).is_ok());
        }
        for bad in ["a\r\nb", "\0", "e\u{301}", &"x".repeat(TEXT_MAX_CHARS + 1)] {
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
