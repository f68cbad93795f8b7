//! A connection that is open, and what is known of it.
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use tokio::time::Instant;

use super::session::Session;

/// When a connection was opened, and when its server was last heard on it.
#[derive(Clone, Copy)]
pub(super) struct Life {
    pub(super) opened_at: Instant,
    pub(super) heard_at: Instant,
}

impl Life {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            opened_at: now,
            heard_at: now,
        }
    }
}

/// An open connection of a pool.
pub(super) struct Live {
    pub(super) session: Session,
    pub(super) life: Life,
    _counted: Counted,
}

impl Live {
    /// Just opened, and counted in `open`.
    pub(super) fn new(session: Session, open: &Arc<AtomicU32>) -> Self {
        Self {
            session,
            life: Life::new(),
            _counted: Counted::one(open),
        }
    }
}

/// Counts a connection as long as it is there.
struct Counted(Arc<AtomicU32>);

impl Counted {
    fn one(open: &Arc<AtomicU32>) -> Self {
        open.fetch_add(1, Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
