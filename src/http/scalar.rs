//! One value of a field, from the text of a path or a query, or from what stands in JSON in its place.
use std::str::FromStr;

use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use prost_reflect::{DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, Value};
use prost_types::{Duration, Timestamp};

const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, ANY_PADDING);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, ANY_PADDING);

/// What a duration has at most, in seconds: ten thousand years.
const DURATION_MAX: i64 = 315_576_000_000;
/// The seconds of 0001-01-01T00:00:00Z and of 9999-12-31T23:59:59Z.
const TIMES: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

const DURATION: &str = "google.protobuf.Duration";
const TIMESTAMP: &str = "google.protobuf.Timestamp";
const FIELD_MASK: &str = "google.protobuf.FieldMask";

/// Whether it is a message that is written as a text.
pub(super) fn is_text(field: &FieldDescriptor) -> bool {
    let kind = field.kind();
    let message = kind.as_message();
    message.is_some_and(|it| [DURATION, TIMESTAMP, FIELD_MASK].contains(&it.full_name()))
}

/// The value that a text stands for.
///
/// # Errors
///
/// A sentence that says what was expected.
pub(super) fn of_text(field: &FieldDescriptor, text: &str) -> Result<Value, String> {
    match field.kind() {
        Kind::String => Ok(Value::String(text.to_owned())),
        Kind::Bool => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err("must be true or false".to_owned()),
        },
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => whole(text).map(Value::I32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => whole(text).map(Value::I64),
        Kind::Uint32 | Kind::Fixed32 => whole(text).map(Value::U32),
        Kind::Uint64 | Kind::Fixed64 => whole(text).map(Value::U64),
        Kind::Double => number(text).map(Value::F64),
        Kind::Float => number(text).map(Value::F32),
        Kind::Bytes => {
            let bytes = BASE64.decode(text).or_else(|_| BASE64_URL.decode(text));
            let bytes = bytes.map_err(|_| "must be base64 or base64url".to_owned())?;
            Ok(Value::Bytes(bytes.into()))
        }
        Kind::Enum(kind) => of_word(&kind, text).map(Value::EnumNumber),
        Kind::Message(_) => message_of_text(field, text),
    }
}

fn whole<N: FromStr>(text: &str) -> Result<N, String> {
    // What stands for a number in one way only.
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_plain.then(|| text.parse().ok()).flatten();
    let bits = size_of::<N>() * 8;
    number.ok_or_else(|| format!("must be a whole number of {bits} bits"))
}

fn number<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| "must be a number".to_owned())
}

fn of_word(kind: &EnumDescriptor, text: &str) -> Result<i32, String> {
    if let Some(value) = kind.get_value_by_name(text) {
        return Ok(value.number());
    }
    let mut values = kind.values();
    let named = values.find(|value| word(kind, value.name()).as_deref() == Some(text));
    let number = named.map(|value| value.number());
    number.ok_or_else(|| {
        let words = kind.values().filter(|value| value.number() != 0);
        let words: Vec<_> = words.filter_map(|it| word(kind, it.name())).collect();
        format!("must be one of {}", words.join(", "))
    })
}

/// The plain word of an enum's value, such as `beginner` for `DIFFICULTY_BEGINNER`.
pub(super) fn word(kind: &EnumDescriptor, name: &str) -> Option<String> {
    let unset = kind.default_value();
    let prefix = unset.name().strip_suffix("UNSPECIFIED")?;
    name.strip_prefix(prefix).map(str::to_ascii_lowercase)
}

fn message_of_text(field: &FieldDescriptor, text: &str) -> Result<Value, String> {
    let Kind::Message(kind) = field.kind() else {
        return Err("must be a message".to_owned());
    };
    let mut message = DynamicMessage::new(kind.clone());
    match kind.full_name() {
        DURATION => {
            let length =
                duration(text).ok_or("must be a length of time in seconds, such as 1.5s")?;
            set_time(&mut message, length.seconds, length.nanos);
        }
        TIMESTAMP => {
            let time = timestamp(text).ok_or("must be a time, such as 2026-01-31T09:30:00Z")?;
            set_time(&mut message, time.seconds, time.nanos);
        }
        FIELD_MASK => {
            let paths = text.split(',').filter(|path| !path.is_empty());
            let paths = paths.map(|path| Value::String(snake(path)));
            message.set_field_by_name("paths", Value::List(paths.collect()));
        }
        _ => return Err("must be a message".to_owned()),
    }
    Ok(Value::Message(message))
}

fn set_time(message: &mut DynamicMessage, seconds: i64, nanos: i32) {
    message.set_field_by_name("seconds", Value::I64(seconds));
    message.set_field_by_name("nanos", Value::I32(nanos));
}

/// Seconds with up to nine digits behind the point, and an `s`.
fn duration(text: &str) -> Option<Duration> {
    let number = text.strip_suffix('s')?;
    let (is_negative, number) = match number.strip_prefix('-') {
        Some(number) => (true, number),
        None => (false, number),
    };
    let (seconds, behind) = number.split_once('.').unwrap_or((number, "0"));
    let is_plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain(seconds) || !is_plain(behind) || behind.is_empty() || behind.len() > 9 {
        return None;
    }
    let seconds: i64 = seconds.parse().ok().filter(|it| *it <= DURATION_MAX)?;
    let nanos: i32 = format!("{behind:0<9}").parse().ok()?;
    let sign = if is_negative { -1 } else { 1 };
    Some(Duration {
        seconds: seconds * i64::from(sign),
        nanos: nanos * sign,
    })
}

/// As RFC 3339 has it.
fn timestamp(text: &str) -> Option<Timestamp> {
    // A date, a T, a time and a zone: what else the parser takes has more than one spelling.
    let (date, time) = text.split_once(['T', 't'])?;
    let has_zone = time.ends_with(['Z', 'z']) || time.contains(['+', '-']);
    if date.len() != 10 || !has_zone || text.len() > 40 {
        return None;
    }
    let time: Timestamp = text.parse().ok()?;
    TIMES.contains(&time.seconds).then_some(time)
}

/// A path of a field mask by the contract's names, if it is spelled in camel case.
fn snake(path: &str) -> String {
    let mut snake = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// What JSON has in the place of a single value that is no object.
#[derive(Debug)]
pub(super) enum Plain<'a> {
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text(&'a str),
}

/// The value that stands in JSON in this form.
///
/// # Errors
///
/// A sentence that says what was expected.
pub(super) fn of_json(field: &FieldDescriptor, plain: &Plain<'_>) -> Result<Value, String> {
    match (field.kind(), plain) {
        (Kind::Bool, Plain::Bool(value)) => Ok(Value::Bool(*value)),
        (Kind::Bool, _) => Err("must be true or false".to_owned()),
        (Kind::String | Kind::Bytes | Kind::Message(_), Plain::Text(text)) => of_text(field, text),
        (Kind::String, _) => Err("must be a text".to_owned()),
        (Kind::Bytes, _) => Err("must be a text in base64".to_owned()),
        (Kind::Message(_), _) if is_text(field) => Err("must be a text".to_owned()),
        (Kind::Message(_), _) => Err("must be an object".to_owned()),
        (_, Plain::Text(text)) => of_text(field, text),
        (_, Plain::Signed(number)) => of_digits(field, &number.to_string()),
        (_, Plain::Unsigned(number)) => of_digits(field, &number.to_string()),
        // In plain digits: 1.0 and 1e2 are whole numbers too, and what is too large stays so.
        (_, Plain::Float(number)) => of_digits(field, &number.to_string()),
        (Kind::Enum(kind), Plain::Bool(_)) => of_word(&kind, "").map(Value::EnumNumber),
        (_, Plain::Bool(_)) => Err("must be a number".to_owned()),
    }
}

/// The value that a number of JSON stands for; a text, as queries have it, names an enum by words alone.
fn of_digits(field: &FieldDescriptor, digits: &str) -> Result<Value, String> {
    match (field.kind(), whole(digits)) {
        // The service says what it thinks of numbers that are none.
        (Kind::Enum(_), Ok(number)) => Ok(Value::EnumNumber(number)),
        (_, _) => of_text(field, digits),
    }
}

#[cfg(test)]
#[path = "scalar_tests.rs"]
mod tests;
