//! What an error repeats of a text that is wrong.

/// How many characters of an invalid text an error repeats.
const SHOWN_CHARS: usize = 40;

/// The beginning of a text, with nothing in it that a terminal would obey.
pub(super) fn shown(text: &str) -> String {
    let beginning: String = text.chars().take(SHOWN_CHARS).collect();
    let more = if beginning.len() < text.len() {
        "…"
    } else {
        ""
    };
    format!("{}{more}", beginning.escape_debug())
}

/// The same in quotation marks.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", shown(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_beginning_of_a_text_is_repeated() {
        assert_eq!(quoted("e\u{1b}\"x"), r#""e\u{1b}\"x""#);
        assert_eq!(shown(&"ä".repeat(40)), "ä".repeat(40));
        assert_eq!(shown(&"ä".repeat(41)), format!("{}…", "ä".repeat(40)));
    }
}
