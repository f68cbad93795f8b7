//! The query for a list of challenges: its filters, its order, and its pages.
use std::fmt;

use super::{Challenge, ChallengeId, Difficulty};

/// How many challenges a page has at most: 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PageSize(u8);

impl PageSize {
    /// What a caller gets who does not say.
    pub const DEFAULT: Self = Self(50);
    /// The most that a page can have.
    pub const MAX: Self = Self(100);

    /// 0 stands for the default; 1 to 100 are taken as they are.
    ///
    /// # Errors
    ///
    /// A sentence that says what was expected.
    pub fn parse(size: i32) -> Result<Self, String> {
        match u8::try_from(size) {
            Ok(0) => Ok(Self::DEFAULT),
            Ok(size) if size <= Self::MAX.0 => Ok(Self(size)),
            Ok(_) | Err(_) => Err(format!(
                "must be 1 to {}, or 0 for {}, not {size}",
                Self::MAX.0,
                Self::DEFAULT.0
            )),
        }
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// The place of a challenge in the order of a list: difficulty, points, title, id.
///
/// Titles compare byte by byte, on every engine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// First in the order.
    pub difficulty: Difficulty,
    /// Second.
    pub points: i32,
    /// Third.
    pub title: String,
    /// Last, and different for every challenge.
    pub id: ChallengeId,
}

impl From<&Challenge> for Cursor {
    fn from(challenge: &Challenge) -> Self {
        Self {
            difficulty: challenge.difficulty,
            points: challenge.points,
            title: challenge.title.clone(),
            id: challenge.id,
        }
    }
}

/// Which challenges to list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListQuery {
    /// Only this difficulty, or all.
    pub difficulty: Option<Difficulty>,
    /// How many at most.
    pub page_size: PageSize,
    /// Only those that stand behind this place.
    pub after: Option<Cursor>,
}

impl ListQuery {
    /// The first page of `difficulty`.
    #[must_use]
    pub const fn first(difficulty: Option<Difficulty>, page_size: PageSize) -> Self {
        Self {
            difficulty,
            page_size,
            after: None,
        }
    }

    /// The filters as text, different for queries that list different challenges: keys of caches and
    /// page tokens are made from it.
    #[must_use]
    pub fn filters(&self) -> impl fmt::Display + use<> {
        let Self {
            difficulty,
            page_size: _,
            after: _,
        } = self;
        difficulty.map_or("all", Difficulty::as_str)
    }

    /// The queries that nearly all callers ask: all/50 and 20 of each difficulty.
    #[must_use]
    pub fn common() -> [Self; 4] {
        let twenty = |difficulty| Self::first(Some(difficulty), PageSize(20));
        [
            Self::first(None, PageSize::DEFAULT),
            twenty(Difficulty::Beginner),
            twenty(Difficulty::Intermediate),
            twenty(Difficulty::Advanced),
        ]
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChallengePage {
    /// In order; at most the page size.
    pub challenges: Vec<Challenge>,
    /// How many the filter matches on all pages.
    pub total_count: u64,
    /// Whether another page follows.
    pub has_more: bool,
}

impl ChallengePage {
    /// Where the next page starts, if there is one.
    #[must_use]
    pub fn next(&self) -> Option<Cursor> {
        self.challenges
            .last()
            .filter(|_| self.has_more)
            .map(Cursor::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_size_is_defaulted_or_taken_or_refused_but_never_cut() {
        assert_eq!(PageSize::parse(0), Ok(PageSize::DEFAULT));
        assert_eq!(PageSize::parse(1).map(PageSize::get), Ok(1));
        assert_eq!(PageSize::parse(100), Ok(PageSize::MAX));
        for size in [-1, 101, 256, i32::MAX, i32::MIN] {
            assert!(PageSize::parse(size).is_err(), "{size}");
        }
    }
}
