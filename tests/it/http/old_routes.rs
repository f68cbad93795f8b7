//! The old routes answer as the replaced service did.
use std::{collections::BTreeSet, net::SocketAddr};

use serde_json::{Map, Value};

use super::{
    exchange::{Answer, HTTP, ask, ask_with, http_addr},
    old_matrix::{Case, cases},
    old_service::{DEPLOYED, OldService, PLAN},
};
use crate::support::{
    fleet,
    postgres::{self, Database},
    replica::Replica,
};

/// The fields of both forms.
const LIST_FIELDS: [&str; 7] = [
    "challenges",
    "total_count",
    "count",
    "difficulty_filter",
    "cached",
    "cache_expiry",
    "timestamp",
];
const ITEM_FIELDS: [&str; 7] = [
    "id",
    "difficulty",
    "title",
    "description",
    "points",
    "tips",
    "created_at",
];
/// What two services do not agree about: when they were asked, and what they had cached.
const BY_NATURE: [&str; 3] = ["cached", "cache_expiry", "timestamp"];
/// The plan names these routes and not what they answer.
const UNSPECIFIED: [&str; 2] = ["/admin/cache/invalidate", "/admin/cache/status"];

/// More rows than the largest limit, of each difficulty more than a small one, with texts and times of all kinds.
const ROWS: &str = "
    INSERT INTO approach_challenges (difficulty, title, description, points, tips, created_at)
    SELECT (ARRAY['beginner', 'intermediate', 'advanced'])[1 + n % 3],
        'Row ' || n,
        'Text ' || n,
        n,
        CASE WHEN n % 2 = 0 THEN 'Tip ' || n END,
        CASE WHEN n % 5 > 0 THEN timestamptz '2025-08-16 10:30:00+00' + n * interval '1.0101 s' END
    FROM generate_series(1, 180) AS n;
    INSERT INTO approach_challenges (difficulty, title, description, points, tips, created_at) VALUES
    ('beginner', E'\"quoted\" \\\\ / <b>&amp;</b> \u{e9} \u{1f600} \u{2028} \u{7f}', E'\\b\\f\\n\\r\\t\\x01\\x1f', -5,
        '', '2025-08-16 10:30:00.120000+02'),
    ('beginner', ' ', '', 0, NULL, '1969-12-31 23:59:59.999999+00'),
    ('beginner', 'small', 'x', 1, NULL, '2025-08-16 10:30:00.000010+00'),
    ('beginner', 'large', 'x', 2147483647, NULL, '9999-12-31 23:59:59+00');";

/// The rows as `PostgREST` gave them to the replaced service, in the order of the catalog.
const AS_JSON: &str = "
    SELECT json_agg(row_to_json(r)) FROM (
        SELECT id, difficulty, title, description, points, tips, created_at FROM approach_challenges
        ORDER BY array_position(ARRAY['beginner', 'intermediate', 'advanced'], difficulty::text), points,
            title COLLATE \"C\", id
    ) AS r";

async fn database() -> (Database, String) {
    let database = postgres::fresh().await;
    let in_utc = format!("ALTER DATABASE {} SET timezone TO 'UTC'", database.name());
    database.execute(&in_utc).await;
    fleet::migrate(&database).await;
    database.execute(ROWS).await;
    let rows = database.query_text(AS_JSON).await;
    (database, rows)
}

async fn replica(database: &Database, form: &str, more: &[(&str, String)]) -> Replica {
    let mut env = vec![
        ("DATABASE_URL", database.url()),
        ("CATALOG_HTTP_COMPAT", form.to_owned()),
        (HTTP.0, HTTP.1.to_owned()),
    ];
    env.extend_from_slice(more);
    Replica::start(&env).await
}

fn keys(object: &Map<String, Value>) -> BTreeSet<&str> {
    object.keys().map(String::as_str).collect()
}

/// Removes what the other form has, and what differs by nature.
fn comparable(list: &Value, like: &Value) -> Value {
    let keep = |object: &Value, like: &Value| {
        let object = object.as_object().unwrap().clone().into_iter();
        let kept = object.filter(|(name, _)| like.get(name).is_some());
        Value::Object(kept.collect())
    };
    let mut list = keep(list, like);
    for name in BY_NATURE {
        list.as_object_mut().unwrap().remove(name);
    }
    let items = list["challenges"].as_array_mut().unwrap();
    for (item, like) in items.iter_mut().zip(like["challenges"].as_array().unwrap()) {
        *item = keep(item, like);
    }
    list
}

/// A time of either service, such as `2025-08-16T10:30:00.123456+00:00`.
fn is_python_time(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    let digits: String = text
        .chars()
        .map(|it| if it.is_ascii_digit() { '0' } else { it })
        .collect();
    [
        "0000-00-00T00:00:00.000000+00:00",
        "0000-00-00T00:00:00+00:00",
    ]
    .contains(&digits.as_str())
}

fn compare_lists(ours: &Value, theirs: &Value) -> Result<(), String> {
    let object = ours.as_object().ok_or("no object")?;
    if keys(object) != BTreeSet::from(LIST_FIELDS) {
        return Err(format!("fields {:?}", keys(object)));
    }
    let items = ours["challenges"].as_array().ok_or("no list")?;
    for item in items {
        let fields = keys(item.as_object().ok_or("no item")?);
        if fields != BTreeSet::from(ITEM_FIELDS) {
            return Err(format!("fields {fields:?}"));
        }
    }
    if !is_python_time(&ours["timestamp"]) {
        return Err(format!("timestamp {}", ours["timestamp"]));
    }
    let expiry = &ours["cache_expiry"];
    if !(expiry.is_null() || is_python_time(expiry)) || !ours["cached"].is_boolean() {
        return Err(format!("{} {expiry}", ours["cached"]));
    }
    if items.len() != theirs["challenges"].as_array().unwrap().len() {
        return Err(format!("{} challenges", items.len()));
    }
    let (ours, theirs) = (comparable(ours, theirs), comparable(theirs, theirs));
    if ours == theirs {
        Ok(())
    } else {
        Err(format!("{ours}\n  instead of {theirs}"))
    }
}

/// What a client could tell them apart by.
fn compare(case: &Case, ours: &Answer, theirs: &Answer) -> Result<(), String> {
    let told = |answer: &Answer| {
        let headers = ["content-type", "allow", "location"];
        let headers = headers.map(|name| answer.header(name).map(str::to_owned));
        (answer.status, headers)
    };
    if told(ours) != told(theirs) {
        return Err(format!("{:?}, not {:?}", told(ours), told(theirs)));
    }
    if theirs.status != 200 {
        let (ours, theirs) = (ours.text(), theirs.text());
        let equal = ours == theirs;
        return equal
            .then_some(())
            .ok_or(format!("{ours}\n  instead of {theirs}"));
    }
    if theirs.json().get("challenges").is_some() {
        return compare_lists(&ours.json(), &theirs.json());
    }
    let is_specified = !UNSPECIFIED.contains(&case.target.as_str());
    if is_specified && ours.body != theirs.body {
        return Err(ours.text());
    }
    Ok(())
}

async fn compare_all(ours: SocketAddr, theirs: SocketAddr, cases: &[Case]) {
    let mut found = Vec::new();
    for case in cases {
        let our_answer = ask(ours, case.method, &case.target).await;
        let their_answer = ask(theirs, case.method, &case.target).await;
        if let Err(difference) = compare(case, &our_answer, &their_answer) {
            let target: String = case.target.chars().take(100).collect();
            found.push(format!("{} {target}: {difference}", case.method));
        }
    }
    let count = found.len();
    assert!(found.is_empty(), "{count} differ: {}", found.join("\n"));
}

async fn compare_matrix(form: &str) {
    let cases = cases();
    assert!(cases.len() >= 200, "{}", cases.len());
    let (database, rows) = database().await;
    let theirs = OldService::start(form, &rows, "on");
    let ours = replica(&database, form, &[]).await;
    compare_all(http_addr(&ours), theirs.addr, &cases).await;
}

#[tokio::test]
async fn hundreds_of_requests_are_answered_as_fastapi_answers_them() {
    compare_matrix(PLAN).await;
}

#[tokio::test]
async fn hundreds_of_requests_are_answered_as_the_deployed_form_answered_them() {
    compare_matrix(DEPLOYED).await;
}

fn gets(targets: &[&str]) -> Vec<Case> {
    let targets = targets.iter();
    targets
        .map(|target| Case {
            method: "GET",
            target: (*target).to_owned(),
        })
        .collect()
}

const FEW: [&str; 5] = [
    "/api/challenges",
    "/api/challenges?difficulty=beginner&limit=7",
    "/api/challenges?difficulty=expert&limit=0",
    "/api/challenges/",
    "/api/unknown",
];

#[tokio::test]
async fn a_catalog_that_is_switched_off_says_so_as_the_old_one_did() {
    let (database, rows) = database().await;
    for form in [PLAN, DEPLOYED] {
        let theirs = OldService::start(form, &rows, "off");
        let off = [("ENABLE_CHALLENGES_CATALOG", "false".to_owned())];
        let ours = replica(&database, form, &off).await;
        compare_all(http_addr(&ours), theirs.addr, &gets(&FEW)).await;
    }
}

#[tokio::test]
async fn a_catalog_that_cannot_be_read_fails_as_the_old_one_did() {
    // What the replica warmed itself with is answered all the same.
    let uncached = gets(&FEW[1..]);
    for form in [PLAN, DEPLOYED] {
        let server = postgres::own_server();
        let database = server.fresh().await;
        fleet::migrate(&database).await;
        let theirs = OldService::start(form, "[]", "failing");
        let ours = replica(&database, form, &[]).await;
        server.kill();
        compare_all(http_addr(&ours), theirs.addr, &uncached).await;
    }
}

/// FastAPI has no HEAD unless it is asked for; caches and monitors want it.
#[tokio::test]
async fn head_is_answered_where_fastapi_refused_it() {
    let (database, rows) = database().await;
    let theirs = OldService::start(PLAN, &rows, "on");
    let ours = replica(&database, PLAN, &[]).await;
    for (target, status) in [
        ("/api/challenges", 200),
        ("/api/challenges?limit=0", 422),
        ("/api/unknown", 404),
    ] {
        let head = ask(http_addr(&ours), "HEAD", target).await;
        let get = ask(http_addr(&ours), "GET", target).await;
        assert_eq!((head.status, get.status), (status, status), "{target}");
        assert!(head.body.is_empty());
        assert_eq!(head.header("content-type"), get.header("content-type"));
    }
    assert_eq!(
        ask(theirs.addr, "HEAD", "/api/challenges").await.status,
        405
    );
}

#[tokio::test]
async fn a_browser_that_asks_for_a_page_of_a_known_origin_is_told_what_an_old_route_takes() {
    let settings = [
        (HTTP.0, HTTP.1.to_owned()),
        ("CATALOG_HTTP_CORS_ORIGIN", "https://app.example".to_owned()),
    ];
    let replica = Replica::start(&settings).await;
    let ask = async |origin: &str| {
        let request = format!(
            "OPTIONS /api/challenges HTTP/1.1\r\norigin: {origin}\r\naccess-control-request-method: GET"
        );
        ask_with(http_addr(&replica), &request).await
    };
    let known = ask("https://app.example").await;
    let allowed = known.header("access-control-allow-origin");
    assert_eq!((known.status, allowed), (204, Some("https://app.example")));
    let verbs = known.header("access-control-allow-methods");
    assert_eq!(verbs, Some("GET, HEAD, OPTIONS"));
    let foreign = ask("https://evil.example").await;
    assert_eq!(foreign.header("access-control-allow-origin"), None);
    assert_eq!(foreign.header("access-control-allow-methods"), None);
}

/// The old routes answer for every path that is not `/v1`, but for these.
#[tokio::test]
async fn the_documents_are_not_taken_for_old_routes() {
    let replica = Replica::start(&[(HTTP.0, HTTP.1.to_owned())]).await;
    for path in ["/openapi.json", "/docs"] {
        let answer = ask(http_addr(&replica), "GET", path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
}

/// They tell the contract, as reflection does.
#[tokio::test]
async fn the_documents_are_for_those_who_may_read_the_contract() {
    for (who, status) in [("off", 404), ("authenticated", 200)] {
        let settings = [(HTTP.0, HTTP.1), ("CATALOG_REFLECTION", who)];
        let settings = settings.map(|(name, value)| (name, value.to_owned()));
        let replica = Replica::start(&settings).await;
        for path in ["/openapi.json", "/docs"] {
            let answer = ask(http_addr(&replica), "GET", path).await;
            assert_eq!(answer.status, status, "{who} {path}");
        }
    }
}

#[tokio::test]
async fn a_redirect_leads_to_https_when_a_proxy_says_so() {
    let (database, rows) = database().await;
    let theirs = OldService::start(PLAN, &rows, "on");
    let ours = replica(&database, PLAN, &[]).await;
    let request = "GET /api/challenges/ HTTP/1.1\r\nx-forwarded-proto: https";
    let ours = ask_with(http_addr(&ours), request).await;
    let theirs = ask_with(theirs.addr, request).await;
    let location = Some("https://catalog.example:8000/api/challenges");
    assert_eq!((ours.status, ours.header("location")), (307, location));
    assert_eq!((theirs.status, theirs.header("location")), (307, location));
}
