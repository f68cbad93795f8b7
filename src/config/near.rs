/// The known name that `name` was probably meant to be.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count() / 3).min(3))
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many characters must be added, dropped or replaced (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut above: Vec<usize> = (0..=to.chars().count()).collect();
    let mut left = above.len() - 1;
    for (row, a) in from.chars().enumerate() {
        let mut diagonal = row;
        left = row + 1;
        for (cell, b) in above.iter_mut().skip(1).zip(to.chars()) {
            left = (diagonal + usize::from(a != b))
                .min(left + 1)
                .min(*cell + 1);
            diagonal = *cell;
            *cell = left;
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_edits() {
        let pairs = [
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("same", "same", 0),
        ];
        for (from, to, edits) in pairs {
            assert_eq!(distance(from, to), edits, "{from} {to}");
        }
    }

    #[test]
    fn a_near_name_is_found_and_a_far_one_is_not() {
        let known = ["db_pool_max", "db_pool_min", "log"];
        assert_eq!(nearest("db_poolmax", known), Some("db_pool_max"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("tag", known), None);
    }
}
