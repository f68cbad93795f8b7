//! Formats numbers, sizes and times for people.
use std::time::{Duration, SystemTime};

use prost_types::{Duration as ProtoDuration, Timestamp};

/// What stands where nothing is known.
pub(super) const NONE: &str = "–";

/// Such as `12 µs`, `3.4 ms`, `1.2 s` or `5 min`.
pub(super) fn time(length: Option<&ProtoDuration>) -> String {
    let time = length.and_then(|length| Duration::try_from(*length).ok());
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
        1e6..6e7 => format!("{:.1} s", micros / 1e6),
        _ => whole_units(Duration::from_secs_f64(seconds)),
    }
}

/// How long ago it was by the clock of this machine, such as `2 min ago`.
#[expect(
    clippy::disallowed_methods,
    reason = "a time for people; nothing is decided by it"
)]
pub(super) fn ago(time: Option<&Timestamp>) -> String {
    let time = time.and_then(|time| SystemTime::try_from(*time).ok());
    let Some(time) = time else {
        return NONE.to_owned();
    };
    // Clocks differ: what is to come by ours has just been.
    let since = SystemTime::now().duration_since(time).unwrap_or_default();
    format!("{} ago", whole_units(since))
}

/// How long to wait, such as `about 67 s`.
pub(super) fn about(wait: Duration) -> String {
    match wait.as_secs_f64() {
        ..1.0 => format!("about {} ms", wait.as_millis().max(1)),
        // Who comes a little later is right, and who comes too early is not.
        1.0..120.0 => format!("about {:.0} s", wait.as_secs_f64().ceil()),
        _ => format!("about {}", whole_units(wait)),
    }
}

/// In the largest unit that there is a whole one of.
fn whole_units(time: Duration) -> String {
    match time.as_secs() {
        secs @ ..60 => format!("{secs} s"),
        secs @ 60..3_600 => format!("{} min", secs / 60),
        secs @ 3_600..86_400 => format!("{} h", secs / 3_600),
        secs => format!("{} d", secs / 86_400),
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
        let shown = |nanos: i64| {
            let time = Duration::from_nanos(nanos.unsigned_abs());
            super::time(ProtoDuration::try_from(time).ok().as_ref())
        };
        assert_eq!(shown(12_000), "12 µs");
        assert_eq!(shown(3_400_000), "3.4 ms");
        assert_eq!(shown(1_250_000_000), "1.2 s");
        assert_eq!(shown(125_000_000_000), "2 min");
        assert_eq!(super::time(None), NONE);
        assert_eq!((bytes(0), bytes(1_536)), ("0 B".into(), "1.5 KiB".into()));
        assert_eq!(percent(Some(0.993)), "99.3 %");
    }

    #[test]
    fn waits_and_ages_are_told_in_words_of_people() {
        let secs = Duration::from_secs_f64;
        assert_eq!(about(secs(66.14)), "about 67 s");
        assert_eq!(about(secs(0.25)), "about 250 ms");
        assert_eq!(about(secs(86_400.0)), "about 1 d");
        assert_eq!(whole_units(secs(7_300.0)), "2 h");
        assert_eq!(ago(None), NONE);
    }

    #[test]
    fn a_sparkline_has_a_bar_for_each_value_and_a_gap_where_there_is_none() {
        let values = [Some(0.0), Some(0.5), None, Some(1.0)];
        assert_eq!(sparkline(values.into_iter(), 1.0), "▁▄ █");
        assert_eq!(sparkline([Some(3.0)].into_iter(), 0.0), "▁");
    }
}
