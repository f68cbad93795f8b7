//! Names that a provider gives, made fit for logs.
/// The longest name that is believed, in bytes.
const NAME_BYTES: usize = 128;

/// A provider's name for an attempt or a model, if it looks like one: it goes into logs and
/// records, so it must be short, and must not be able to forge a line of either.
pub(super) fn name(text: &str) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/@".contains(&byte);
    let is_name = (1..=NAME_BYTES).contains(&text.len()) && text.bytes().all(is_plain);
    is_name.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        for text in ["req_011C-a.b:c", "meta-llama/Llama-3.1-8B@fp8"] {
            assert_eq!(name(text).as_deref(), Some(text));
        }
        for text in ["", "a b", "a\nb", "{\"a\":1}", "é", &"x".repeat(129)] {
            assert_eq!(name(text), None, "{text}");
        }
    }
}
