use http::Method;
use prost_reflect::ReflectMessage;

use super::*;
use crate::{
    domain::FieldViolation,
    http::{field_path::FieldPath, fixtures::ROUTES, scalar::is_text},
};

fn call(verb: &str, target: &str, body: &str) -> Result<String, Vec<String>> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let found = ROUTES.find(&verb.parse().unwrap(), path).unwrap();
    told(request(
        found.route,
        &found.variables,
        query,
        body.as_bytes(),
    ))
}

fn told(read: Result<DynamicMessage, Unreadable>) -> Result<String, Vec<String>> {
    match read {
        Ok(message) => Ok(message.to_string()),
        Err(Unreadable::Malformed(problem)) => Err(vec![format!("malformed: {problem}")]),
        Err(Unreadable::Fields(violations)) => {
            let violations: Vec<FieldViolation> = violations.into();
            Err(violations.iter().map(ToString::to_string).collect())
        }
    }
}

#[test]
fn a_message_is_filled_from_the_path_the_query_and_the_body() {
    for (verb, target, body, message) in [
        ("GET", "/v1/challenges", "", ""),
        (
            "GET",
            "/v1/challenges?difficulty=beginner&page_size=20&&page_token=a%2Bb+c&",
            "",
            r#"difficulty:DIFFICULTY_BEGINNER,page_size:20,page_token:"a+b c""#,
        ),
        (
            "GET",
            "/v1/challenges:batchGet?ids=a&min_version=v&ids=b",
            "",
            r#"ids:["a","b"],min_version:"v""#,
        ),
        (
            "GET",
            "/v1/challenges/a%20b/tip?heartbeat_interval=1.5s&mode=REFRESH&no_static_fallback=true&resume_token=-_8",
            "",
            "",
        ),
        (
            "PATCH",
            "/v1/admin/challenges/a?update_mask=title,points&etag=e",
            r#"{"title": "T", "id": "a"}"#,
            r#"challenge{id:"a",title:"T"},update_mask{paths:["title","points"]},etag:"e""#,
        ),
        (
            "DELETE",
            "/v1/admin/challenges/a?validate_only=true",
            "",
            r#"id:"a",validate_only:true"#,
        ),
        (
            "POST",
            "/v1/admin/flags/ai_tips:reset",
            "",
            r#"name:"ai_tips""#,
        ),
        (
            "POST",
            "/v1/admin/cache:invalidate",
            r#"{"challenges": {"ids": ["a"]}}"#,
            r#"challenges{ids:["a"]}"#,
        ),
    ] {
        let expected = match message {
            "" if target.contains("/tip") => {
                Err(vec!["mode: must be one of cached_only, refresh".to_owned()])
            }
            message => Ok(message.to_owned()),
        };
        assert_eq!(call(verb, target, body), expected, "{verb} {target}");
    }
}

#[test]
fn all_problems_of_a_query_are_told_at_once() {
    let target = "/v1/challenges?page_size=x&page_size=5&Difficulty=1&difficulty=hard&pageSize=5&page_token=%ff&%zz=1&=&x";
    assert_eq!(
        call("GET", target, "body").unwrap_err(),
        [
            "body: must be empty",
            "page_size: must be a whole number of 32 bits",
            "page_size: is given twice",
            "Difficulty: is unknown",
            "difficulty: must be one of beginner, intermediate, advanced",
            "pageSize: is unknown",
            "page_token: must be UTF-8",
            "query: a name must have two hexadecimal digits behind each %",
            ": is unknown",
            "x: is unknown",
        ]
    );
}

#[test]
fn a_query_cannot_say_what_the_path_or_the_body_says() {
    for (verb, target, body, problem) in [
        (
            "GET",
            "/v1/challenges/a?id=b",
            "",
            "id: is a part of the path",
        ),
        (
            "PATCH",
            "/v1/admin/challenges/a?challenge.id=b",
            "",
            "challenge.id: is a part of the path",
        ),
        (
            "PATCH",
            "/v1/admin/challenges/a?challenge.title=b",
            "",
            "challenge.title: belongs into the body",
        ),
        (
            "PATCH",
            "/v1/admin/challenges/a",
            r#"{"id": "b"}"#,
            "challenge.id: is another one in the path",
        ),
        (
            "PATCH",
            "/v1/admin/challenges/a?challenge=b",
            "",
            "challenge: is a part of the path",
        ),
        (
            "POST",
            "/v1/admin/cache:invalidate?tag=challenges",
            "",
            "tag: belongs into the body",
        ),
        (
            "POST",
            "/v1/admin/challenges?challenge=b",
            "",
            "challenge: belongs into the body",
        ),
        (
            "GET",
            "/v1/challenges:batchGet?ids.x=b",
            "",
            "ids.x: is unknown",
        ),
        (
            "GET",
            "/v1/challenges/a/tip?heartbeat_interval.seconds=1",
            "",
            "heartbeat_interval.seconds: is unknown",
        ),
    ] {
        assert_eq!(call(verb, target, body).unwrap_err(), [problem], "{target}");
    }
}

#[test]
fn messages_are_reached_by_dots_and_choices_are_kept() {
    let found = ROUTES
        .find(&Method::POST, "/v1/admin/cache:invalidate")
        .unwrap();
    let input = found.route.rpc().input();
    let path = |name| FieldPath::resolve(&input, name).unwrap();
    let mut message = DynamicMessage::new(input.clone());
    for id in ["a", "b"] {
        assert_eq!(path("challenges.ids").rival(&message), None);
        path("challenges.ids").put(&mut message, Value::String(id.to_owned()));
    }
    assert_eq!(message.to_string(), r#"challenges{ids:["a","b"]}"#);
    let rival = path("tag").rival(&message).unwrap();
    assert_eq!(rival.name(), "challenges");
    assert!(path("challenges").meets(&path("challenges.ids")));
    assert!(!path("tag").meets(&path("challenges.ids")));
}

#[test]
fn a_query_of_a_megabyte_is_refused_and_not_kept() {
    for query in [
        "x&".repeat(1 << 19),
        "page_size=1&".repeat(1 << 16),
        format!("{}=1", "a.".repeat(1 << 19)),
        "%".repeat(1 << 20),
        format!("page_size={}", "9".repeat(1 << 20)),
        "&=".repeat(1 << 19),
    ] {
        let problems = call("GET", &format!("/v1/challenges?{query}"), "").unwrap_err();
        assert!(problems.len() <= 100 && problems.iter().all(|it| it.len() < 300));
    }
    let empty = call(
        "GET",
        &format!("/v1/challenges?{}", "&".repeat(1 << 20)),
        "",
    );
    assert_eq!(empty, Ok(String::new()));
    let many = call(
        "GET",
        &format!("/v1/challenges:batchGet?{}", "ids=a&".repeat(1 << 16)),
        "",
    );
    assert_eq!(many.unwrap().matches('a').count(), 1 << 16);
}

#[test]
fn a_line_of_an_import_is_a_message_of_its_stream() {
    let found = ROUTES
        .find(&Method::POST, "/v1/admin/challenges:import")
        .unwrap();
    let read = |json: &str| told(request_of_line(found.route.rpc(), 7, json.as_bytes()));
    let line = r#"{"rows": [{"line": "3", "challenge": {"id": "a"}}], "options": {"mode": "IMPORT_MODE_UPSERT"}}"#;
    let message = r#"options{mode:IMPORT_MODE_UPSERT},rows:[{line:3,challenge{id:"a"}}]"#;
    assert_eq!(read(line), Ok(message.to_owned()));
    let problems = read(r#"{"rows": [{"challenge": {"id": 1}}], "title": "T"}"#).unwrap_err();
    let told = [
        "lines[7].rows[0].challenge.id: must be a text",
        "lines[7].title: is unknown",
    ];
    assert_eq!(problems, told);
    assert!(read("{").unwrap_err()[0].starts_with("malformed: line 7: "));
}

/// What the readers do not know: a contract that needs it makes this fail.
#[test]
fn no_request_has_a_map_or_a_message_that_is_written_in_a_way_of_its_own() {
    let mut kinds: Vec<_> = ROUTES.iter().map(|it| it.rpc().input()).collect();
    while let Some(kind) = kinds.pop() {
        for field in kind.fields() {
            assert!(!field.is_map(), "{}", field.full_name());
            if let Kind::Message(inner) = field.kind()
                && !is_text(&field)
            {
                assert!(
                    inner.full_name().starts_with("challenges."),
                    "{}",
                    field.full_name()
                );
                kinds.push(inner);
            }
        }
        assert!(DynamicMessage::new(kind.clone()).descriptor() == kind);
    }
}
