//! What one statement of a load brought, and whether it fits what is known.
use bytes::Bytes;
use tokio::time::Instant;

use crate::domain::{Error, Stamped, Version};

/// What the database gave: the commit it saw, and a value for each key; `None` where it has nothing.
pub(super) type Read = Stamped<Vec<Option<Bytes>>>;

/// A read for a load.
pub(super) struct Reading {
    /// The newest version that was known when it began, and its era; none before the first poll.
    pub(super) known: Option<(Version, u64)>,
    /// When it began.
    pub(super) from: Instant,
    pub(super) read: Result<Read, Error>,
}

impl Reading {
    /// Whether a server answered of which nothing was heard yet: one that took over, and has another
    /// history as soon as it gives a number; one that has restarted; or one that was left.
    pub(super) fn is_unheard_of(&self) -> bool {
        match (&self.known, &self.read) {
            (Some((known, _)), Ok(read)) => !read.version.reaches(*known),
            (None, _) | (_, Err(_)) => false,
        }
    }
}
