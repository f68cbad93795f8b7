//! What is demanded of messages that a method takes, and another one with the same message does not.
use serde_json::{Value, json};

use super::patterns::UUID;

/// A difficulty that is one.
pub(super) fn a_difficulty() -> Value {
    json!({"not": {"const": "DIFFICULTY_UNSPECIFIED"}})
}

/// What is demanded of a challenge that is new, so that nothing of it can stay as it was.
pub(super) fn of_new_challenges() -> Value {
    json!({
        "required": ["difficulty", "title"],
        "properties": {"difficulty": a_difficulty(), "title": {"minLength": 1}},
    })
}

/// The same of one that is imported: its id tells whether it is new.
pub(super) fn of_imported_challenges() -> Value {
    let new = of_new_challenges();
    let mut properties = new.get("properties").cloned().unwrap_or_default();
    if let Some(properties) = properties.as_object_mut() {
        properties.insert("id".to_owned(), json!({"pattern": UUID}));
    }
    json!({"required": ["id", "difficulty", "title"], "properties": properties})
}
