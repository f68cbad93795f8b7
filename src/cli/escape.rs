//! Makes text from the server harmless for a terminal: the one rule for every output.
use std::fmt::Write;

/// The text with `\n`, `\u{1b}` and the like in place of characters that break a line, steer a
/// terminal or turn the order of letters.
pub(super) fn clean(text: &str) -> String {
    escaped(text, is_unsafe)
}

/// As [`clean`], for text that may have several lines.
pub(super) fn clean_lines(text: &str) -> String {
    escaped(text, |c| c != '\n' && is_unsafe(c))
}

/// JSON that says the same without such characters. All of them stand within strings, but for the
/// line breaks between values.
pub(super) fn json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && is_unsafe(c) {
            // Writing to a string cannot fail.
            let _ = write!(safe, "\\u{:04x}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Whether no such character is in several lines of text.
pub(super) fn is_clean(text: &str) -> bool {
    !text.contains(|c| c != '\n' && is_unsafe(c))
}

fn escaped(text: &str, is_unsafe: impl Fn(char) -> bool) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// C0, DEL and C1, the separators of lines and paragraphs, and Unicode's `Bidi_Control`.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_shown_as_an_escape() {
        assert_eq!(clean("a\tb\n\u{1b}[31mc"), "a\\tb\\n\\u{1b}[31mc");
        assert_eq!(clean_lines("a\tb\nc"), "a\\tb\nc");
        assert_eq!(clean("\u{9b}31m \u{202e}evil"), "\\u{9b}31m \\u{202e}evil");
        assert_eq!(clean("grüß dich 👋 שלום"), "grüß dich 👋 שלום");
    }

    #[test]
    fn json_with_escapes_says_the_same() {
        let text = "a\u{9b}b\u{202e}c\u{2028}\u{1b}";
        let safe = json(&serde_json::to_string_pretty(&[text]).unwrap());
        assert!(is_clean(&safe), "{safe}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&safe).unwrap(), [text]);
    }
}
