//! What operators set of the caches.
use std::{sync::Arc, time::Duration};

use crate::domain::Switches;

/// How long and how much is kept.
#[derive(Clone, Debug)]
pub struct CacheSettings {
    /// How long an entry is served that nothing has changed; shortened by up to a tenth.
    pub ttl: Duration,
    /// Which parts of the cache operators let be used.
    pub switches: Arc<Switches>,
    /// The near cache holds at most so many bytes.
    pub near_bytes: u64,
    /// How old an answer may be that is served, marked, while the database is gone.
    pub stale_retention: Duration,
    /// So many loads may be in the database at once.
    pub fill_concurrency: usize,
    /// How often an entry is compared with the database; zero for never.
    pub audit_interval: Duration,
}
