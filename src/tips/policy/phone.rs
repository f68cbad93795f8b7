//! Finds phone numbers, and tells them apart from dates and counts.

/// Shortest run of digits that can be a phone number.
const DIGITS: usize = 7;
/// Most characters that may stand between two digits of a run.
const GAP: usize = 2;
/// Longest run of characters that can still be a date or a count.
const LONGEST: usize = 40;

/// Detects phone numbers in a text that is read character by character: a run of digits with few other characters between
/// them that is neither a date nor a count.
#[derive(Debug, Default)]
pub(super) struct PhoneDetector {
    /// From the first digit on.
    row: String,
    digits: usize,
    gap: usize,
}

impl PhoneDetector {
    /// Whether what was read may yet turn out to be a phone number.
    pub(super) const fn is_open(&self) -> bool {
        self.digits >= DIGITS
    }

    /// Reads the next character; returns whether a phone number ends before or with it.
    pub(super) fn read(&mut self, c: char) -> bool {
        if c.is_numeric() {
            self.digits += 1;
            self.gap = 0;
        } else if is_gap(c) {
            self.gap += 1;
        } else {
            return self.ends();
        }
        if self.digits > 0 {
            self.row.push(c);
        }
        if self.gap > GAP {
            return self.ends();
        }
        // A longer run is no date and no count, and is not kept.
        self.row.chars().count() > LONGEST
    }

    /// Ends the row; returns whether it is a phone number.
    pub(super) fn ends(&mut self) -> bool {
        let row = std::mem::take(self);
        row.digits >= DIGITS && !is_date_or_count(&row.row)
    }
}

fn is_gap(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '-' | '–' | '.' | '(' | ')' | '/' | '+' | '_' | '•' | '·' | '~' | '|' | '[' | ']' | '*'
        )
}

/// A group of digits, and what stands behind it.
struct Group {
    digits: usize,
    value: u32,
    begins_with_zero: bool,
    gap: String,
}

fn is_date_or_count(row: &str) -> bool {
    let Some(groups) = groups(row) else {
        return false;
    };
    is_fraction(&groups) || is_round(&groups) || is_counting(&groups) || are_dates(&groups)
}

/// `None` for a row with digits whose value is not known.
fn groups(row: &str) -> Option<Vec<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    let mut is_new = true;
    for c in row.chars() {
        if c.is_numeric() {
            let digit = value(c)?;
            if is_new {
                groups.push(Group {
                    digits: 0,
                    value: 0,
                    begins_with_zero: digit == 0,
                    gap: String::new(),
                });
            }
            let group = groups.last_mut()?;
            group.digits += 1;
            group.value = group.value.saturating_mul(10).saturating_add(digit);
        } else if let Some(group) = groups.last_mut() {
            group.gap.push(c);
        }
        is_new = !c.is_numeric();
    }
    Some(groups)
}

/// Of a digit of the scripts whose digits tips are seen with: Latin, Arabic, Persian, Devanagari, full width.
fn value(c: char) -> Option<u32> {
    [0x30, 0x660, 0x6f0, 0x966, 0xff10]
        .into_iter()
        .filter_map(|zero| u32::from(c).checked_sub(zero))
        .find(|digit| *digit < 10)
}

/// A number with many digits behind its point: `3.14159265`.
fn is_fraction(groups: &[Group]) -> bool {
    matches!(groups, [whole, rest] if whole.digits == 1 && whole.gap == "." && rest.digits > 4)
}

/// A great number that ends with thousands: `10000000`, `10 000 000`, `1.000.000`.
fn is_round(groups: &[Group]) -> bool {
    let [first, rest @ ..] = groups else {
        return false;
    };
    let Some(last) = rest.last() else {
        return !first.begins_with_zero && first.value.is_multiple_of(100_000);
    };
    let are_thousands = rest.iter().all(|group| group.digits == 3);
    let before_last = groups.get(..rest.len()).unwrap_or_default();
    let is_even = before_last
        .iter()
        .all(|group| group.gap == first.gap && group.gap.chars().count() == 1);
    !first.begins_with_zero && first.digits <= 3 && are_thousands && is_even && last.value == 0
}

/// Somebody counts, up or down: `1 2 3 4 5 6 7`, `10-9-8-7`, `5 10 15 20`.
fn is_counting(groups: &[Group]) -> bool {
    let Some([first, second]) = groups.first_chunk() else {
        return false;
    };
    let step = first.value.abs_diff(second.value);
    let is_down = second.value < first.value;
    let is_next = |pair: &[Group]| match pair {
        [one, next] => {
            one.value.abs_diff(next.value) == step && (next.value < one.value) == is_down
        }
        _ => true,
    };
    let is_small = |group: &Group| {
        group.value <= 100 && (group.value == 0 || !group.begins_with_zero) && group.digits <= 3
    };
    matches!(step, 1 | 2 | 5 | 10) && groups.iter().all(is_small) && groups.windows(2).all(is_next)
}

/// Days and years, one after the other, the last perhaps with an hour: `2026-11-29`, `29.11.2026`, `2024-2026`,
/// `2026-11-29 12`.
fn are_dates(groups: &[Group]) -> bool {
    let is_year = |group: &Group| group.digits == 4 && (1900..2100).contains(&group.value);
    let is_part = |group: &Group| group.digits <= 2 && (1..=31).contains(&group.value);
    let is_day = |one: &Group, other: &Group| {
        is_part(one) && is_part(other) && one.value.min(other.value) <= 12
    };
    let mut rest = groups;
    while !rest.is_empty() {
        rest = match rest {
            [year, month, day, rest @ ..]
                if is_year(year) && year.gap == month.gap && is_day(month, day) =>
            {
                rest
            }
            [day, month, year, rest @ ..]
                if is_year(year) && day.gap == month.gap && is_day(day, month) =>
            {
                rest
            }
            [year, rest @ ..] if is_year(year) => rest,
            [hour] if hour.digits <= 2 && hour.value <= 24 && groups.len() > 1 => &[],
            _ => return false,
        };
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_phone(text: &str) -> bool {
        let mut phone = PhoneDetector::default();
        text.chars().any(|c| phone.read(c)) || phone.ends()
    }

    #[test]
    fn dates_and_counts_are_no_phone_numbers() {
        for text in [
            "2026-11-29",
            "on 29.11.2026, or",
            "11/29/2026",
            "29. 11. 2026",
            "2026-11-29 12:30",
            "2026-11-29/2026-12-01",
            "2024-2026",
            "2024–2026",
            "1 2 3 4 5 6 7",
            "10 9 8 7 6 5 4 3 2 1 0",
            "5-4-3-2-1-0 go",
            "10 20 30 40 50",
            "10000000 steps",
            "10 000 000 steps",
            "1.000.000 steps",
            "1,234,567 steps",
            "3.14159265358979",
            "0.482913",
            "٢٠٢٦-١١-٢٩",
            "२०२६-११-२९",
        ] {
            assert!(!is_phone(text), "{text}");
        }
    }

    #[test]
    fn phone_numbers_are_told_however_they_are_grouped() {
        for text in [
            "5551234",
            "555-1234",
            "555 123 4567",
            "555-123-4567",
            "600 123 456",
            "06 12 34 56 78",
            "+49 (0) 89 1234",
            "1.800.555.0199",
            "5-5-5-1-2-3-4",
            "2345-1987",
            "2026-13-32-11",
            "2026-11-29-555-1234",
            "01 02 03 04",
            "0100000000",
            "call 5550000 now",
            "٠١٢ ٣٤٥٦",
            "௫௫௫௧௨௩௪",
        ] {
            assert!(is_phone(text), "{text}");
        }
    }
}
