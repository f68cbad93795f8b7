//! Numbers that are typed.
use std::ops::RangeInclusive;

/// Reads a whole number within `range`, and says what was expected.
pub(super) fn whole<T: TryFrom<i64> + 'static>(
    range: RangeInclusive<i64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text: &str| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| format!("must be {}", expected(&range)))
    }
}

fn expected(range: &RangeInclusive<i64>) -> String {
    match (*range.start(), *range.end()) {
        (i64::MIN, i64::MAX) => "a whole number, such as 60000".to_owned(),
        (least, i64::MAX) => format!("a whole number, {least} or more"),
        (least, most) => format!("a whole number, {least} to {most}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_or_too_large_is_told_with_what_is_expected() {
        let percent = whole::<i32>(0..=100);
        assert_eq!((percent("0"), percent("100")), (Ok(0), Ok(100)));
        for bad in ["", "ten", "1.5", "-1", "101", "99999999999999999999"] {
            let problem = percent(bad).unwrap_err();
            assert_eq!(problem, "must be a whole number, 0 to 100", "{bad}");
        }
        assert_eq!(
            whole::<i64>(1..=i64::MAX)("0").unwrap_err(),
            "must be a whole number, 1 or more"
        );
        assert_eq!(
            whole::<i64>(i64::MIN..=i64::MAX)("30s").unwrap_err(),
            "must be a whole number, such as 60000"
        );
    }
}
