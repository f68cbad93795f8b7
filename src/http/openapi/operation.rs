//! One operation: a method of the contract, called by one of its routes.
use http::Method;
use serde_json::{Map, Value, json};

use super::{
    comments::{Comments, first_sentence},
    demands::of_new_challenges,
    parameters::{header_references, of_route},
    problems,
    rules::Side,
    schemas::{Schemas, merge},
};
use crate::{
    http::{
        field_path::FieldPath,
        preconditions::has_etag,
        routes::{BodyRule, Route},
    },
    transport::role_of,
};

/// A part of a schema.
type Demand = fn() -> Value;

/// What a method demands of its body, where another one with the same message does not.
const DEMANDED: [(&str, Demand); 1] = [("CreateChallenge", of_new_challenges)];

/// The changes of which a history keeps who made them: a name that is none is refused.
pub(super) const NAME_KEEPERS: [&str; 7] = [
    "CreateChallenge",
    "UpdateChallenge",
    "DeleteChallenge",
    "RevertChallenge",
    "ImportChallenges",
    "UpdateFeatureFlag",
    "UpdateRuntimeSetting",
];

/// Makes operations.
pub(super) struct Operations<'a> {
    pub(super) comments: &'a Comments<'a>,
    pub(super) schemas: Schemas<'a>,
}

/// How the answers of a method go over HTTP.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A read of the catalog: JSON that caches may keep.
    Read,
    /// JSON.
    Json,
    /// Server-sent events, of one tip.
    Tip,
    /// Server-sent events, of several tips.
    Tips,
    /// A message a line.
    Lines,
}

impl Form {
    fn of(route: &Route) -> Self {
        let rpc = route.rpc();
        match rpc.name() {
            "StreamTips" => Self::Tip,
            "StreamTipsBatch" => Self::Tips,
            _ if rpc.is_server_streaming() => Self::Lines,
            _ if rpc.parent_service().name() == "ChallengesCatalog" => Self::Read,
            _ => Self::Json,
        }
    }
}

impl Operations<'_> {
    /// The operation of a route; `variables` are the names that the path has for its variables, `number` which of its
    /// method's routes it is, from 1.
    pub(super) fn operation(&mut self, route: &Route, variables: &[&str], number: usize) -> Value {
        let rpc = route.rpc();
        let form = Form::of(route);
        let comment = self.comments.of_rpc(rpc);
        let (summary, rest) = first_sentence(comment);
        let role = role_of(route.grpc_path()).map(|role| format!("Needs the role `{role}`."));
        let description = [Some(rest.to_owned()), role, told_of(form)];
        let description = description
            .into_iter()
            .flatten()
            .filter(|it| !it.is_empty());
        let description: Vec<_> = description.collect();
        let service = rpc.parent_service().name().to_owned();
        let suffix = if number > 1 {
            format!("_{number}")
        } else {
            String::new()
        };
        let mut parameters = of_route(route, variables, &mut self.schemas);
        parameters.extend(header_references(&headers_of(route, form)));
        let mut operation = json!({
            "operationId": format!("{service}_{}{suffix}", rpc.name()),
            "tags": [service],
            "summary": summary,
            "description": description.join("\n\n"),
            "parameters": parameters,
            "responses": self.responses(route, form),
        });
        if let Some(body) = self.body(route) {
            merge(&mut operation, json!({"requestBody": body}));
        }
        operation
    }

    fn body(&mut self, route: &Route) -> Option<Value> {
        let input = route.rpc().input();
        if route.rpc().is_client_streaming() {
            let line = self.schemas.message(&input, Side::Body);
            let description = "A message a line, each as JSON; one row at least.";
            let content = json!({"application/x-ndjson": {"schema": lines_of(&line)}});
            return Some(json!({"required": true, "description": description, "content": content}));
        }
        let (schema, is_required) = match route.body() {
            BodyRule::None => return None,
            BodyRule::Whole => {
                let elsewhere: Vec<_> = route.variables().iter().map(FieldPath::top).collect();
                let schema = self.schemas.object(&input, Side::Body, &elsewhere);
                let demands = ["required", "oneOf"]
                    .iter()
                    .any(|it| schema.get(it).is_some());
                (schema, demands)
            }
            BodyRule::Field(field) => {
                let schema = self.schemas.field(field, Side::Body);
                (schema, true)
            }
        };
        let demanded = DEMANDED
            .iter()
            .find(|(name, _)| *name == route.rpc().name());
        let schema = match demanded {
            Some((_, demands)) => json!({"allOf": [schema, demands()]}),
            None => schema,
        };
        let content = json!({"application/json": {"schema": schema}});
        Some(json!({"required": is_required, "content": content}))
    }

    fn responses(&mut self, route: &Route, form: Form) -> Map<String, Value> {
        let output = route.rpc().output();
        let message = self.schemas.message(&output, Side::Answer);
        let description = self.comments.of_message(&output);
        let content = match form {
            Form::Read | Form::Json => json!({"application/json": {"schema": message}}),
            Form::Tip | Form::Tips => json!({"text/event-stream": {"schema": lines_of(&message)}}),
            Form::Lines => json!({"application/x-ndjson": {"schema": lines_of(&message)}}),
        };
        let request_id = json!({"X-Request-Id": {"$ref": "#/components/headers/RequestId"}});
        let headers = if form == Form::Read {
            read_headers()
        } else {
            request_id.clone()
        };
        let is_change = *route.verb() != Method::GET;
        let has_body = *route.body() != BodyRule::None;
        let mut responses = problems::references(has_body, is_change, takes_condition(route));
        let ok = json!({"description": description, "headers": headers, "content": content});
        responses.insert("200".to_owned(), ok);
        if form == Form::Read {
            let description = "The copy that the caller has is still right.";
            let unchanged = json!({"description": description, "headers": read_headers()});
            responses.insert("304".to_owned(), unchanged);
        }
        if form == Form::Tip {
            let description = "The reader that comes back had all of it.";
            let nothing = json!({"description": description, "headers": request_id});
            responses.insert("204".to_owned(), nothing);
        }
        responses
    }
}

fn told_of(form: Form) -> Option<String> {
    let told = match form {
        Form::Read => {
            "The fields `etag`, `cached`, `cache_expire_time` and `freshness` of the contract stand in headers: `ETag`, `Cache-Status`, \
             `Age` and `X-Catalog-Version`."
        }
        Form::Json => return None,
        Form::Tip => {
            "Answers with server-sent events, named after what happened, with the message as JSON in `data` and its resume token in \
             `id`; heartbeats are comments. What goes wrong later is an event `error` with a problem in `data`."
        }
        Form::Tips => {
            "Answers with server-sent events, named `tip` or `failure`, with the message as JSON in `data`; heartbeats are comments. \
             What goes wrong later is an event `error` with a problem in `data`."
        }
        Form::Lines => {
            "Answers with a message a line, each as JSON. What goes wrong later is told in the last line: `{\"error\": problem}`."
        }
    };
    Some(told.to_owned())
}

fn headers_of(route: &Route, form: Form) -> Vec<&'static str> {
    let mut names = vec!["RequestId", "RequestTimeout"];
    let is_kept = NAME_KEEPERS.contains(&route.rpc().name());
    if takes_condition(route) {
        names.push("IfMatch");
    }
    match form {
        Form::Read => names.push("IfNoneMatch"),
        Form::Tip => names.extend(["CallerId", "LastEventId"]),
        Form::Tips => names.push("CallerId"),
        Form::Json | Form::Lines if is_kept => names.push("CallerId"),
        Form::Json | Form::Lines => names.push("AuditedCallerId"),
    }
    names
}

/// Whether the operation is a change that may depend on an etag.
fn takes_condition(route: &Route) -> bool {
    *route.verb() != Method::GET && has_etag(&route.rpc().input())
}

/// A text of several JSON texts.
fn lines_of(message: &Value) -> Value {
    json!({"type": "string", "contentMediaType": "application/json", "contentSchema": message})
}

/// Headers of answers, by the names that references to them have.
pub(super) fn response_headers() -> Map<String, Value> {
    let header = |kind: &str, description: &str| json!({"description": description, "schema": {"type": kind}});
    let headers = [
        ("RequestId", header("string", "Names the call in logs.")),
        (
            "ETag",
            header(
                "string",
                "Names the content: weak, and equal on every replica for equal content.",
            ),
        ),
        (
            "CacheControl",
            header("string", "How long the answer may be kept, and by whom."),
        ),
        (
            "Age",
            header("integer", "How old the answer can be, in whole seconds."),
        ),
        (
            "Vary",
            header("string", "What the answer depends on beside its URL."),
        ),
        (
            "CatalogVersion",
            header(
                "string",
                "The version of the catalog that the answer is at least as new as; to be passed on as `min_version`.",
            ),
        ),
        (
            "CacheStatus",
            header("string", "Where the answer was taken from (RFC 9211)."),
        ),
        (
            "RetryAfter",
            header("integer", "After how many seconds another try is worth it."),
        ),
        (
            "WwwAuthenticate",
            header("string", "How to bring credentials: `Bearer`."),
        ),
    ];
    let headers = headers.map(|(name, header)| (name.to_owned(), header));
    headers.into_iter().collect()
}

fn read_headers() -> Value {
    let headers = [
        ("X-Request-Id", "RequestId"),
        ("ETag", "ETag"),
        ("Cache-Control", "CacheControl"),
        ("Age", "Age"),
        ("Vary", "Vary"),
        ("X-Catalog-Version", "CatalogVersion"),
        ("Cache-Status", "CacheStatus"),
    ];
    let headers = headers.map(|(header, name)| {
        let reference = json!({"$ref": format!("#/components/headers/{name}")});
        (header.to_owned(), reference)
    });
    Value::Object(headers.into_iter().collect())
}
