//! Numbers with units, read and shown.
use std::time::Duration;

const TIME_UNITS: [(u64, &str); 5] = [
    (86_400_000, "d"),
    (3_600_000, "h"),
    (60_000, "m"),
    (1_000, "s"),
    (1, "ms"),
];
/// An amount may be written with one of these, before or behind the number.
const DOLLAR: [&str; 2] = ["usd", "$"];
const MICROS: u64 = 1_000_000;

const SIZE_UNITS: [(u64, &str); 4] = [
    (1 << 30, "GiB"),
    (1 << 20, "MiB"),
    (1 << 10, "KiB"),
    (1, "B"),
];

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

/// An amount in US dollars, such as `5usd` or `0.00005usd`.
pub(super) fn show_money(micro_usd: u64) -> String {
    match (micro_usd / MICROS, micro_usd % MICROS) {
        (0, 0) => "0".to_owned(),
        (dollars, 0) => format!("{dollars}usd"),
        (dollars, rest) => {
            let rest = format!("{rest:06}");
            // Cents have two digits.
            let digits = rest.trim_end_matches('0').len().max(2);
            format!("{dollars}.{}usd", rest.get(..digits).unwrap_or(&rest))
        }
    }
}

/// Whether it is a number without a unit.
pub(super) fn is_bare(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
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

pub(super) fn count(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("must be a whole number, not {text:?}"))
}

pub(super) fn duration(text: &str) -> Result<u64, String> {
    if let Ok(secs) = text.parse::<u64>() {
        return Ok(secs.saturating_mul(1_000));
    }
    let read = humantime::parse_duration(text).ok();
    // A capital M is a month to the one who reads it here, and a minute to the one who wrote it.
    let read = read.filter(|_| !text.contains('M'));
    read.map(millis).ok_or_else(|| {
        format!("must be seconds, or a duration such as 500ms, 10s or 5m, not {text:?}")
    })
}

pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
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
    size.and_then(|size| whole_bytes(number, size))
        .ok_or_else(|| {
            format!("must be bytes, or a size such as 512KiB, 64MiB or 1GiB, not {text:?}")
        })
}

/// `number` times `size`, where that is a whole number of bytes.
fn whole_bytes(number: &str, size: u64) -> Option<u64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    if part.len() > 9 || !is_bare(part) || !(whole.is_empty() || is_bare(whole)) {
        return None;
    }
    let whole = format!("0{whole}").parse::<u64>().ok()?.checked_mul(size)?;
    let scale = 10_u64.checked_pow(u32::try_from(part.len()).ok()?)?;
    let part = part.parse::<u64>().ok()?.checked_mul(size)?;
    let is_whole = part.is_multiple_of(scale);
    is_whole.then(|| whole.checked_add(part / scale)).flatten()
}

pub(super) fn money(text: &str) -> Result<u64, String> {
    if is_bare(text) {
        return count(text);
    }
    let lower = text.to_ascii_lowercase();
    let of = |unit: &str| {
        let number = lower
            .strip_suffix(unit)
            .or_else(|| lower.strip_prefix(unit))?;
        let (dollars, rest) = number.trim().split_once('.').unwrap_or((number.trim(), ""));
        let is_number = |part: &str| part.is_empty() || is_bare(part);
        if rest.len() > 6 || !is_bare(&[dollars, rest].concat()) || !is_number(dollars) {
            return None;
        }
        let dollars = format!("0{dollars}").parse::<u64>().ok()?;
        let dollars = dollars.checked_mul(MICROS)?;
        dollars.checked_add(format!("{rest:0<6}").parse().ok()?)
    };
    DOLLAR
        .into_iter()
        .find_map(of)
        .ok_or_else(|| format!("must be an amount such as 5usd, $0.50 or 0, not {text:?}"))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
