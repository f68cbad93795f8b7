use strsim::levenshtein;

/// The known name that `name` was probably meant to be.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count() / 3).min(3))
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_found_and_a_far_one_is_not() {
        let known = ["db_pool_max", "db_pool_min", "log"];
        assert_eq!(nearest("db_poolmax", known), Some("db_pool_max"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("tag", known), None);
    }
}
