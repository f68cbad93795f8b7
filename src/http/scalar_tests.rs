use super::*;
use crate::http::fixtures::kind;

fn field(message: &str, name: &str) -> FieldDescriptor {
    kind(message).get_field_by_name(name).unwrap()
}

fn page_size() -> FieldDescriptor {
    field("catalog.v1.ListChallengesRequest", "page_size")
}

#[test]
fn a_number_has_one_spelling() {
    let read = |text| of_text(&page_size(), text);
    assert_eq!(read("50"), Ok(Value::I32(50)));
    assert_eq!(read("-2147483648"), Ok(Value::I32(i32::MIN)));
    for text in [
        "",
        "-",
        "+5",
        " 5",
        "5 ",
        "5.0",
        "1e2",
        "0x5",
        "2147483648",
        "--5",
        "٥",
    ] {
        assert_eq!(
            read(text),
            Err("must be a whole number of 32 bits".to_owned()),
            "{text}"
        );
    }
    let budget = field("admin.v1.BatchGenerateTipsRequest", "budget_micro_usd");
    assert_eq!(
        of_text(&budget, "18446744073709551615"),
        Ok(Value::U64(u64::MAX))
    );
    assert!(of_text(&budget, "-1").is_err());
}

#[test]
fn an_enum_is_written_by_its_name_or_its_word_and_in_json_by_its_number_too() {
    let difficulty = field("catalog.v1.ListChallengesRequest", "difficulty");
    for text in ["DIFFICULTY_ADVANCED", "advanced"] {
        for read in [
            of_text(&difficulty, text),
            of_json(&difficulty, &Plain::Text(text)),
        ] {
            assert_eq!(read, Ok(Value::EnumNumber(3)), "{text}");
        }
    }
    // One more spelling would make caches of queries miss.
    for text in ["", "Advanced", "DIFFICULTY_", "difficulty_advanced", "3"] {
        let refused = of_text(&difficulty, text).unwrap_err();
        assert_eq!(
            refused, "must be one of beginner, intermediate, advanced",
            "{text}"
        );
    }
    // The service says what it thinks of numbers that are none.
    for number in [3_u8, 7] {
        let read = [
            of_json(&difficulty, &Plain::Unsigned(number.into())),
            of_json(&difficulty, &Plain::Float(number.into())),
        ];
        let expected = Ok(Value::EnumNumber(number.into()));
        assert!(read.iter().all(|read| *read == expected), "{read:?}");
    }
    for number in [Plain::Text("3"), Plain::Float(3.5), Plain::Bool(true)] {
        assert!(of_json(&difficulty, &number).is_err(), "{number:?}");
    }
    let mode = field("catalog.v1.StreamTipsRequest", "mode");
    assert_eq!(of_text(&mode, "cached_only"), Ok(Value::EnumNumber(2)));
}

#[test]
fn bytes_are_read_in_either_alphabet_padded_or_not() {
    let token = field("catalog.v1.StreamTipsRequest", "resume_token");
    for text in ["+/8=", "+/8", "-_8=", "-_8"] {
        let bytes = Value::Bytes(vec![0xfb, 0xff].into());
        assert_eq!(of_text(&token, text), Ok(bytes), "{text}");
    }
    for text in ["+_8", "a", "!", "a b=", "++++\n"] {
        assert!(of_text(&token, text).is_err(), "{text}");
    }
}

#[test]
fn a_length_of_time_is_read_to_the_nanosecond() {
    for (text, expected) in [
        ("0s", (0, 0)),
        ("1.5s", (1, 500_000_000)),
        ("-1.000000001s", (-1, -1)),
        ("315576000000s", (315_576_000_000, 0)),
    ] {
        let length = duration(text).unwrap();
        assert_eq!((length.seconds, length.nanos), expected, "{text}");
    }
    for text in [
        "",
        "s",
        "1",
        "1.s",
        ".5s",
        "1.0000000001s",
        "1e3s",
        "+1s",
        "--1s",
        "1 s",
        "1m",
        "315576000001s",
        "99999999999999999999s",
        "1.-5s",
        "1.5.5s",
        "NaNs",
    ] {
        assert!(duration(text).is_none(), "{text}");
    }
}

#[test]
fn a_time_is_read_as_rfc_3339_has_it() {
    let read = |text| timestamp(text).map(|time| (time.seconds, time.nanos));
    assert_eq!(read("1970-01-01T00:00:00Z"), Some((0, 0)));
    assert_eq!(read("1970-01-01T01:00:00.25+01:00"), Some((0, 250_000_000)));
    assert_eq!(read("0001-01-01T00:00:00Z"), Some((-62_135_596_800, 0)));
    for text in [
        "",
        "T",
        "1970-01-01",
        "1970-01-01 00:00:00Z",
        "1970-01-01T00:00:00",
        "0000-01-01T00:00:00Z",
        "1970-13-01T00:00:00Z",
        "1970-02-30T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "+1970-01-01T00:00:00Z",
        "1970-01-01T25:00:00Z",
        "1970-01-01TZ",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}

#[test]
fn a_field_mask_is_read_in_snake_case_and_in_camel_case() {
    let mask = field("admin.v1.UpdateFeatureFlagRequest", "update_mask");
    let Value::Message(message) = of_text(&mask, "rolloutPercentage,,update_time").unwrap() else {
        panic!("a message");
    };
    let paths = message.get_field_by_name("paths").unwrap();
    let paths: Vec<_> = paths
        .as_list()
        .unwrap()
        .iter()
        .map(|it| it.as_str().unwrap())
        .collect();
    assert_eq!(paths, ["rollout_percentage", "update_time"]);
}

#[test]
fn numbers_of_json_are_whole_whatever_they_look_like_and_texts_are_no_numbers_by_chance() {
    let read = |plain| of_json(&page_size(), &plain);
    for plain in [
        Plain::Signed(5),
        Plain::Unsigned(5),
        Plain::Float(5.0),
        Plain::Text("5"),
    ] {
        assert_eq!(read(plain), Ok(Value::I32(5)));
    }
    for plain in [
        Plain::Float(5.5),
        Plain::Float(1e300),
        Plain::Unsigned(u64::MAX),
        Plain::Bool(true),
        Plain::Text("five"),
    ] {
        assert!(read(plain).is_err());
    }
    let title = field("admin.v1.EditedChallenge", "title");
    assert_eq!(
        of_json(&title, &Plain::Signed(1)),
        Err("must be a text".to_owned())
    );
}
