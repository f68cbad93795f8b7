//! A schema in a few words, and an example of what fits it.
use serde_json::{Map, Value, json};

use super::markup::escaped;

const UUID: &str = "7368dad2-43a3-4359-95c9-2405f700f00e";
/// How deep examples go.
const DEPTH_MAX: usize = 6;

/// What stands behind a `$ref`, or the schema itself.
pub(super) fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema.get("$ref").and_then(Value::as_str);
    let pointer = reference.and_then(|reference| reference.strip_prefix('#'));
    pointer
        .and_then(|it| document.pointer(it))
        .unwrap_or(schema)
}

/// The type and what it must keep to, as HTML.
pub(super) fn words(schema: &Value) -> String {
    // A reference with more demands is shown as what it refers to.
    if let Some(name) = name(schema.pointer("/allOf/0").unwrap_or(schema)) {
        return link(name);
    }
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => {
            let kinds = kinds.iter().filter_map(Value::as_str);
            kinds.collect::<Vec<_>>().join(" or ")
        }
        kind => kind.and_then(Value::as_str).unwrap_or("object").to_owned(),
    };
    let items = schema.get("items").map(words);
    let inner = schema.get("contentSchema").and_then(name).map(link);
    let inner = items
        .or(inner)
        .map_or_else(String::new, |it| format!(" of {it}"));
    let values = schema.get("enum").and_then(Value::as_array);
    let values = values.map_or_else(String::new, |values| {
        let values = values.iter().filter_map(Value::as_str);
        let values: Vec<_> = values
            .map(|it| format!("<code>{}</code>", escaped(it)))
            .collect();
        format!(": {}", values.join(", "))
    });
    let rules = RULES.iter().filter_map(|(rule, told)| {
        let value = shown(schema.get(rule)?);
        Some(format!(", {told} {}", escaped(&value)))
    });
    format!(
        "{}{inner}{values}{}",
        escaped(&kind),
        rules.collect::<String>()
    )
}

fn link(name: &str) -> String {
    format!("<a href=\"#schema-{0}\">{0}</a>", escaped(name))
}

const RULES: [(&str, &str); 8] = [
    ("format", "as"),
    ("minimum", "from"),
    ("maximum", "to"),
    ("minItems", "at least"),
    ("maxItems", "at most"),
    ("maxLength", "up to"),
    ("default", "default"),
    ("const", "only"),
];

fn shown(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// The name of the schema that is referred to.
fn name(schema: &Value) -> Option<&str> {
    let reference = schema.get("$ref")?.as_str()?;
    reference.strip_prefix("#/components/schemas/")
}

/// Something that fits a schema.
pub(super) fn example(document: &Value, schema: &Value) -> Value {
    of_depth(document, schema, 0)
}

fn of_depth(document: &Value, schema: &Value, depth: usize) -> Value {
    let schema = resolved(document, schema);
    if let Some(value) = schema
        .get("const")
        .or_else(|| schema.pointer("/examples/0"))
    {
        return value.clone();
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let is_set = |value: &&Value| {
            value
                .as_str()
                .is_some_and(|it| !it.ends_with("_UNSPECIFIED"))
        };
        let value = values.iter().find(is_set).or_else(|| values.first());
        return value.cloned().unwrap_or_default();
    }
    if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
        return whole(document, parts, depth);
    }
    if let Some(items) = schema.get("items").filter(|_| depth < DEPTH_MAX) {
        return json!([of_depth(document, items, depth + 1)]);
    }
    let kind = schema.get("type");
    let kind = kind.and_then(|kind| kind.get(0).or(Some(kind)));
    match kind.and_then(Value::as_str) {
        Some("boolean") => json!(true),
        Some("integer" | "number") => {
            let least = schema.get("minimum").and_then(Value::as_i64).unwrap_or(1);
            json!(least.max(1))
        }
        Some("string") => json!(text(schema)),
        _ if depth < DEPTH_MAX => object(document, schema, &[], depth),
        _ => json!({}),
    }
}

fn text(schema: &Value) -> &'static str {
    let pattern = schema
        .get("pattern")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if pattern.starts_with("^(challenges|") {
        "challenges"
    } else if pattern.contains("[0-9a-fA-F]{12}") {
        UUID
    } else {
        "…"
    }
}

/// The fields that must be there, of the choice that must be made the first one, and else the first field.
fn object(document: &Value, schema: &Value, more: &[&str], depth: usize) -> Value {
    let nothing = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object);
    let properties = properties.unwrap_or(&nothing);
    let required = |schema: &Value| {
        let required = schema.get("required").and_then(Value::as_array);
        let names = required.into_iter().flatten().filter_map(Value::as_str);
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    let mut names = required(schema);
    names.extend(schema.pointer("/oneOf/0").map(required).unwrap_or_default());
    names.extend(more.iter().map(|it| (*it).to_owned()));
    if names.is_empty() {
        names.extend(properties.keys().next().cloned());
    }
    let fields = names.iter().filter_map(|name| {
        let value = of_depth(document, properties.get(name)?, depth + 1);
        Some((name.clone(), value))
    });
    Value::Object(fields.collect())
}

/// An object of which a part is said here and a part there.
fn whole(document: &Value, parts: &[Value], depth: usize) -> Value {
    let resolved = parts.iter().map(|part| resolved(document, part));
    let Some(first) = resolved.clone().find(|it| it.get("properties").is_some()) else {
        return json!({});
    };
    let required = resolved.filter_map(|part| part.get("required")?.as_array());
    let required: Vec<_> = required.flatten().filter_map(Value::as_str).collect();
    object(document, first, &required, depth)
}
