//! The keys of the caches: what was asked for, and the tags that the answer depends on.
use std::fmt;

use crate::domain::{ChallengeId, Cursor, DatabaseId, Difficulty, ListQuery, Tag};

/// What a cached answer answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum ReadKey {
    /// One page of a list.
    List(ListQuery),
    /// One challenge, or that there is none.
    Challenge(ChallengeId),
    /// What a tip about one challenge is written from, or that there is none.
    Subject(ChallengeId),
}

impl ReadKey {
    /// What the answer depends on, beside [`Tag::Everything`].
    ///
    /// A list of all difficulties depends on each of them, so that a change
    /// anywhere touches it and needs no tag of its own.
    pub(super) fn tags(&self) -> ([Tag; 3], usize) {
        let all = Difficulty::ALL.map(Tag::Difficulty);
        match self {
            Self::List(query) => {
                // Whether another filter needs tags of its own is decided here.
                let ListQuery {
                    difficulty,
                    page_size: _,
                    after: _,
                } = query;
                difficulty.map_or((all, 3), |only| ([Tag::Difficulty(only); 3], 1))
            }
            Self::Challenge(id) | Self::Subject(id) => ([Tag::Challenge(*id); 3], 1),
        }
    }

    /// Whether a change of `tag` makes the answer out of date.
    pub(super) fn depends_on(&self, tag: Tag) -> bool {
        let (tags, count) = self.tags();
        tag == Tag::Everything || tags.iter().take(count).any(|own| *own == tag)
    }

    /// The key in Redis. Two databases never share one, even by mistake; nor do releases that put
    /// different things into a body, which `shape` tells, or pack it in another way, which the number
    /// tells. The braces keep the entry and its lease in one shard of a cluster.
    pub(super) fn in_redis(&self, database: DatabaseId, shape: u32) -> String {
        format!("catalog:6:{shape:08x}:{{{database}:{self}}}")
    }

    /// About how many bytes the key holds in memory.
    pub(super) fn weight(&self) -> usize {
        let beyond = match self {
            Self::List(query) => query.after.as_ref().map_or(0, |cursor| cursor.title.len()),
            Self::Challenge(_) | Self::Subject(_) => 0,
        };
        size_of::<Self>() + beyond
    }
}

/// `list:<difficulty or all>:<page size>[:<place>]`, `challenge:<id>` or `subject:<id>`.
impl fmt::Display for ReadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Challenge(id) => write!(f, "challenge:{id}"),
            Self::Subject(id) => write!(f, "subject:{id}"),
            Self::List(query) => {
                write!(f, "list:{}:{}", query.filters(), query.page_size.get())?;
                let Some(Cursor {
                    difficulty,
                    points,
                    title,
                    id,
                }) = &query.after
                else {
                    return Ok(());
                };
                write!(f, ":{difficulty}:{points}:{id}:{title}")
            }
        }
    }
}
