use super::*;
use crate::{domain::FieldViolation, http::fixtures::kind};

/// The message, or the problems.
fn read(name: &str, json: &str) -> Result<DynamicMessage, Vec<String>> {
    let mut problems = RequestProblems::default();
    let message = super::read(
        kind(&format!("admin.v1.{name}")),
        json.as_bytes(),
        "",
        &mut problems,
    );
    match message.and_then(|message| problems.end().map(|()| message)) {
        Ok(message) => Ok(message),
        Err(Unreadable::Malformed(problem)) => Err(vec![format!("malformed: {problem}")]),
        Err(Unreadable::Fields(violations)) => {
            let violations: Vec<FieldViolation> = violations.into();
            Err(violations.iter().map(ToString::to_string).collect())
        }
    }
}

#[test]
fn either_spelling_of_a_name_is_read() {
    for json in [
        r#"{"challenge": {"title": "T", "points": 5}, "request_id": "r", "validate_only": true}"#,
        r#"{"validateOnly": true, "requestId": "r", "challenge": {"points": "5", "title": "T", "tips": null}}"#,
    ] {
        let message = read("CreateChallengeRequest", json).unwrap();
        let text = "challenge{title:\"T\",points:5},request_id:\"r\",validate_only:true";
        assert_eq!(message.to_string(), text);
    }
}

#[test]
fn no_body_and_an_empty_object_are_the_empty_message() {
    for json in ["", " \n", "{}", r#"{"options": null}"#] {
        let message = read("ImportChallengesRequest", json).unwrap();
        assert_eq!(message.to_string(), "");
    }
}

#[test]
fn all_problems_are_told_at_once_with_their_places() {
    let json = r#"{
        "rows": [
            {"line": 1.5, "challenge": {"title": 7, "points": "x", "color": {"deep": [1]}}},
            null,
            {"challenge": [], "line": true},
            "row"
        ],
        "options": {"mode": "often", "mode": 2, "validate_only": "true"},
        "row": 1
    }"#;
    let problems = read("ImportChallengesRequest", json).unwrap_err();
    assert_eq!(
        problems,
        [
            "rows[0].line: must be a whole number of 64 bits",
            "rows[0].challenge.title: must be a text",
            "rows[0].challenge.points: must be a whole number of 32 bits",
            "rows[0].challenge.color: is unknown",
            "rows[1]: must not be null",
            "rows[2].challenge: must not be a list",
            "rows[2].line: must be a number",
            "rows[3]: must be a message",
            "options.mode: must be one of upsert",
            "options.validate_only: must be true or false",
            "row: is unknown",
        ]
    );
}

#[test]
fn a_field_twice_or_two_members_of_a_choice_are_refused() {
    let problems = |json| read("InvalidateCacheRequest", json).unwrap_err();
    assert_eq!(
        problems(r#"{"tag": "a", "tag": "b"}"#),
        ["tag: is given twice"]
    );
    assert_eq!(
        problems(r#"{"validate_only": true, "validateOnly": false}"#),
        ["validateOnly: is given twice"]
    );
    assert_eq!(
        problems(r#"{"all": true, "challenges": {"ids": []}}"#),
        ["challenges: cannot be given together with all"]
    );
    assert!(read("InvalidateCacheRequest", r#"{"all": null, "tag": "a"}"#).is_ok());
}

#[test]
fn what_is_no_json_object_is_malformed() {
    let deep = "[".repeat(100_000);
    let deep_value = format!("{{\"x\": {deep}");
    for json in [
        "null",
        "[]",
        "1",
        "\"\"",
        "{",
        "{}x",
        "{} {}",
        "{'a': 1}",
        "{\"tag\": \"\\ud800\"}",
        "{\"tag\": 1e999}",
        "\u{feff}{}",
        &deep,
        &deep_value,
    ] {
        let problems = read("InvalidateCacheRequest", json).unwrap_err();
        assert!(
            problems[0].starts_with("malformed: "),
            "{json:.40}: {problems:?}"
        );
    }
    let mut problems = RequestProblems::default();
    let kind = kind("admin.v1.InvalidateCacheRequest");
    let bytes = b"{\"tag\": \"\xff\"}";
    assert!(super::read(kind, bytes, "", &mut problems).is_err());
}

#[test]
fn hostile_lists_and_names_are_bounded() {
    let many = format!("{{\"ids\": [{}1]}}", "1,".repeat(50_000));
    assert_eq!(read("WarmCacheRequest", &many).unwrap_err().len(), 100);
    let long = format!("{{\"{}\": 1}}", "ä".repeat(50_000));
    let told = read("WarmCacheRequest", &long).unwrap_err();
    assert!(told[0].len() < 200, "{}", told[0].len());
    let names: Vec<_> = (0..50_000).map(|it| format!("\"{it}\": 1")).collect();
    let names = format!("{{{}}}", names.join(","));
    assert_eq!(read("WarmCacheRequest", &names).unwrap_err().len(), 100);
    let ids = format!("{{\"ids\": [{}\"a\"]}}", "\"a\",".repeat(10_000));
    let told = read("WarmCacheRequest", &ids).unwrap_err();
    assert_eq!(told, ["ids: must have at most 10000 values"]);
}
