use uuid::Uuid;

use crate::domain::{Difficulty, ListQuery};

/// Which part of the order a list reads: one range of one index, whatever the filter.
pub(super) struct Range {
    /// The ranks of the difficulties, both included.
    pub(super) ranks: (i32, i32),
    /// The words of the difficulties, for the count.
    pub(super) difficulties: Vec<&'static str>,
    /// The place that the page starts behind: rank, points, title, id.
    pub(super) after: (i32, i32, String, Uuid),
    /// How many rows to read: one more than the page has, and more where odd ones are in the way.
    pub(super) limit: i64,
}

impl From<&ListQuery> for Range {
    fn from(query: &ListQuery) -> Self {
        let [first, .., last] = Difficulty::ALL;
        let (first, last) = query.difficulty.map_or((first, last), |only| (only, only));
        let after = match &query.after {
            Some(cursor) => (
                cursor.difficulty.rank(),
                cursor.points,
                cursor.title.clone(),
                cursor.id.uuid(),
            ),
            // Before everything of the first rank, whatever its points are.
            None => (first.rank() - 1, 0, String::new(), Uuid::nil()),
        };
        Self {
            ranks: (first.rank(), last.rank()),
            difficulties: Difficulty::ALL
                .into_iter()
                .filter(|difficulty| (first..=last).contains(difficulty))
                .map(Difficulty::as_str)
                .collect(),
            after,
            limit: i64::from(query.page_size.get()) + 1,
        }
    }
}
