//! Fields of JSON that may be missing or of another type.
use serde_json::Value;

use super::{protocol_error::ProtocolError, surrogates::without_lone_halves};
use crate::domain::FailureKind;

/// One event, or a whole answer: an object, in which names may stand twice (the last one counts),
/// and strings may end within a character (see [`super::surrogates`]).
pub(super) fn parse(data: &str) -> Result<Value, ProtocolError> {
    let parsed = serde_json::from_str(&without_lone_halves(data));
    let mut object: Value = parsed.map_err(|error| ProtocolError::bad_json(&error))?;
    // Some servers put their one object into a list.
    if let Some([only]) = object.as_array_mut().map(Vec::as_mut_slice) {
        object = only.take();
    }
    let no_object = || ProtocolError::new(FailureKind::Malformed, "an event is no object");
    object.is_object().then_some(object).ok_or_else(no_object)
}

/// A number beside the text; `None` for one that cannot be read.
pub(super) fn count(object: &Value, name: &str) -> Option<u64> {
    object.get(name)?.as_u64()
}

/// A word beside the text, likewise.
pub(super) fn word<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

/// Why it stopped. Null and an empty word say nothing.
pub(super) fn reason(object: &Value, name: &str) -> Result<Option<String>, ProtocolError> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(word)) => Ok(Some(word.clone()).filter(|word| !word.is_empty())),
        Some(_) => Err(ProtocolError::new(
            FailureKind::Malformed,
            "a reason to stop that is no word",
        )),
    }
}

/// Text, as a string or as a list of parts, of which only those of text are for the reader.
pub(super) fn text(content: Option<&Value>) -> Result<String, ProtocolError> {
    match content {
        Some(Value::Array(parts)) => parts.iter().map(part).collect(),
        content => string(content).map(str::to_owned),
    }
}

fn part(part: &Value) -> Result<&str, ProtocolError> {
    if !part.is_object() {
        return string(Some(part));
    }
    match word(part, "type") {
        None | Some("text" | "output_text") => string(part.get("text")),
        Some(_) => Ok(""),
    }
}

fn string(content: Option<&Value>) -> Result<&str, ProtocolError> {
    match content {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(ProtocolError::new(
            FailureKind::Malformed,
            "a text that is no string",
        )),
    }
}

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
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_that_stands_twice_and_a_list_of_one_are_read() {
        let event = parse(r#"[{"id": 1, "id": "two"}]"#).unwrap();
        assert_eq!(word(&event, "id"), Some("two"));
        for data in ["[]", "[{},{}]", "7", "null", "\"a\"", "{", ""] {
            assert_eq!(
                parse(data).unwrap_err().kind,
                FailureKind::Malformed,
                "{data}"
            );
        }
    }

    #[test]
    fn a_count_that_cannot_be_read_is_not_told() {
        for value in [
            json!(-1),
            json!(1.5),
            json!("12"),
            json!([3]),
            json!(null),
            json!({}),
        ] {
            assert_eq!(count(&json!({"n": value}), "n"), None, "{value}");
        }
        assert_eq!(count(&json!({"n": 12}), "n"), Some(12));
    }

    #[test]
    fn content_is_a_string_or_a_list_of_parts() {
        let parts = json!([{"type": "thinking", "thinking": "no"}, "Be ",
            {"type": "text", "text": "kind"}, {"text": "."}, {"type": "text", "text": null}]);
        assert_eq!(text(Some(&parts)).unwrap(), "Be kind.");
        assert_eq!(text(Some(&json!("Be kind."))).unwrap(), "Be kind.");
        assert_eq!(text(Some(&json!(null))).unwrap(), "");
        for odd in [
            json!(7),
            json!({"text": "a"}),
            json!([{"text": 7}]),
            json!([7]),
        ] {
            assert!(text(Some(&odd)).is_err(), "{odd}");
        }
    }

    #[test]
    fn an_empty_reason_is_none_and_one_that_is_no_word_is_not_believed() {
        let read = |value| reason(&json!({"r": value}), "r");
        assert_eq!(read(json!("stop")).unwrap().as_deref(), Some("stop"));
        assert_eq!(read(json!("")).unwrap(), None);
        assert_eq!(read(json!(null)).unwrap(), None);
        assert!(read(json!(1)).is_err());
    }

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
