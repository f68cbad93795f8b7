//! How an operation is called with curl.
use serde_json::Value;

use super::schema_text::{example, resolved};

const SERVER: &str = "http://127.0.0.1:8080";

/// A line for a shell.
pub(super) fn curl(document: &Value, verb: &str, path: &str, operation: &Value) -> String {
    let mut url = format!("{SERVER}{path}");
    let mut query = Vec::new();
    let parameters = operation.get("parameters").and_then(Value::as_array);
    for parameter in parameters.into_iter().flatten() {
        let parameter = resolved(document, parameter);
        let text = |key: &str| {
            parameter
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (name, place) = (text("name"), text("in"));
        let is_required = parameter.get("required") == Some(&Value::Bool(true));
        let value = || value(document, parameter);
        if place == "path" {
            url = url.replace(&format!("{{{name}}}"), &value());
        } else if place == "query" && is_required {
            query.push(format!("{name}={}", value()));
        }
    }
    if !query.is_empty() {
        url = format!("{url}?{}", query.join("&"));
    }
    let mut line = vec!["curl".to_owned()];
    let streams = ["text~1event-stream", "application~1x-ndjson"];
    let content = |kind: &&str| operation.pointer(&format!("/responses/200/content/{kind}"));
    if streams.iter().any(|kind| content(kind).is_some()) {
        line.push("-N".to_owned());
    }
    if !matches!(verb, "GET") {
        line.push(format!("-X {verb}"));
    }
    line.extend(body(document, operation));
    line.push(quoted(&url));
    line.join(" ")
}

fn value(document: &Value, parameter: &Value) -> String {
    let value = parameter
        .get("schema")
        .map(|schema| example(document, schema));
    match value {
        Some(Value::String(text)) => text,
        Some(Value::Array(list)) => {
            let first = list.first().and_then(Value::as_str);
            first.unwrap_or_default().to_owned()
        }
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

fn body(document: &Value, operation: &Value) -> Vec<String> {
    let content = operation.pointer("/requestBody/content");
    let content = content.and_then(Value::as_object);
    let Some((kind, media)) = content.and_then(|content| content.iter().next()) else {
        return Vec::new();
    };
    let schema = media.get("schema").unwrap_or(&Value::Null);
    let line = schema.get("contentSchema");
    let body = example(document, line.unwrap_or(schema)).to_string();
    vec![
        format!("-H {}", quoted(&format!("Content-Type: {kind}"))),
        format!("-d {}", quoted(&body)),
    ]
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
