//! Percent decoding that refuses what other decoders guess at: each text that is accepted has one meaning.
use std::borrow::Cow;

/// The text behind percent encoding; `+` stands for a space in a query, and for itself in a path.
///
/// # Errors
///
/// A sentence that says what is wrong: a `%` without two hexadecimal digits, bytes that are no UTF-8, a NUL.
pub(super) fn decode(text: &str, plus_is_space: bool) -> Result<Cow<'_, str>, &'static str> {
    let is_plain = |byte: u8| byte != b'%' && byte != 0 && !(plus_is_space && byte == b'+');
    if text.bytes().all(is_plain) {
        return Ok(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let digits = (bytes.next().and_then(hex), bytes.next().and_then(hex));
                let (Some(high), Some(low)) = digits else {
                    return Err("must have two hexadecimal digits behind each %");
                };
                high << 4 | low
            }
            b'+' if plus_is_space => b' ',
            byte => byte,
        };
        if byte == 0 {
            return Err("must not contain a NUL");
        }
        decoded.push(byte);
    }
    let decoded = String::from_utf8(decoded);
    decoded.map(Cow::Owned).map_err(|_| "must be UTF-8")
}

fn hex(digit: u8) -> Option<u8> {
    let digit = char::from(digit).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded_once() {
        assert_eq!(decode("a%20b%2525", false).unwrap(), "a b%25");
        assert_eq!(decode("%c3%A4+", false).unwrap(), "ä+");
        assert_eq!(decode("a+b%2B", true).unwrap(), "a b+");
        assert!(matches!(decode("plain", true), Ok(Cow::Borrowed("plain"))));
    }

    #[test]
    fn what_has_no_or_two_meanings_is_refused() {
        for (text, problem) in [
            ("%", "two hexadecimal digits"),
            ("%4", "two hexadecimal digits"),
            ("%zz", "two hexadecimal digits"),
            ("%+1", "two hexadecimal digits"),
            ("a%é1", "two hexadecimal digits"),
            ("%00", "NUL"),
            ("\0", "NUL"),
            ("%ff", "UTF-8"),
            // The overlong forms of / and NUL, a surrogate, and a beginning without an end.
            ("%c0%af", "UTF-8"),
            ("%c0%80", "UTF-8"),
            ("%ed%a0%80", "UTF-8"),
            ("%e2%82", "UTF-8"),
        ] {
            let refused = decode(text, false).unwrap_err();
            assert!(refused.contains(problem), "{text}: {refused}");
        }
    }
}
