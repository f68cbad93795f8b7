//! Figures for people.
use std::time::Duration;

use prost_types::Duration as Told;

/// What stands where nothing is known.
pub(super) const NONE: &str = "–";

/// Such as `12 µs`, `3.4 ms` or `1.2 s`.
pub(super) fn time(told: Option<&Told>) -> String {
    let time = told.and_then(|told| Duration::try_from(*told).ok());
    seconds(time.map(|time| time.as_secs_f64()))
}

/// As [`time`].
pub(super) fn seconds(seconds: Option<f64>) -> String {
    let Some(seconds) = seconds else {
        return NONE.to_owned();
    };
    let micros = seconds * 1e6;
    match micros {
        ..1e3 => format!("{micros:.0} µs"),
        1e3..1e6 => format!("{:.1} ms", micros / 1e3),
        _ => format!("{:.1} s", micros / 1e6),
    }
}

/// Such as `99.3 %`.
pub(super) fn percent(ratio: Option<f64>) -> String {
    ratio.map_or(NONE.to_owned(), |ratio| format!("{:.1} %", ratio * 100.0))
}

/// Such as `1.2 MiB`; 0 when it is not known.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(super) fn bytes(bytes: i64) -> String {
    let (mut size, mut unit) = (bytes as f64, "B");
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if size < 1024.0 {
            break;
        }
        (size, unit) = (size / 1024.0, larger);
    }
    if unit == "B" {
        format!("{size:.0} B")
    } else {
        format!("{size:.1} {unit}")
    }
}

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Where each bar but the lowest begins, as a part of the highest value.
const STEPS: [f64; 7] = [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875];

/// One bar for each value, `top` being the highest; a space where there is none.
pub(super) fn sparkline(values: impl Iterator<Item = Option<f64>>, top: f64) -> String {
    let bar = |value: f64| {
        let share = if top > 0.0 { value / top } else { 0.0 };
        let at = STEPS.iter().filter(|step| share > **step).count();
        BARS.get(at).copied().unwrap_or(' ')
    };
    values.map(|value| value.map_or(' ', bar)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_unit_that_suits_them() {
        let told = |nanos: i64| {
            let time = Duration::from_nanos(nanos.unsigned_abs());
            super::time(Told::try_from(time).ok().as_ref())
        };
        assert_eq!(told(12_000), "12 µs");
        assert_eq!(told(3_400_000), "3.4 ms");
        assert_eq!(told(1_250_000_000), "1.2 s");
        assert_eq!(super::time(None), NONE);
        assert_eq!((bytes(0), bytes(1_536)), ("0 B".into(), "1.5 KiB".into()));
        assert_eq!(percent(Some(0.993)), "99.3 %");
    }

    #[test]
    fn a_sparkline_has_a_bar_for_each_value_and_a_gap_where_there_is_none() {
        let values = [Some(0.0), Some(0.5), None, Some(1.0)];
        assert_eq!(sparkline(values.into_iter(), 1.0), "▁▄ █");
        assert_eq!(sparkline([Some(3.0)].into_iter(), 0.0), "▁");
    }
}
