//! Messages of the contract as JSON, as proto3 maps them: by the contract's own names, with defaults shown.
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use prost_reflect::{DynamicMessage, FieldDescriptor, ReflectMessage, Value};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};

/// The message as an object. What is absent is left out: an optional field, a message, a member of a choice.
pub(crate) fn json(message: &DynamicMessage) -> Bytes {
    // Nothing in a message is a key that JSON lacks, and a vector takes all bytes: this does not fail.
    let json = serde_json::to_vec(&Json(message));
    json.map(Bytes::from).unwrap_or_default()
}

struct Json<'a>(&'a DynamicMessage);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(message) = self;
        if let Some(text) = time(message) {
            return serializer.serialize_str(&text);
        }
        let mut map = serializer.serialize_map(None)?;
        for field in message.descriptor().fields() {
            if field.supports_presence() && !message.has_field(&field) {
                continue;
            }
            let value = message.get_field(&field);
            map.serialize_entry(field.name(), &JsonValue(&field, &value))?;
        }
        map.end()
    }
}

/// A time or a length of time, which is written as a text.
fn time(message: &DynamicMessage) -> Option<String> {
    let kind = message.descriptor();
    let seconds = || message.get_field_by_name("seconds")?.as_i64();
    let nanos = || message.get_field_by_name("nanos")?.as_i32();
    match kind.full_name() {
        "google.protobuf.Timestamp" => {
            let (seconds, nanos) = (seconds()?, nanos()?);
            Some(prost_types::Timestamp { seconds, nanos }.to_string())
        }
        "google.protobuf.Duration" => {
            let (seconds, nanos) = (seconds()?, nanos()?);
            Some(prost_types::Duration { seconds, nanos }.to_string())
        }
        _ => None,
    }
}

struct JsonValue<'a>(&'a FieldDescriptor, &'a Value);

impl Serialize for JsonValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(field, value) = self;
        match value {
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::I32(value) => serializer.serialize_i32(*value),
            Value::U32(value) => serializer.serialize_u32(*value),
            // A number of JavaScript has 53 bits.
            Value::I64(value) => serializer.collect_str(value),
            Value::U64(value) => serializer.collect_str(value),
            Value::F32(value) => serialize_float(f64::from(*value), serializer),
            Value::F64(value) => serialize_float(*value, serializer),
            Value::String(text) => serializer.serialize_str(text),
            Value::Bytes(bytes) => serializer.serialize_str(&STANDARD.encode(bytes)),
            Value::EnumNumber(number) => {
                let kind = field.kind();
                let value = kind.as_enum().and_then(|kind| kind.get_value(*number));
                match value {
                    Some(value) => serializer.serialize_str(value.name()),
                    None => serializer.serialize_i32(*number),
                }
            }
            Value::Message(message) => Json(message).serialize(serializer),
            Value::List(values) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(&JsonValue(field, value))?;
                }
                list.end()
            }
            // The contract has none.
            Value::Map(_) => serializer.serialize_none(),
        }
    }
}

fn serialize_float<S: Serializer>(value: f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() {
        serializer.serialize_f64(value)
    } else if value.is_nan() {
        serializer.serialize_str("NaN")
    } else if value > 0.0 {
        serializer.serialize_str("Infinity")
    } else {
        serializer.serialize_str("-Infinity")
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
