//! Paths and queries of the old routes, read as Python reads them (`urllib.parse`): no bytes are wrong, and what is no
//! UTF-8 becomes U+FFFD.

/// The value of `name` in a query: the last one, if there are several; empty where there is a name alone.
pub(super) fn last_value(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut named = pairs.filter_map(|pair| {
        let (this, value) = pair.split_once('=').unwrap_or((pair, ""));
        (of_query(this) == name).then_some(value)
    });
    named.next_back().map(of_query)
}

/// A path without percent encoding.
pub(super) fn path(path: &str) -> String {
    if path.contains('%') {
        decoded(path.bytes())
    } else {
        path.to_owned()
    }
}

fn of_query(text: &str) -> String {
    let spaced = text.bytes().map(|it| if it == b'+' { b' ' } else { it });
    decoded(spaced)
}

/// Decodes what is percent-encoded, as UTF-8. A byte that should have been encoded is a character of Latin-1 by itself.
fn decoded(bytes: impl Iterator<Item = u8>) -> String {
    let bytes: Vec<u8> = bytes.collect();
    let mut rest = bytes.as_slice();
    let mut text = String::with_capacity(bytes.len());
    // Not yet text: what is encoded goes on from one to the next.
    let mut run = Vec::new();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if !first.is_ascii() {
            text.push_str(&String::from_utf8_lossy(&run));
            run.clear();
            text.push(char::from(*first));
            continue;
        }
        match (first, encoded_byte(behind)) {
            (b'%', Some((byte, behind))) => {
                run.push(byte);
                rest = behind;
            }
            (first, _) => run.push(*first),
        }
    }
    text.push_str(&String::from_utf8_lossy(&run));
    text
}

/// The byte that two hexadecimal digits at the beginning stand for, and what is behind them.
fn encoded_byte(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, behind) = bytes.split_at_checked(2)?;
    let digits = str::from_utf8(digits).ok()?;
    // A sign is no digit here.
    let are_digits = digits.bytes().all(|it| it.is_ascii_hexdigit());
    let byte = u8::from_str_radix(digits, 16).ok()?;
    are_digits.then_some((byte, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_several_values_counts_and_a_blank_one_is_one() {
        for (query, value) in [
            ("", None),
            ("&&", None),
            ("other=1", None),
            ("Limit=1", None),
            ("limit", Some("")),
            ("limit=", Some("")),
            ("limit=1&limit=2", Some("2")),
            ("limit=1&limit", Some("")),
            ("limit=1=2", Some("1=2")),
            ("a;limit=1", None),
            ("%6cimit=%31", Some("1")),
            ("+limit=1&limit+=1", None),
        ] {
            assert_eq!(last_value(query, "limit").as_deref(), value, "{query}");
        }
    }

    #[test]
    fn a_value_is_decoded_as_python_decodes_it() {
        for (value, text) in [
            ("a+b%20c%2B", "a b c+"),
            ("%zz%4%", "%zz%4%"),
            ("%+1%2", "% 1%2"),
            ("%c3%a9\u{e9}", "\u{e9}\u{c3}\u{a9}"),
            ("%c3\u{e9}%a9", "\u{fffd}\u{c3}\u{a9}\u{fffd}"),
            ("%c0%80", "\u{fffd}\u{fffd}"),
            ("%ed%a0%80", "\u{fffd}\u{fffd}\u{fffd}"),
            ("%f0%9f%98", "\u{fffd}"),
            ("%f0%9f%98%80", "\u{1f600}"),
            ("%00", "\0"),
        ] {
            let query = format!("x={value}");
            assert_eq!(last_value(&query, "x").as_deref(), Some(text), "{value}");
        }
        assert_eq!(path("/a+b%2fc"), "/a+b/c");
    }
}
