//! Requests over HTTP: paths, queries and JSON as messages of the methods, and the queries of the old routes.
use challenges_catalog::http::{
    CompatForm,
    fuzzing::{RoutedRequest, asked, old_limit, plain_read},
};
use http::{Method, Uri};

use crate::target::Target;

pub(super) const TARGET: Target = Target {
    name: "http_requests",
    words: &[
        "GET /v1/challenges?",
        "GET /v1/challenges:batchGet?ids=",
        "POST /v1/admin/cache:invalidate\n",
        "PATCH /v1/admin/challenges/a?update_mask=title\n",
        "PUT /v1/admin/",
        "/tip?",
        "difficulty=beginner",
        "difficulty=DIFFICULTY_",
        "page_size=",
        "limit=",
        "min_version=",
        "heartbeat_interval=1.5s",
        "&",
        "%00",
        "%C0%AF",
        "+",
        "\n{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"\\ud83d\"",
        "\"tag\"",
        "\"all\": true",
        "null",
        "1e400",
        "-0",
        "18446744073709551616",
        "NaN",
    ],
    memory_bytes: 4 << 20,
    check,
};

/// As long as what is told of one request may be at most, in bytes.
const TOLD_MAX: usize = 100 << 10;

fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (head, body) = text.split_once('\n').unwrap_or((&text, ""));
    let (verb, target) = head.split_once(' ').unwrap_or(("GET", head));
    let (Ok(verb), Ok(target)) = (verb.parse::<Method>(), target.parse::<Uri>()) else {
        return;
    };
    let (path, query) = (target.path(), target.query().unwrap_or_default());
    old_routes(query);
    let asked = asked(&verb, path, query, body.as_bytes());
    if let Some(asked) = &asked {
        // Edits have a field mask, which no answer has, so that none is ever written.
        messages_survive_json(asked, verb != Method::PATCH);
    }
    if verb == Method::GET
        && let Some(plain) = plain_read(path, query)
    {
        let asked = asked.expect("each of these reads has a route");
        match (plain, asked.read) {
            (Err(wrong), _) => assert!(wrong > 0),
            // The ids of a batch may stand in one value, with commas, for this reader alone.
            (Ok(message), Ok(read)) if body.is_empty() && !path.ends_with(":batchGet") => {
                assert_eq!(read.bytes, message);
            }
            // It takes an empty difficulty for none, and a body that it must not have is refused before this.
            (Ok(_), _) => {}
        }
    }
}

fn messages_survive_json(asked: &RoutedRequest, is_written: bool) {
    match &asked.read {
        Ok(_) if !is_written => {}
        Ok(read) => {
            let again = asked.again(&read.json).expect("its own JSON");
            assert_eq!(again.json, read.json);
            assert_eq!(again.bytes, read.bytes);
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            let told: usize = problems.iter().map(String::len).sum();
            assert!(told <= TOLD_MAX, "{told} bytes are told");
        }
    }
}

fn old_routes(query: &str) {
    for form in [CompatForm::Plan, CompatForm::Deployed] {
        match old_limit(query, form) {
            Ok(limit) => assert!(limit.is_none_or(|limit| (1..=100).contains(&limit))),
            Err(body) => {
                let told: Result<serde_json::Value, _> = serde_json::from_slice(&body);
                assert!(told.expect("JSON")["detail"] != serde_json::Value::Null);
            }
        }
    }
}
