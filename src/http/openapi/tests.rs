//! The document is what is served, and what is checked in.
use std::{collections::BTreeSet, env, fs, path::Path};

use serde_json::Value;

use super::{document, operation::NAME_KEEPERS};
use crate::http::fixtures::ROUTES;

fn made() -> Value {
    document(&ROUTES)
}

/// All values of the document, from the top.
fn all<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    found.push(value);
    match value {
        Value::Object(map) => map.values().for_each(|inner| all(inner, found)),
        Value::Array(list) => list.iter().for_each(|inner| all(inner, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `BLESS=1` writes it.
#[test]
fn the_document_that_is_checked_in_is_the_one_that_is_served() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let text = format!("{:#}\n", made());
    if env::var_os("BLESS").is_some() {
        fs::write(&file, text).unwrap();
        return;
    }
    assert!(
        fs::read_to_string(&file).unwrap() == text,
        "BLESS=1 writes docs/openapi.json"
    );
}

#[test]
fn every_route_is_an_operation_and_every_operation_a_route() {
    let document = made();
    let mut operations = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for verb in item.as_object().unwrap().keys() {
            if path.starts_with("/v1/") {
                operations.insert(format!("{} {path}", verb.to_uppercase()));
            }
        }
    }
    let of_path = |path: &[crate::http::routes::Route]| {
        let template = path[0].template().to_owned();
        let routes = path.iter();
        routes
            .map(move |route| format!("{} {template}", route.verb()))
            .collect::<Vec<_>>()
    };
    let routes: BTreeSet<_> = ROUTES.by_path().flat_map(of_path).collect();
    assert_eq!(operations, routes);
    assert_eq!(ROUTES.iter().count(), routes.len());
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_referred_to() {
    let document = made();
    let mut values = Vec::new();
    all(&document, &mut values);
    let references = values
        .iter()
        .filter_map(|value| value.get("$ref")?.as_str());
    let references: BTreeSet<_> = references.collect();
    for reference in &references {
        let pointer = reference.strip_prefix('#').unwrap();
        let target = document.pointer(pointer);
        assert!(
            target.is_some_and(|target| !target.is_null()),
            "{reference}"
        );
    }
    for kind in ["schemas", "parameters", "headers", "responses"] {
        for name in document["components"][kind].as_object().unwrap().keys() {
            let reference = format!("#/components/{kind}/{name}");
            assert!(references.contains(&*reference), "{reference}");
        }
    }
}

#[test]
fn operations_have_names_of_their_own_and_are_described() {
    let document = made();
    let mut names = BTreeSet::new();
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name}");
            let described = ["summary", "description"].map(|it| operation[it].as_str().unwrap());
            assert!(described.iter().all(|it| !it.is_empty()), "{name}");
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            for parameter in parameters.filter(|it| it.get("$ref").is_none()) {
                assert!(parameter["description"].is_string(), "{name} {parameter}");
            }
        }
    }
}

#[test]
fn what_the_service_demands_is_said() {
    let document = made();
    let at = |pointer: &str| {
        document
            .pointer(pointer)
            .unwrap_or_else(|| panic!("{pointer}"))
    };
    let list = at("/paths/~1v1~1challenges/get/parameters")
        .as_array()
        .unwrap();
    let names: Vec<_> = list.iter().filter_map(|it| it["name"].as_str()).collect();
    assert_eq!(
        names,
        ["difficulty", "page_size", "page_token", "min_version"]
    );
    assert_eq!(list[1]["schema"]["maximum"], 100);
    let batch = at("/paths/~1v1~1challenges:batchGet/get/parameters/0");
    assert_eq!(
        (&batch["name"], &batch["required"]),
        (&"ids".into(), &true.into())
    );
    assert_eq!(batch["schema"]["maxItems"], 100);
    assert!(batch["schema"]["items"]["pattern"].is_string());
    let page = at("/components/schemas/ListChallengesResponse/properties");
    let fields: Vec<_> = page.as_object().unwrap().keys().collect();
    assert_eq!(
        fields,
        [
            "challenges",
            "difficulty_filter",
            "next_page_token",
            "total_count"
        ]
    );
    let invalidate = at("/paths/~1v1~1admin~1cache:invalidate/post/requestBody");
    let target = invalidate.pointer("/content/application~1json/schema/oneOf");
    assert_eq!(target.unwrap().as_array().unwrap().len(), 3);
    let update = at("/paths/~1v1~1admin~1challenges~1{id}/patch/parameters/0");
    assert_eq!(
        (&update["name"], &update["in"]),
        (&"id".into(), &"path".into())
    );
    let tip = at("/paths/~1v1~1challenges~1{challenge_id}~1tip/get/responses");
    assert!(tip["200"]["content"]["text/event-stream"].is_object() && tip["204"].is_object());
    let same = at("/components/schemas/GetChallengeResponse/properties/challenge/$ref");
    assert_eq!(same, "#/components/schemas/Challenge");
}

#[test]
fn what_is_refused_in_one_operation_alone_is_said_there() {
    let document = made();
    let create = &document["paths"]["/v1/admin/challenges"]["post"]["requestBody"];
    let demands = &create["content"]["application/json"]["schema"]["allOf"][1];
    assert_eq!(demands["properties"]["title"]["minLength"], 1);
    let import =
        &document["components"]["schemas"]["ImportRow"]["properties"]["challenge"]["allOf"][1];
    let (required, id) = (&import["required"], &import["properties"]["id"]);
    assert!(required[0] == "id" && id["pattern"].is_string(), "{import}");
    let line = &document["components"]["schemas"]["ImportRow"]["properties"]["line"];
    assert!(line["minimum"].is_number(), "{line}");
    let title = &document["components"]["schemas"]["EditedChallengeInput"]["properties"]["title"];
    assert!(title["pattern"].is_string() && title.get("minLength").is_none());
    // An id that is too long is replaced, and nothing is refused.
    let id = &document["components"]["parameters"]["RequestId"]["schema"];
    assert_eq!(id.get("maxLength"), None);
}

#[test]
fn a_caller_is_named_where_it_is_kept_and_where_it_is_told_to_auditors() {
    let document = made();
    let has = |verb: &str, path: &str, name: &str| {
        let parameters = document["paths"][path][verb]["parameters"].as_array();
        let reference = format!("#/components/parameters/{name}");
        parameters.unwrap().iter().any(|it| it["$ref"] == reference)
    };
    assert!(has("post", "/v1/admin/challenges", "CallerId"));
    assert!(has("get", "/v1/challenges/{challenge_id}/tip", "CallerId"));
    assert!(has("get", "/v1/admin/cache", "AuditedCallerId"));
    assert!(!has("get", "/v1/challenges", "CallerId"));
    let methods = ROUTES.iter().map(|route| route.rpc().name().to_owned());
    let methods: BTreeSet<_> = methods.collect();
    let mut keepers = NAME_KEEPERS.iter();
    assert!(keepers.all(|name| methods.contains(*name)));
}
