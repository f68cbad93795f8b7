//! A message from JSON, as proto3 maps it: read as it comes, without a tree of it, and with all problems noted.
use std::{cell::RefCell, fmt};

use prost_reflect::{DynamicMessage, FieldDescriptor, MessageDescriptor, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{
    field_path::rival,
    request_problems::{RequestProblems, Unreadable},
    scalar::{Plain, is_text, of_json},
};

/// What a list has at most; no method takes so many, and a value takes more room than its JSON.
const LIST_MAX: usize = 10_000;

/// Reads an object into a message of `kind`; no bytes are an empty object. Problems are noted under the name `within`,
/// which is empty for the request itself.
///
/// # Errors
///
/// When it is not JSON.
pub(super) fn read(
    kind: MessageDescriptor,
    json: &[u8],
    within: &str,
    problems: &mut RequestProblems,
) -> Result<DynamicMessage, Unreadable> {
    if json.trim_ascii().is_empty() {
        return Ok(DynamicMessage::new(kind));
    }
    let mut json = serde_json::Deserializer::from_slice(json);
    let top = (!within.is_empty()).then_some(Place::Field(None, within));
    let shared = RefCell::new(std::mem::take(problems));
    let object = Object {
        kind: kind.clone(),
        place: top.as_ref(),
        problems: &shared,
    };
    let read = object.deserialize(&mut json);
    let read = read.and_then(|message| json.end().map(|()| message));
    *problems = shared.into_inner();
    let malformed = |problem: serde_json::Error| Unreadable::Malformed(problem.to_string());
    Ok(read
        .map_err(malformed)?
        .unwrap_or_else(|| DynamicMessage::new(kind)))
}

/// Where something stands in the request.
#[derive(Clone, Copy)]
enum Place<'a> {
    Field(Option<&'a Place<'a>>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(None, name) => f.write_str(name),
            Self::Field(Some(around), name) => write!(f, "{around}.{name}"),
            Self::Item(list, index) => write!(f, "{list}[{index}]"),
        }
    }
}

type Problems<'a> = &'a RefCell<RequestProblems>;

fn note(problems: Problems<'_>, place: &Place<'_>, problem: impl Into<String>) {
    problems.borrow_mut().note(place, problem);
}

/// A message that is expected.
struct Object<'a> {
    kind: MessageDescriptor,
    place: Option<&'a Place<'a>>,
    problems: Problems<'a>,
}

impl Object<'_> {
    fn read<'de, A: MapAccess<'de>>(&self, mut map: A) -> Result<DynamicMessage, A::Error> {
        let mut message = DynamicMessage::new(self.kind.clone());
        let mut seen = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            let place = Place::Field(self.place, &name);
            let field = self.kind.get_field_by_name(&name);
            let Some(field) = field.or_else(|| self.kind.get_field_by_json_name(&name)) else {
                note(self.problems, &place, "is unknown");
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if seen.contains(&field.number()) {
                note(self.problems, &place, "is given twice");
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = map.next_value_seed(Slot {
                field: &field,
                is_list: field.is_list(),
                place: &place,
                problems: self.problems,
            })?;
            let Some(value) = value else { continue };
            seen.push(field.number());
            if let Some(rival) = rival(&message, &field) {
                let problem = format!("cannot be given together with {}", rival.name());
                note(self.problems, &place, problem);
            }
            message.set_field(&field, value);
        }
        Ok(message)
    }
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    /// Nothing when it is no object, which is noted then.
    type Value = Option<DynamicMessage>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = Option<DynamicMessage>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        self.read(map).map(Some)
    }
}

/// The value of a field, or one of its values.
struct Slot<'a> {
    field: &'a FieldDescriptor,
    is_list: bool,
    place: &'a Place<'a>,
    problems: Problems<'a>,
}

impl Slot<'_> {
    fn refuse<T>(&self, problem: impl Into<String>) -> Option<T> {
        note(self.problems, self.place, problem);
        None
    }

    fn plain(&self, plain: &Plain<'_>) -> Option<Value> {
        if self.is_list {
            return self.refuse("must be a list");
        }
        let value = of_json(self.field, plain);
        value.map_or_else(|problem| self.refuse(problem), Some)
    }
}

impl<'de> DeserializeSeed<'de> for Slot<'_> {
    /// Nothing for null, and for what is wrong, which is noted then.
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Slot<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(self.plain(&Plain::Bool(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(self.plain(&Plain::Signed(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(self.plain(&Plain::Unsigned(value)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(self.plain(&Plain::Float(value)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(self.plain(&Plain::Text(text)))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        if matches!(self.place, Place::Item(..)) {
            return Ok(self.refuse("must not be null"));
        }
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        if !self.is_list {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(self.refuse("must not be a list"));
        }
        let mut values = Vec::new();
        for index in 0..LIST_MAX {
            let item = Slot {
                field: self.field,
                is_list: false,
                place: &Place::Item(self.place, index),
                problems: self.problems,
            };
            match list.next_element_seed(item)? {
                Some(value) => values.extend(value),
                None => return Ok(Some(Value::List(values))),
            }
        }
        if list.next_element::<IgnoredAny>()?.is_some() {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(self.refuse(format!("must have at most {LIST_MAX} values")));
        }
        Ok(Some(Value::List(values)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let kind = self.field.kind();
        let kind = kind.as_message().filter(|_| !is_text(self.field));
        let Some(kind) = kind.filter(|_| !self.is_list) else {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(self.refuse("must not be an object"));
        };
        let object = Object {
            kind: kind.clone(),
            place: Some(self.place),
            problems: self.problems,
        };
        Ok(Some(Value::Message(object.read(map)?)))
    }
}

#[cfg(test)]
#[path = "body_json_tests.rs"]
mod tests;
