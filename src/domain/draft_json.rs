//! Reads a challenge of a JSON file, and reports every problem with its field.
use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Map, Value};

use super::{
    CHALLENGE_FIELDS, ChallengeDraft, FieldViolation, FieldViolations, NewChallenge,
    shown::{quoted, shown},
};

/// The fields of an object in their order; one that stands there twice too.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonFields(Vec<(String, Value)>);

impl From<Map<String, Value>> for JsonFields {
    fn from(object: Map<String, Value>) -> Self {
        Self(object.into_iter().collect())
    }
}

impl<'de> Deserialize<'de> for JsonFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = JsonFields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a challenge in { }")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonFields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(JsonFields(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl JsonFields {
    /// The challenge, every field of which was checked.
    ///
    /// # Errors
    ///
    /// Every field that is wrong, missing, unknown or there twice, at once.
    pub fn check(self) -> Result<NewChallenge, Vec<FieldViolation>> {
        let mut reading = Reading {
            fields: self.0,
            violations: FieldViolations::default(),
        };
        let draft = reading.draft();
        let mut wrong: Vec<_> = reading.violations.into();
        match draft.check() {
            Ok(challenge) if wrong.is_empty() => return Ok(challenge),
            Ok(_) => {}
            // Of a field that could not be read, what stands in its place is nobody's mistake.
            Err(more) => {
                let is_told = |field: &str| wrong.iter().any(|told| told.field == field);
                let more: Vec<_> = more.into_iter().filter(|it| !is_told(&it.field)).collect();
                wrong.extend(more);
            }
        }
        Err(wrong)
    }
}

/// What is not read yet, and what was wrong so far.
struct Reading {
    fields: Vec<(String, Value)>,
    violations: FieldViolations,
}

impl Reading {
    /// The draft; what could not be read is empty in it.
    fn draft(&mut self) -> ChallengeDraft {
        let draft = ChallengeDraft {
            id: self.needed("id", text).unwrap_or_default(),
            difficulty: self.needed("difficulty", text).unwrap_or_default(),
            title: self.needed("title", text).unwrap_or_default(),
            description: self.optional("description", text).unwrap_or_default(),
            points: self.needed("points", whole_number).unwrap_or_default(),
            tips: self.optional("tips", text_or_null).flatten(),
        };
        for (name, _) in std::mem::take(&mut self.fields) {
            let known = CHALLENGE_FIELDS.join(", ");
            let problem = format!("is no field of a challenge: it has id, {known}");
            self.violations.note(&shown(&name), problem);
        }
        draft
    }

    fn needed<T>(&mut self, name: &str, read: fn(&Value) -> Result<T, String>) -> Option<T> {
        if !self.fields.iter().any(|(field, _)| field == name) {
            self.violations.note(name, "is missing");
        }
        self.optional(name, read)
    }

    fn optional<T>(&mut self, name: &str, read: fn(&Value) -> Result<T, String>) -> Option<T> {
        let mut values = self.fields.extract_if(.., |(field, _)| field == name);
        let (_, value) = values.next()?;
        if values.count() > 0 {
            self.violations.note(name, "stands there twice");
        }
        self.violations.field(name, read(&value))
    }
}

fn text(value: &Value) -> Result<String, String> {
    let text = value.as_str().map(str::to_owned);
    text.ok_or_else(|| format!("must be text, not {}", found(value)))
}

fn text_or_null(value: &Value) -> Result<Option<String>, String> {
    if value.is_null() {
        return Ok(None);
    }
    text(value).map(Some)
}

fn whole_number(value: &Value) -> Result<i64, String> {
    let number = value.as_i64();
    number.ok_or_else(|| format!("must be a whole number, not {}", found(value)))
}

/// What was found, in a few words.
fn found(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"id":"5f0c1d4e-8a53-4f0e-9d6b-0c8f6f1a2b01","difficulty":"beginner","title":"T","points":10}"#;

    fn problems(json: &str) -> Vec<String> {
        let fields: JsonFields = serde_json::from_str(json).unwrap();
        let wrong = fields.check().err().unwrap_or_default();
        wrong.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_challenge_is_read_with_and_without_what_may_be_left_out() {
        let full = GOOD.replace('}', r#","description":"D","tips":"B"}"#);
        let none = GOOD.replace('}', r#","tips":null}"#);
        for good in [GOOD, &full, &none] {
            assert_eq!(problems(good), [""; 0], "{good}");
        }
        let fields: JsonFields = serde_json::from_str(&full).unwrap();
        let challenge = fields.check().unwrap();
        assert_eq!(challenge.description, "D");
        assert_eq!(challenge.tips.as_deref(), Some("B"));
    }

    #[test]
    fn a_field_of_the_wrong_kind_is_told_with_what_it_must_be() {
        for (points, found) in [
            ("\"ten\"", "\"ten\""),
            ("1.5", "1.5"),
            ("null", "null"),
            ("[1]", "a list"),
            ("true", "true"),
        ] {
            let bad = GOOD.replace(":10", &format!(":{points}"));
            let problem = format!("points: must be a whole number, not {found}");
            assert_eq!(problems(&bad), [problem]);
        }
        for (title, found) in [("5", "5"), ("null", "null"), ("{}", "an object")] {
            let bad = GOOD.replace("\"T\"", title);
            assert_eq!(
                problems(&bad),
                [format!("title: must be text, not {found}")]
            );
        }
    }

    #[test]
    fn a_field_that_is_missing_unknown_or_there_twice_is_told() {
        let odd = GOOD.replace("\"title\"", "\"na\\u001bme\"");
        let [missing, unknown] = &problems(&odd)[..] else {
            panic!("{:?}", problems(&odd))
        };
        assert_eq!(missing, "title: is missing");
        assert!(
            unknown.starts_with("na\\u{1b}me: is no field of a challenge"),
            "{unknown}"
        );
        let twice = GOOD.replace('}', r#","points":11}"#);
        assert_eq!(problems(&twice), ["points: stands there twice"]);
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once_and_each_field_once() {
        let bad = GOOD
            .replace(":10", ":\"ten\"")
            .replace("beginner", "hard")
            .replace("\"T\"", "5");
        let told = problems(&bad);
        let fields: Vec<_> = told.iter().filter_map(|it| it.split(':').next()).collect();
        assert_eq!(fields, ["title", "points", "difficulty"], "{told:?}");
    }
}
