//! Numbers with units, read and shown.
use std::time::Duration;

use super::setting::Form;

const TIME_UNITS: [(u64, &str); 5] = [
    (86_400_000, "d"),
    (3_600_000, "h"),
    (60_000, "m"),
    (1_000, "s"),
    (1, "ms"),
];
const SIZE_UNITS: [(u64, &str); 4] = [
    (1 << 30, "GiB"),
    (1 << 20, "MiB"),
    (1 << 10, "KiB"),
    (1, "B"),
];

/// Reads a number in the setting's form: a count, milliseconds or bytes.
pub(super) fn number(form: Form, text: &str) -> Result<u64, String> {
    let (value, min, max) = match form {
        Form::Count { min, max } => (count(text)?, min, max),
        Form::Duration { min, max } => (duration(text)?, millis(min), millis(max)),
        Form::Bytes { min, max } => (bytes(text)?, min, max),
        Form::Text { .. } | Form::Switch => return Err("is no number".to_owned()),
    };
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    let bare = matches!(form, Form::Duration { .. }) && text.bytes().all(|b| b.is_ascii_digit());
    let hint = if bare {
        " (a number without a unit is seconds)"
    } else {
        ""
    };
    Err(format!("must be {}, not {text}{hint}", form.range()))
}

/// Reads on or off, in any case.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(format!("must be true or false, not {text:?}")),
    }
}

/// A length of time in its largest whole unit, such as `10m`.
pub(super) fn show_duration(duration: Duration) -> String {
    match millis(duration) {
        0 => "0s".to_owned(),
        millis => show(millis, &TIME_UNITS),
    }
}

/// A size in its largest whole unit, such as `64MiB`.
pub(super) fn show_bytes(bytes: u64) -> String {
    show(bytes, &SIZE_UNITS)
}

fn show(value: u64, units: &[(u64, &str)]) -> String {
    units
        .iter()
        .find(|(size, _)| value >= *size && value.is_multiple_of(*size))
        .map_or_else(
            || value.to_string(),
            |(size, name)| format!("{}{name}", value / size),
        )
}

fn count(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("must be a whole number, not {text:?}"))
}

fn duration(text: &str) -> Result<u64, String> {
    if let Ok(secs) = text.parse::<u64>() {
        return Ok(secs.saturating_mul(1_000));
    }
    humantime::parse_duration(text).map(millis).map_err(|_| {
        format!("must be seconds, or a duration such as 500ms, 10s or 5m, not {text:?}")
    })
}

fn bytes(text: &str) -> Result<u64, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let unit = unit.trim();
    let size = match unit {
        "" => Some(1),
        _ => SIZE_UNITS
            .iter()
            .find(|(_, name)| name.eq_ignore_ascii_case(unit))
            .map(|(size, _)| *size),
    };
    number
        .parse::<u64>()
        .ok()
        .zip(size)
        .and_then(|(number, size)| number.checked_mul(size))
        .ok_or_else(|| {
            format!("must be bytes, or a size such as 512KiB, 64MiB or 1GiB, not {text:?}")
        })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Form = Form::Duration {
        min: Duration::from_millis(1),
        max: Duration::from_hours(168),
    };
    const SIZE: Form = Form::Bytes {
        min: 1,
        max: 1 << 40,
    };

    #[test]
    fn a_duration_is_seconds_or_has_a_unit() {
        for (text, ms) in [
            ("600", 600_000),
            ("10m", 600_000),
            ("500ms", 500),
            ("1h 5s", 3_605_000),
        ] {
            assert_eq!(number(TIME, text), Ok(ms), "{text}");
        }
        for text in ["", "ten", "-1", "1.5", "10 parsecs", "99999999999999999999"] {
            assert!(number(TIME, text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_duration_out_of_range_says_the_range_and_the_unit_of_bare_numbers() {
        let form = Form::Duration {
            min: Duration::from_millis(1),
            max: Duration::from_secs(5),
        };
        let problem = number(form, "50").unwrap_err();
        assert_eq!(
            problem,
            "must be 1ms to 5s, not 50 (a number without a unit is seconds)"
        );
        assert_eq!(number(form, "0s").unwrap_err(), "must be 1ms to 5s, not 0s");
    }

    #[test]
    fn a_size_is_bytes_or_has_a_binary_unit() {
        for (text, bytes) in [
            ("65536", 65_536),
            ("64MiB", 64 << 20),
            ("1 gib", 1 << 30),
            ("7B", 7),
        ] {
            assert_eq!(number(SIZE, text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5MiB", "1XB", "99999999999GiB", "0"] {
            assert!(number(SIZE, text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_are_shown_in_their_largest_whole_unit() {
        let shown =
            [0, 50, 90_000, 600_000, 86_400_000].map(|ms| show_duration(Duration::from_millis(ms)));
        assert_eq!(shown, ["0s", "50ms", "90s", "10m", "1d"]);
        assert_eq!(
            [show_bytes(64 << 20), show_bytes(1_025)],
            ["64MiB", "1025B"]
        );
    }

    #[test]
    fn a_switch_is_read_in_any_case() {
        assert_eq!(
            [switch("YES"), switch("1"), switch("off")],
            [Ok(true), Ok(true), Ok(false)]
        );
        assert!(switch("maybe").is_err());
    }
}
