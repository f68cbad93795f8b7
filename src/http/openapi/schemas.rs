//! Messages of the contract as schemas of their JSON.
use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::{
    comments::Comments,
    rules::{Side, choice, is_left_out, is_required, rule_of},
};
use crate::http::scalar::word;

/// The schemas that are referred to, by their names.
pub(super) struct Schemas<'a> {
    comments: &'a Comments<'a>,
    /// The messages that answers are made of.
    answered: BTreeSet<String>,
    made: BTreeMap<String, Value>,
}

impl<'a> Schemas<'a> {
    /// None so far; `answers` are the messages that methods answer with.
    pub(super) fn new(
        comments: &'a Comments<'a>,
        answers: impl Iterator<Item = MessageDescriptor>,
    ) -> Self {
        let mut answered = BTreeSet::new();
        let mut messages: Vec<_> = answers.collect();
        while let Some(message) = messages.pop() {
            if answered.insert(message.full_name().to_owned()) {
                let kinds = message.fields().map(|field| field.kind());
                messages.extend(kinds.filter_map(|kind| kind.as_message().cloned()));
            }
        }
        Self {
            comments,
            answered,
            made: BTreeMap::new(),
        }
    }

    /// All that were made.
    pub(super) fn into_map(self) -> Map<String, Value> {
        self.made.into_iter().collect()
    }

    /// A reference to the schema of a message.
    pub(super) fn message(&mut self, message: &MessageDescriptor, side: Side) -> Value {
        let name = self.name(message, side);
        if !self.made.contains_key(&name) {
            self.made.insert(name.clone(), Value::Null);
            let schema = self.object(message, side, &[]);
            self.made.insert(name.clone(), schema);
        }
        reference(&name)
    }

    fn name(&self, message: &MessageDescriptor, side: Side) -> String {
        // Both packages have requests and answers of this name.
        let is_twice = message.full_name().starts_with("challenges.admin.")
            && message.name().starts_with("GetChallenge");
        let admin = if is_twice { "Admin" } else { "" };
        let is_both = side == Side::Body && self.answered.contains(message.full_name());
        let input = if is_both { "Input" } else { "" };
        format!("{admin}{}{input}", message.name())
    }

    /// The schema of a message without the fields that stand elsewhere.
    pub(super) fn object(
        &mut self,
        message: &MessageDescriptor,
        side: Side,
        elsewhere: &[&FieldDescriptor],
    ) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in message.fields() {
            if elsewhere.contains(&&field) || is_left_out(&field, side) {
                continue;
            }
            let is_always_there = match side {
                Side::Answer => !field.supports_presence(),
                Side::Body | Side::Query => is_required(&field),
            };
            if is_always_there {
                required.push(field.name().to_owned());
            }
            properties.insert(field.name().to_owned(), self.field(&field, side));
        }
        let mut schema = Map::new();
        schema.insert("type".to_owned(), json!("object"));
        describe(&mut schema, self.comments.of_message(message));
        schema.insert("properties".to_owned(), Value::Object(properties));
        if !required.is_empty() {
            schema.insert("required".to_owned(), json!(required));
        }
        if side == Side::Body {
            schema.insert("additionalProperties".to_owned(), json!(false));
            if let Some(choice) = choice(message) {
                let one = choice.iter().map(|name| json!({"required": [name]}));
                schema.insert("oneOf".to_owned(), one.collect());
            }
        }
        Value::Object(schema)
    }

    /// The schema of a field, with what is said of it.
    pub(super) fn field(&mut self, field: &FieldDescriptor, side: Side) -> Value {
        let mut schema = self.value(field, side);
        let rule = rule_of(field, side);
        if field.is_list() {
            if let Some(of_items) = rule.items {
                merge(&mut schema, of_items);
            }
            schema = json!({"type": "array", "items": schema});
        }
        if let Some(rule) = rule.whole {
            if schema.get("$ref").is_some() {
                // Not all that read it look beside a reference.
                schema = json!({"allOf": [schema, rule]});
            } else {
                merge(&mut schema, rule);
            }
        }
        if let Value::Object(schema) = &mut schema {
            describe(schema, &self.comments.of_field(field));
        }
        schema
    }

    /// The schema of one value of a field.
    fn value(&mut self, field: &FieldDescriptor, side: Side) -> Value {
        let is_answer = side == Side::Answer;
        match field.kind() {
            Kind::Bool => json!({"type": "boolean"}),
            Kind::String => json!({"type": "string"}),
            Kind::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
            Kind::Double | Kind::Float => json!({"type": "number", "format": "double"}),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => whole("int32", i32::MIN, i32::MAX),
            Kind::Uint32 | Kind::Fixed32 => whole("uint32", u32::MIN, u32::MAX),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                let bounds = json!({"minimum": i64::MIN, "maximum": i64::MAX});
                long("int64", "^-?[0-9]{1,19}$", bounds, is_answer)
            }
            Kind::Uint64 | Kind::Fixed64 => {
                let bounds = json!({"minimum": u64::MIN, "maximum": u64::MAX});
                long("uint64", "^[0-9]{1,20}$", bounds, is_answer)
            }
            Kind::Enum(kind) if side == Side::Query => names_and_words(&kind),
            Kind::Enum(kind) => self.enumeration(&kind),
            Kind::Message(message) => match message.full_name() {
                "google.protobuf.Timestamp" => json!({"type": "string", "format": "date-time"}),
                "google.protobuf.Duration" => {
                    let seconds = r"^-?[0-9]{1,12}(\.[0-9]{1,9})?s$";
                    json!({"type": "string", "pattern": seconds, "examples": ["1.5s"]})
                }
                "google.protobuf.FieldMask" => json!({"type": "string"}),
                _ => self.message(&message, side),
            },
        }
    }

    /// A reference to the schema of an enum: the names of its values.
    fn enumeration(&mut self, kind: &EnumDescriptor) -> Value {
        let name = kind.name().to_owned();
        if !self.made.contains_key(&name) {
            let names: Vec<_> = kind.values().map(|it| it.name().to_owned()).collect();
            let lines = kind.values().map(|value| {
                let comment = self.comments.of_value(&value);
                format!("- `{}`: {comment}", value.name())
            });
            let lines: Vec<_> = lines.collect();
            let comment = self.comments.of_enum(kind);
            let description = format!("{comment}\n\n{}", lines.join("\n"));
            let schema = json!({"type": "string", "enum": names, "description": description});
            self.made.insert(name.clone(), schema);
        }
        reference(&name)
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn whole(format: &str, min: impl Into<i64>, max: impl Into<i64>) -> Value {
    let (min, max): (i64, i64) = (min.into(), max.into());
    json!({"type": "integer", "format": format, "minimum": min, "maximum": max})
}

/// A text in answers, since numbers of JavaScript have 53 bits; in requests a number within `bounds` as well.
fn long(format: &str, pattern: &str, bounds: Value, is_answer: bool) -> Value {
    let mut schema = json!({"type": "string", "format": format, "pattern": pattern});
    if !is_answer {
        merge(&mut schema, json!({"type": ["integer", "string"]}));
        merge(&mut schema, bounds);
    }
    schema
}

fn names_and_words(kind: &EnumDescriptor) -> Value {
    let words = kind.values().filter(|value| value.number() != 0);
    let words = words.filter_map(|value| word(kind, value.name()));
    let names = kind.values().map(|value| value.name().to_owned());
    let all: Vec<_> = words.chain(names).collect();
    json!({"type": "string", "enum": all})
}

/// Puts the rule's words into the schema.
pub(super) fn merge(schema: &mut Value, rule: Value) {
    if let (Value::Object(schema), Value::Object(rule)) = (schema, rule) {
        schema.extend(rule);
    }
}

fn describe(schema: &mut Map<String, Value>, comment: &str) {
    if !comment.is_empty() {
        schema.insert("description".to_owned(), json!(comment));
    }
}
