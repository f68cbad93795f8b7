use super::*;

const TIME: ValueKind = ValueKind::Duration(1, 7 * 86_400_000);
const SIZE: ValueKind = ValueKind::Bytes(1, 1 << 40);

#[test]
fn a_duration_is_seconds_or_has_a_unit() {
    for (text, ms) in [
        ("600", 600_000),
        ("10m", 600_000),
        ("500ms", 500),
        ("1h 5s", 3_605_000),
    ] {
        assert_eq!(TIME.number(text), Ok(ms), "{text}");
    }
    for text in [
        "",
        "ten",
        "-1",
        "1.5",
        "10 parsecs",
        "10M",
        "1h 5M",
        "99999999999999999999",
    ] {
        assert!(TIME.number(text).is_err(), "{text}");
    }
}

#[test]
fn a_duration_out_of_range_says_the_range_and_the_unit_of_bare_numbers() {
    let form = ValueKind::Duration(1, 5_000);
    let problem = form.number("50").unwrap_err();
    assert_eq!(
        problem,
        "must be 1ms to 5s, not 50 (a number without a unit is seconds)"
    );
    assert_eq!(form.number("0s").unwrap_err(), "must be 1ms to 5s, not 0s");
}

#[test]
fn a_size_is_bytes_or_has_a_binary_unit() {
    for (text, bytes) in [
        ("65536", 65_536),
        ("64MiB", 64 << 20),
        ("1 gib", 1 << 30),
        ("7B", 7),
        ("1.5MiB", 3 << 19),
        (".5KiB", 512),
    ] {
        assert_eq!(SIZE.number(text), Ok(bytes), "{text}");
    }
    for text in [
        "",
        "MiB",
        "-1",
        "1.3B",
        "1.MiB",
        ".MiB",
        "1.2.3MiB",
        "10M",
        "1XB",
        "99999999999GiB",
        "0",
    ] {
        assert!(SIZE.number(text).is_err(), "{text}");
    }
}

#[test]
fn values_are_shown_in_their_largest_whole_unit() {
    let shown = [0, 50, 90_000, 600_000, 86_400_000]
        .map(|ms| unit::show_duration(Duration::from_millis(ms)));
    assert_eq!(shown, ["0s", "50ms", "90s", "10m", "1d"]);
    assert_eq!(
        [unit::show_bytes(64 << 20), unit::show_bytes(1_025)],
        ["64MiB", "1025B"]
    );
}

const BUDGET: ValueKind = ValueKind::Money(0, 1_000_000_000_000);

#[test]
fn an_amount_is_dollars_or_a_bare_number_of_millionths() {
    for (text, micro_usd, shown) in [
        ("5usd", 5_000_000, "5usd"),
        ("5$", 5_000_000, "5usd"),
        ("$5", 5_000_000, "5usd"),
        ("0.50USD", 500_000, "0.50usd"),
        ("1.25 usd", 1_250_000, "1.25usd"),
        ("0.000001usd", 1, "0.000001usd"),
        ("50", 50, "0.00005usd"),
        ("0", 0, "0"),
        ("0usd", 0, "0"),
        (".5usd", 500_000, "0.50usd"),
        ("$.25", 250_000, "0.25usd"),
    ] {
        assert_eq!(BUDGET.number(text), Ok(micro_usd), "{text}");
        assert_eq!(unit::show_money(micro_usd), shown);
        assert_eq!(BUDGET.number(shown), Ok(micro_usd), "{shown}");
    }
    for text in [
        "",
        "5eur",
        "usd",
        "-5usd",
        ".usd",
        ".usd5",
        "1.0000001usd",
        "1e3usd",
        "1,5usd",
    ] {
        assert!(BUDGET.number(text).is_err(), "{text}");
    }
}

#[test]
fn an_amount_out_of_range_says_the_range_in_dollars() {
    assert_eq!(
        BUDGET.number("2000000usd").unwrap_err(),
        "must be 0 to 1000000usd, not 2000000usd"
    );
}
