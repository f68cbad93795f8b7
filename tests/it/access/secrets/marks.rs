//! Secrets that can be told wherever they turn up.
use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};

/// What must not be seen: what it is, and the forms that it could have in a text.
#[derive(Default)]
pub struct Marks(Vec<(String, Vec<String>)>);

impl Marks {
    /// A new secret.
    pub fn make(&mut self, what: &str) -> String {
        let name: String = what.chars().filter(char::is_ascii_alphanumeric).collect();
        let mark = format!("S3CR3T{name}");
        self.know(what, &mark);
        mark
    }

    /// A secret that is there already.
    pub fn know(&mut self, what: &str, text: &str) {
        let bytes = text.as_bytes();
        let listed: Vec<_> = bytes.iter().map(u8::to_string).collect();
        let hexadecimal = bytes
            .iter()
            .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        let mut forms = vec![text.to_owned(), listed.join(", "), hexadecimal];
        // In base64 it looks otherwise by how many bytes stand before it.
        forms.extend((0..3).map(|skipped| {
            let rest = &bytes[skipped..];
            BASE64_STANDARD_NO_PAD.encode(&rest[..rest.len() / 3 * 3])
        }));
        self.0.push((what.to_owned(), forms));
    }

    /// Asserts that `text`, which is shown by `place`, has none of them.
    pub fn are_not_in(&self, place: &str, text: &str) {
        for (what, forms) in &self.0 {
            for form in forms {
                if let Some(at) = text.find(form) {
                    let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
                    let shown: String = text[line..].chars().take(2_000).collect();
                    panic!("{place} shows {what}: {shown}");
                }
            }
        }
    }
}

#[test]
fn a_secret_is_found_in_every_form() {
    let mut marks = Marks::default();
    let mark = marks.make("a key");
    let bytes = mark.as_bytes();
    for text in [
        format!("a={mark}"),
        format!("{bytes:?}"),
        format!("{bytes:x?}").replace(['[', ']', ',', ' '], ""),
        BASE64_STANDARD_NO_PAD.encode(format!("u:{mark}")),
        BASE64_STANDARD_NO_PAD.encode(format!("user:{mark}.")),
        BASE64_STANDARD_NO_PAD.encode(&mark),
    ] {
        let found = std::panic::catch_unwind(|| marks.are_not_in("a test", &text));
        assert!(found.is_err(), "{text}");
    }
    marks.are_not_in("a test", "S3CR3T");
}
