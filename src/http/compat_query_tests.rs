use super::*;

fn refusal(query: &str, form: CompatForm) -> (u16, String) {
    let refusal = CompatQuery::read(query, form).unwrap_err();
    let body = String::from_utf8(refusal.body.to_vec()).unwrap();
    (refusal.status.as_u16(), body)
}

fn asks(difficulty: Option<Difficulty>, filter: Option<&str>, limit: Option<u32>) -> CompatQuery {
    CompatQuery {
        difficulty,
        filter: filter.map(str::to_owned),
        limit,
    }
}

#[test]
fn what_the_plan_takes_is_read() {
    use Difficulty::{Advanced, Beginner};
    for (query, read) in [
        ("", asks(None, None, Some(50))),
        ("limit=1", asks(None, None, Some(1))),
        ("limit=%2B1_00", asks(None, None, Some(100))),
        ("limit=x&limit=7.0", asks(None, None, Some(7))),
        (
            "difficulty=x&difficulty=beginner&unknown=%zz",
            asks(Some(Beginner), Some("beginner"), Some(50)),
        ),
        (
            "difficulty=%61dvanced&limit=20",
            asks(Some(Advanced), Some("advanced"), Some(20)),
        ),
    ] {
        assert_eq!(
            CompatQuery::read(query, CompatForm::Plan),
            Ok(read),
            "{query}"
        );
    }
}

/// The answers of FastAPI 0.104.1 with pydantic 2.5.3 to these very queries.
#[test]
fn what_the_plan_refuses_is_told_in_fastapis_bytes() {
    for (query, body) in [
        (
            "difficulty=",
            r#"{"detail":[{"type":"string_pattern_mismatch","loc":["query","difficulty"],"msg":"String should match pattern '^(beginner|intermediate|advanced)$'","input":"","ctx":{"pattern":"^(beginner|intermediate|advanced)$"},"url":"https://errors.pydantic.dev/2.5/v/string_pattern_mismatch"}]}"#,
        ),
        (
            "limit=0&difficulty=Beginner",
            r#"{"detail":[{"type":"string_pattern_mismatch","loc":["query","difficulty"],"msg":"String should match pattern '^(beginner|intermediate|advanced)$'","input":"Beginner","ctx":{"pattern":"^(beginner|intermediate|advanced)$"},"url":"https://errors.pydantic.dev/2.5/v/string_pattern_mismatch"},{"type":"greater_than_equal","loc":["query","limit"],"msg":"Input should be greater than or equal to 1","input":"0","ctx":{"ge":1},"url":"https://errors.pydantic.dev/2.5/v/greater_than_equal"}]}"#,
        ),
        (
            "limit=99999999999999999999",
            r#"{"detail":[{"type":"less_than_equal","loc":["query","limit"],"msg":"Input should be less than or equal to 100","input":"99999999999999999999","ctx":{"le":100},"url":"https://errors.pydantic.dev/2.5/v/less_than_equal"}]}"#,
        ),
        (
            "limit=%00%22%5c%7f%0c%c0%80%e2%80%a8%c3%a9",
            "{\"detail\":[{\"type\":\"int_parsing\",\"loc\":[\"query\",\"limit\"],\"msg\":\"Input should be a valid integer, unable to parse string as an integer\",\"input\":\"\\u0000\\\"\\\\\u{7f}\\f\u{fffd}\u{fffd}\u{2028}\u{e9}\",\"url\":\"https://errors.pydantic.dev/2.5/v/int_parsing\"}]}",
        ),
    ] {
        let expected = (422, body.to_owned());
        assert_eq!(refusal(query, CompatForm::Plan), expected, "{query}");
    }
}

#[test]
fn a_number_that_is_too_long_is_told_as_such() {
    let digits = "1".repeat(4301);
    let body = format!(
        r#"{{"detail":[{{"type":"int_parsing_size","loc":["query","limit"],"msg":"Unable to parse input string as an integer, exceeded maximum size","input":"{digits}","url":"https://errors.pydantic.dev/2.5/v/int_parsing_size"}}]}}"#
    );
    let query = format!("limit={digits}");
    assert_eq!(refusal(&query, CompatForm::Plan), (422, body));
}

#[test]
fn the_deployed_form_checks_the_difficulty_alone() {
    let form = CompatForm::Deployed;
    let all = Ok(asks(None, None, None));
    assert_eq!(CompatQuery::read("limit=many", form), all);
    let blank = Ok(asks(None, Some(""), None));
    assert_eq!(CompatQuery::read("difficulty=&limit=1", form), blank);
    let one = Ok(asks(Some(Difficulty::Beginner), Some("beginner"), None));
    assert_eq!(CompatQuery::read("difficulty=beginner", form), one);
    for bad in [
        "difficulty=Beginner",
        "difficulty=beginner%0a",
        "difficulty=+",
    ] {
        let (status, body) = refusal(bad, form);
        assert_eq!(status, 400);
        assert_eq!(
            body,
            r#"{"detail":"Invalid difficulty. Must be: beginner, intermediate, or advanced"}"#
        );
    }
}
