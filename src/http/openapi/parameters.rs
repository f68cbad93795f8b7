//! The parameters of operations: variables of the path, names of the query, headers.
use prost_reflect::{FieldDescriptor, Kind};
use serde_json::{Map, Value, json};

use super::{
    patterns::ETAG_OR_ANY,
    rules::{Side, is_left_out, is_required},
    schemas::{Schemas, merge},
};
use crate::http::{
    routes::{BodyRule, Route},
    scalar::is_text,
};

/// Headers of requests, by the names that references to them have.
pub(super) fn headers() -> Map<String, Value> {
    let header = |name: &str, description: &str, schema: Value| json!({"name": name, "in": "header", "description": description, "schema": schema});
    let request_id = "Names the call in logs, and in the answer, which repeats it. Made by the server where it is missing, or longer than 128 characters, or otherwise unusable.";
    let timeout = "How long the caller waits, such as `2s` or `250ms`. Default: what the server gives a call.";
    let caller = "For whom the call is made, such as a person's mail address: tips are limited by it, and histories name it.";
    let audited = "For whom the call is made: the audit log names it. What cannot be a name is left out there.";
    let known = "The `ETag` of the copy that the caller has, a list of them, or `*`. Where one is still right, the answer is 304.";
    let seen = "The `etag` of what the caller read, as the parameter or field of that name. Where it is another one by now, nothing is changed and the answer is 412.";
    let last = "The id of the last event that a reader of the same tip got: the stream goes on behind it. Browsers send it by themselves.";
    let headers = [
        (
            "RequestId",
            header("X-Request-Id", request_id, json!({"type": "string"})),
        ),
        (
            "RequestTimeout",
            header(
                "X-Request-Timeout",
                timeout,
                json!({"type": "string", "pattern": r"^[0-9]{1,6}(\.[0-9]{1,3})?(s|ms|m)?$", "examples": ["2s"]}),
            ),
        ),
        (
            "CallerId",
            header(
                "X-Caller-Id",
                caller,
                json!({"type": "string", "pattern": "^[A-Za-z0-9_.:/+=@-]{1,128}$"}),
            ),
        ),
        (
            "AuditedCallerId",
            header("X-Caller-Id", audited, json!({"type": "string"})),
        ),
        (
            "IfNoneMatch",
            header("If-None-Match", known, json!({"type": "string"})),
        ),
        (
            "IfMatch",
            header(
                "If-Match",
                seen,
                json!({"type": "string", "minLength": 1, "pattern": ETAG_OR_ANY}),
            ),
        ),
        (
            "LastEventId",
            header(
                "Last-Event-ID",
                last,
                json!({"type": "string", "pattern": "^[A-Za-z0-9_-]*$"}),
            ),
        ),
    ];
    let headers = headers.map(|(name, header)| (name.to_owned(), header));
    headers.into_iter().collect()
}

/// References to headers.
pub(super) fn header_references(names: &[&str]) -> impl Iterator<Item = Value> {
    let references = names.iter();
    references.map(|name| json!({"$ref": format!("#/components/parameters/{name}")}))
}

/// The parameters of the path and the query of a route. `names` are those that the path has for its variables.
pub(super) fn of_route(route: &Route, names: &[&str], schemas: &mut Schemas<'_>) -> Vec<Value> {
    let mut parameters = Vec::new();
    for (variable, name) in route.variables().iter().zip(names) {
        let mut parameter = parameter(name, "path", variable.leaf(), schemas);
        // An empty value would be another path.
        if let Some(schema) = parameter.pointer_mut("/schema") {
            merge(schema, json!({"minLength": 1}));
        }
        merge(&mut parameter, json!({"required": true}));
        parameters.push(parameter);
    }
    let in_body = match route.body() {
        BodyRule::Whole => return parameters,
        BodyRule::None => None,
        BodyRule::Field(field) => Some(field),
    };
    for field in route.rpc().input().fields() {
        let is_in_path = route.variables().iter().any(|it| *it.top() == field);
        if in_body != Some(&field) && !is_in_path {
            add_query(&field, "", schemas, &mut parameters);
        }
    }
    parameters
}

fn add_query(
    field: &FieldDescriptor,
    within: &str,
    schemas: &mut Schemas<'_>,
    parameters: &mut Vec<Value>,
) {
    if is_left_out(field, Side::Query) {
        return;
    }
    let name = format!("{within}{}", field.name());
    if let Kind::Message(message) = field.kind()
        && !is_text(field)
    {
        for inner in message.fields() {
            add_query(&inner, &format!("{name}."), schemas, parameters);
        }
        return;
    }
    let mut parameter = parameter(&name, "query", field, schemas);
    if is_required(field) {
        merge(&mut parameter, json!({"required": true}));
    }
    if field.is_list() {
        merge(&mut parameter, json!({"style": "form", "explode": true}));
    }
    parameters.push(parameter);
}

fn parameter(name: &str, place: &str, field: &FieldDescriptor, schemas: &mut Schemas<'_>) -> Value {
    let mut schema = schemas.field(field, Side::Query);
    let description = schema
        .as_object_mut()
        .and_then(|it| it.remove("description"));
    let mut parameter = json!({"name": name, "in": place, "schema": schema});
    if let Some(description) = description {
        merge(&mut parameter, json!({"description": description}));
    }
    parameter
}
