//! Whole numbers in the queries of the old routes, read as pydantic 2.5 reads them from text.

/// Texts of more bytes are not read.
const BYTES_MAX: usize = 4300;
/// From so many bytes on, pydantic reads by another library, which takes more underscores.
const LONG: usize = 19;

/// What a text is, as a whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    /// This; the largest or the least that there is for one beyond.
    Whole(i64),
    /// Too long to be read.
    TooLong,
    /// No number.
    Unreadable,
}

/// Reads digits with or without a sign, with zeros behind a dot, or with underscores between them; no spaces, and
/// no digits but those of ASCII.
pub(super) fn whole(text: &str) -> Number {
    if text.len() > BYTES_MAX {
        return Number::TooLong;
    }
    let is_long = text.len() >= LONG;
    let read = |text: &str| {
        let number = if is_long { long(text) } else { short(text) };
        number.map_or(Number::Unreadable, Number::Whole)
    };
    match read(text) {
        Number::Unreadable => {}
        number @ (Number::Whole(_) | Number::TooLong) => return number,
    }
    if let Some((before, zeros)) = text.split_once('.')
        && zeros.bytes().all(|it| it == b'0')
    {
        return read(before);
    }
    let has_plain_underscores = text.contains('_')
        && !(text.starts_with('_') || text.ends_with('_') || text.contains("__"));
    if has_plain_underscores {
        return read(&text.replace('_', ""));
    }
    Number::Unreadable
}

fn short(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    digits_of(text, digits)
}

/// Underscores may stand anywhere but before the first digit.
fn long(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.starts_with('_') {
        return None;
    }
    digits_of(text, &digits.replace('_', ""))
}

/// The number of `digits`, which are negative if `text` is.
fn digits_of(text: &str, digits: &str) -> Option<i64> {
    if digits.is_empty() || !digits.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    let beyond = if text.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    };
    let sign = if text.starts_with('-') { "-" } else { "" };
    Some(format!("{sign}{digits}").parse().unwrap_or(beyond))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zeros(count: usize) -> String {
        "0".repeat(count)
    }

    #[test]
    fn digits_signs_decimal_zeros_and_underscores_are_read() {
        for (text, number) in [
            ("5", 5),
            ("+5", 5),
            ("-5", -5),
            ("-0", 0),
            ("005", 5),
            ("5.", 5),
            ("5.00", 5),
            ("1_00", 100),
            ("+_5", 5),
            ("-_5", -5),
            ("9223372036854775808", i64::MAX),
            ("-9223372036854775809", i64::MIN),
        ] {
            assert_eq!(whole(text), Number::Whole(number), "{text}");
        }
    }

    #[test]
    fn a_long_text_may_have_more_underscores() {
        for text in [
            format!("{}__5", zeros(20)),
            format!("{}5_", zeros(20)),
            format!("+_{}5", zeros(20)),
            format!("{}_5.0", zeros(16)),
            format!("{}5.{}", zeros(4200), zeros(98)),
        ] {
            assert_eq!(whole(&text), Number::Whole(5), "{text}");
        }
    }

    #[test]
    fn nothing_else_is_a_number() {
        let long_ones = [
            format!("_{}5", zeros(20)),
            format!("+__{}5", zeros(20)),
            format!("++{}5", zeros(20)),
            format!("-+{}5", zeros(20)),
            format!("{}+5", zeros(20)),
            format!(" {}5", zeros(20)),
        ];
        let short_ones = [
            "", " ", "+", "-", ".", "..", "_", " 5", "5 ", "+ 5", "++5", "+-5", "5.1", ".0", "-.0",
            "5_", "_5", "5__0", "1_0.0", "5.0_0", "5.0.0", "0x10", "1e1", "5\0", "\u{665}",
            "\u{ff15}", "5\u{a0}", "NaN", "true",
        ];
        let long_ones = long_ones.iter().map(String::as_str);
        for text in short_ones.into_iter().chain(long_ones) {
            assert_eq!(whole(text), Number::Unreadable, "{text}");
        }
    }

    #[test]
    fn length_is_counted_in_bytes_and_before_anything_else() {
        assert_eq!(whole(&format!("{}5", zeros(4299))), Number::Whole(5));
        assert_eq!(whole(&format!("{}5", zeros(4300))), Number::TooLong);
        assert_eq!(whole(&"\u{e9}".repeat(2150)), Number::Unreadable);
        assert_eq!(whole(&"\u{e9}".repeat(2151)), Number::TooLong);
    }
}
