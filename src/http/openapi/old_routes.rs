//! The old routes, which the contract does not know: those of the service that this one replaced.
use serde_json::{Map, Value, json};

use super::schemas::merge;

const NAME: &str = "OldRoutes";

/// The tag of their operations.
pub(super) fn tag() -> Value {
    let description = "The routes of the service that this one replaced, for callers that know nothing else. New callers use `/v1`. \
        What is unknown in a query is ignored; errors have the form that those callers know. \
        `--http-compat deployed` answers as that service did when it was deployed: no `limit`, and 400 for a bad difficulty.";
    json!({"name": NAME, "description": description})
}

/// Their paths.
pub(super) fn paths() -> Map<String, Value> {
    let invalidated = json!({"$ref": "#/components/schemas/OldInvalidated"});
    let receipt = json!({"$ref": "#/components/schemas/OldReceipt"});
    let status = json!({"$ref": "#/components/schemas/OldStatus"});
    let everything = operation(
        "invalidateChallenges",
        "Invalidates all cached challenges",
        "operator",
        &invalidated,
        &[],
    );
    let mut tagged = operation(
        "invalidateTag",
        "Invalidates what depends on a tag",
        "operator",
        &receipt,
        &["400", "404"],
    );
    let tag = json!([{
        "name": "tag",
        "in": "query",
        "description": "Which one; all challenges where it is missing.",
        "schema": {"type": "string", "default": "challenges"},
    }]);
    merge(&mut tagged, json!({"parameters": tag}));
    let told = operation(
        "cacheStatus",
        "Tells how the caches of this replica do",
        "operator",
        &status,
        &[],
    );
    let paths = [
        ("/api/challenges", json!({"get": list()})),
        (
            "/api/challenges/cache/invalidate",
            json!({"post": everything}),
        ),
        ("/admin/cache/invalidate", json!({"post": tagged})),
        ("/admin/cache/status", json!({"get": told})),
    ];
    let paths = paths.map(|(path, item)| (path.to_owned(), item));
    paths.into_iter().collect()
}

fn list() -> Value {
    let page = json!({"$ref": "#/components/schemas/OldChallenges"});
    let mut list = operation(
        "listChallenges",
        "Lists challenges, all or of one difficulty",
        "viewer",
        &page,
        &["400"],
    );
    let parameters = json!([
        {
            "name": "difficulty",
            "in": "query",
            "description": "Only challenges of this difficulty. Default: all.",
            "schema": {"type": "string", "enum": ["beginner", "intermediate", "advanced"]},
        },
        {
            "name": "limit",
            "in": "query",
            "description": "How many challenges at most.",
            "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 50},
        },
    ]);
    merge(&mut list, json!({"parameters": parameters}));
    let refused = json!({
        "description": "Something is wrong with the query.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/OldViolations"}}},
    });
    if let Some(responses) = list.pointer_mut("/responses") {
        merge(responses, json!({"422": refused}));
    }
    list
}

fn operation(id: &str, summary: &str, role: &str, answer: &Value, more: &[&str]) -> Value {
    let refused =
        json!({"application/json": {"schema": {"$ref": "#/components/schemas/OldError"}}});
    let refusals = [
        ("400", "Something is wrong with the request."),
        ("401", "Credentials are missing, unknown or expired."),
        ("403", "The caller is known, and lacks the role."),
        ("404", "There is no such thing."),
        ("429", "The caller asks for more than it may."),
        ("500", "It cannot be done now."),
        ("503", "Operators switched the catalog off."),
    ];
    let mut responses = Map::new();
    let ok =
        json!({"description": "It was done.", "content": {"application/json": {"schema": answer}}});
    responses.insert("200".to_owned(), ok);
    for (status, description) in refusals {
        if more.contains(&status) || !matches!(status, "400" | "404") {
            let response = json!({"description": description, "content": refused});
            responses.insert(status.to_owned(), response);
        }
    }
    json!({
        "operationId": format!("{NAME}_{id}"),
        "tags": [NAME],
        "summary": summary,
        "description": format!("Needs the role `{role}`."),
        "deprecated": true,
        "responses": responses,
    })
}

/// The schemas that they refer to.
pub(super) fn schemas() -> Map<String, Value> {
    let schemas = [
        ("OldChallenges", challenges()),
        (
            "OldInvalidated",
            object(&[
                ("success", json!({"type": "boolean"})),
                ("message", json!({"type": "string"})),
            ]),
        ),
        ("OldReceipt", receipt()),
        ("OldStatus", status()),
        ("OldError", object(&[("detail", json!({"type": "string"}))])),
        ("OldViolations", violations()),
    ];
    let schemas = schemas.map(|(name, schema)| (name.to_owned(), schema));
    schemas.into_iter().collect()
}

/// An object that has all of these properties.
fn object(properties: &[(&str, Value)]) -> Value {
    let names: Vec<_> = properties.iter().map(|(name, _)| *name).collect();
    let properties = properties
        .iter()
        .map(|(name, schema)| ((*name).to_owned(), schema.clone()));
    let properties: Map<_, _> = properties.collect();
    json!({"type": "object", "required": names, "properties": properties})
}

fn challenges() -> Value {
    let difficulty = json!({"type": "string", "enum": ["beginner", "intermediate", "advanced"]});
    let time = json!({"type": ["string", "null"], "format": "date-time"});
    let challenge = object(&[
        ("id", json!({"type": "string", "format": "uuid"})),
        ("difficulty", difficulty),
        ("title", json!({"type": "string"})),
        ("description", json!({"type": "string"})),
        ("points", json!({"type": "integer"})),
        ("tips", json!({"type": ["string", "null"]})),
        ("created_at", time.clone()),
    ]);
    object(&[
        ("challenges", json!({"type": "array", "items": challenge})),
        (
            "total_count",
            json!({"type": "integer", "description": "How many the filter matches."}),
        ),
        (
            "count",
            json!({"type": "integer", "description": "How many there are in this answer."}),
        ),
        ("difficulty_filter", json!({"type": ["string", "null"]})),
        ("cached", json!({"type": "boolean"})),
        ("cache_expiry", time),
        (
            "timestamp",
            json!({"type": "string", "format": "date-time"}),
        ),
    ])
}

fn receipt() -> Value {
    let names = json!({"type": "array", "items": {"type": "string"}});
    object(&[
        ("success", json!({"type": "boolean"})),
        ("message", json!({"type": "string"})),
        ("tag", json!({"type": "string"})),
        ("version", json!({"type": "string"})),
        ("acknowledged", names.clone()),
        ("fenced", names.clone()),
        ("unproven", names),
        ("entries_dropped", json!({"type": "integer"})),
    ])
}

fn status() -> Value {
    let count = json!({"type": "integer"});
    let number = json!({"type": ["number", "null"]});
    let available = ("available", json!({"type": "boolean"}));
    let mut redis = object(&[
        available.clone(),
        ("ping_ms", number.clone()),
        ("used_memory_bytes", count.clone()),
        ("max_memory_bytes", count.clone()),
    ]);
    merge(&mut redis, json!({"type": ["object", "null"]}));
    let mut database = object(&[available, ("ping_ms", number.clone())]);
    merge(&mut database, json!({"type": ["object", "null"]}));
    let mode =
        json!({"type": "string", "enum": ["unknown", "normal", "redis_bypassed", "database_lost"]});
    object(&[
        ("status", mode),
        ("replica", json!({"type": "string"})),
        ("version", json!({"type": "string"})),
        ("entries", count.clone()),
        ("size_bytes", count.clone()),
        ("capacity_bytes", count.clone()),
        ("hits", count.clone()),
        ("misses", count),
        ("hit_ratio", number.clone()),
        ("hit_ratio_1m", number.clone()),
        ("hit_p99_ms", number.clone()),
        ("load_p99_ms", number),
        ("redis", redis),
        ("database", database),
    ])
}

/// As FastAPI tells what is wrong.
fn violations() -> Value {
    let text = || json!({"type": "string"});
    let violation = json!({
        "type": "object",
        "required": ["type", "loc", "msg", "input", "url"],
        "properties": {
            "type": text(),
            "loc": {"type": "array", "items": text()},
            "msg": text(),
            "input": text(),
            "ctx": {"type": "object"},
            "url": text(),
        },
    });
    object(&[("detail", json!({"type": "array", "items": violation}))])
}
