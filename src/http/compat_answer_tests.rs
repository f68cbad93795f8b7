use super::*;

fn at(micros: i64) -> UnixMicros {
    UnixMicros(micros)
}

/// 2025-08-16T10:30:00 and so many microseconds.
fn august(micros: i64) -> UnixMicros {
    at(1_755_340_200_000_000 + micros)
}

fn shown<T: Serialize>(time: T) -> String {
    serde_json::to_string(&time).unwrap()
}

fn row_time(time: UnixMicros) -> RowTime {
    let (seconds, nanos) = time.split();
    RowTime(Timestamp { seconds, nanos })
}

fn challenge() -> pb::Challenge {
    pb::Challenge {
        id: "5f0c1d4e-8a53-4f0e-9d6b-0c8f6f1a2b01".to_owned(),
        difficulty: pb::Difficulty::Beginner.into(),
        title: "Smile \"\u{e9}\" \u{2028} \u{7f} \u{1f600} \\ / <b>&".to_owned(),
        description: "a\u{8}\u{c}\n\r\t\u{1}\u{1f}".to_owned(),
        points: 10,
        tips: None,
        create_time: Some(row_time(august(120_000)).0),
        update_time: Some(row_time(august(5)).0),
    }
}

/// The same rows gave FastAPI's answers of both forms, of which this has every field in the same spelling.
#[test]
fn a_list_has_the_fields_of_both_forms_in_fastapis_bytes() {
    let second = pb::Challenge {
        id: "5f0c1d4e-8a53-4f0e-9d6b-0c8f6f1a2b02".to_owned(),
        difficulty: pb::Difficulty::Advanced.into(),
        title: "B".to_owned(),
        points: -5,
        tips: Some("x".to_owned()),
        ..Default::default()
    };
    let page = pb::ListChallengesResponse {
        challenges: vec![challenge(), second],
        total_count: 7,
        ..Default::default()
    };
    let facts = CompatFacts {
        filter: None,
        cached: false,
        cache_expiry: Some(august(782_403)),
        timestamp: august(0),
    };
    let expected = concat!(
        r#"{"challenges":[{"id":"5f0c1d4e-8a53-4f0e-9d6b-0c8f6f1a2b01","difficulty":"beginner","title":""#,
        "Smile \\\"\u{e9}\\\" \u{2028} \u{7f} \u{1f600} \\\\ / <b>&",
        r#"","description":"a\b\f\n\r\t\u0001\u001f","points":10,"tips":null,"#,
        r#""created_at":"2025-08-16T10:30:00.12+00:00"},"#,
        r#"{"id":"5f0c1d4e-8a53-4f0e-9d6b-0c8f6f1a2b02","difficulty":"advanced","title":"B","description":"","#,
        r#""points":-5,"tips":"x","created_at":null}],"total_count":7,"count":2,"difficulty_filter":null,"#,
        r#""cached":false,"cache_expiry":"2025-08-16T10:30:00.782403+00:00","timestamp":"2025-08-16T10:30:00+00:00"}"#
    );
    assert_eq!(list(&list_head(&page), &facts), expected);
}

#[test]
fn an_empty_list_is_one() {
    let facts = CompatFacts {
        filter: Some("advanced"),
        cached: true,
        cache_expiry: None,
        timestamp: august(1),
    };
    let expected = r#"{"challenges":[],"total_count":0,"count":0,"difficulty_filter":"advanced","cached":true,"cache_expiry":null,"timestamp":"2025-08-16T10:30:00.000001+00:00"}"#;
    assert_eq!(
        list(&list_head(&pb::ListChallengesResponse::default()), &facts),
        expected
    );
}

/// What `datetime.isoformat` and `to_json` gave.
#[test]
fn times_are_written_as_python_and_as_postgresql_write_them() {
    for (time, python, postgres) in [
        (
            august(0),
            "2025-08-16T10:30:00+00:00",
            "2025-08-16T10:30:00+00:00",
        ),
        (
            august(120_000),
            "2025-08-16T10:30:00.120000+00:00",
            "2025-08-16T10:30:00.12+00:00",
        ),
        (
            august(100),
            "2025-08-16T10:30:00.000100+00:00",
            "2025-08-16T10:30:00.0001+00:00",
        ),
        (
            at(-1),
            "1969-12-31T23:59:59.999999+00:00",
            "1969-12-31T23:59:59.999999+00:00",
        ),
    ] {
        assert_eq!(shown(PythonTime(time)), format!("{python:?}"));
        assert_eq!(shown(row_time(time)), format!("{postgres:?}"));
    }
}

#[test]
fn an_invalidation_is_answered_as_the_deployed_form_did() {
    let expected = r#"{"success":true,"message":"Challenges cache invalidated"}"#;
    assert_eq!(invalidated(), expected);
}

#[test]
fn an_invalidation_by_tag_has_the_receipt_too() {
    let answer = admin::InvalidateCacheResponse {
        version: "0-7".to_owned(),
        acknowledged: vec!["a".to_owned()],
        entries_dropped: 3,
        ..Default::default()
    };
    let expected = r#"{"success":true,"message":"Challenges cache invalidated","tag":"challenges","version":"0-7","acknowledged":["a"],"fenced":[],"unproven":[],"entries_dropped":3}"#;
    assert_eq!(receipt("challenges", &answer), expected);
}
