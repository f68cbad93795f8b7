//! The whole document.
use serde_json::{Map, Value, json};

use super::{
    comments::Comments,
    old_routes,
    operation::{Operations, response_headers},
    parameters, problems,
    schemas::Schemas,
};
use crate::http::{field_path::FieldPath, routes::Routes};

const DESCRIPTION: &str = "\
A catalog of coaching challenges, with tips that are streamed while they are written. The same as its gRPC contract, \
which the operations are made from: JSON has the contract's names (requests may have `camelCase` as well), integers of \
64 bits are texts, times are RFC 3339, lengths of time are seconds such as `0.4s`. In bodies of requests, `null` is as \
good as a field that is not there, a number may be written as a text, and an enum by its number.

Names that are unknown in a query or a body are refused. Where a query has an enum, its plain word will do \
(`difficulty=beginner`). Errors are `application/problem+json`; where descriptions speak of gRPC, `INVALID_ARGUMENT` and \
`FAILED_PRECONDITION` are 400, `UNAUTHENTICATED` 401, `PERMISSION_DENIED` 403, `NOT_FOUND` 404, `ABORTED` and `ALREADY_EXISTS` \
409, `RESOURCE_EXHAUSTED` 429 (413 for `MESSAGE_TOO_LARGE`), `INTERNAL` 500, `UNAVAILABLE` 503, `DEADLINE_EXCEEDED` 504; \
metadata are headers. `HEAD` is answered where `GET` is.

Credentials are needed where the server has an access file: a bearer token, or a client certificate.";

/// The OpenAPI document of the contract's routes and of the old ones.
pub(in crate::http) fn document(routes: &Routes) -> Value {
    let contract = routes.contract();
    let comments = Comments::of(contract);
    let answers = routes.iter().map(|route| route.rpc().output());
    let mut operations = Operations {
        comments: &comments,
        schemas: Schemas::new(&comments, answers),
    };
    let mut paths = paths(routes, &mut operations);
    paths.extend(old_routes::paths());
    let mut schemas = operations.schemas.into_map();
    schemas.insert("Problem".to_owned(), problems::schema(contract, &comments));
    schemas.extend(old_routes::schemas());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Challenges catalog",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
        },
        "servers": [{"url": "/"}],
        "tags": tags(routes, &comments),
        "security": [{}, {"bearer": []}, {"certificate": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "parameters": parameters::headers(),
            "headers": response_headers(),
            "responses": problems::responses(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A token of the access file, or of an issuer that it names."},
                "certificate": {"type": "mutualTLS", "description": "A client certificate that the access file names."},
            },
        },
    })
}

fn paths(routes: &Routes, operations: &mut Operations<'_>) -> Map<String, Value> {
    let mut paths = Map::new();
    let mut seen = Vec::new();
    for of_path in routes.by_path() {
        let Some(first) = of_path.first() else {
            continue;
        };
        // Another route of the path may have other names for its variables.
        let names: Vec<_> = first.variables().iter().map(FieldPath::name).collect();
        let mut item = Map::new();
        for route in of_path {
            seen.push(route.grpc_path());
            let number = seen.iter().filter(|it| **it == route.grpc_path()).count();
            let verb = route.verb().as_str().to_ascii_lowercase();
            item.insert(verb, operations.operation(route, &names, number));
        }
        paths.insert(first.template().to_owned(), Value::Object(item));
    }
    paths
}

/// A tag for each service, in the order of the contract.
fn tags(routes: &Routes, comments: &Comments<'_>) -> Vec<Value> {
    let mut tags: Vec<Value> = Vec::new();
    for route in routes.iter() {
        let service = route.rpc().parent_service();
        let is_known = tags
            .iter()
            .any(|tag| tag.get("name").is_some_and(|it| it == service.name()));
        if !is_known {
            let description = comments.of_service(service);
            tags.push(json!({"name": service.name(), "description": description}));
        }
    }
    tags.push(old_routes::tag());
    tags
}
