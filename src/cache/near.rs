use std::sync::Arc;

use quick_cache::{Weighter, sync::Cache};

use super::{entry::Entry, key::ReadKey};

/// The memory of this replica, bounded in bytes.
///
/// It keeps entries that are no longer valid until newer ones push them out:
/// they are what can be served when the database is gone.
#[derive(Debug)]
pub(super) struct NearCache {
    entries: Cache<ReadKey, Arc<Entry>, ByBytes>,
}

#[derive(Clone, Debug)]
struct ByBytes;

impl Weighter<ReadKey, Arc<Entry>> for ByBytes {
    fn weight(&self, key: &ReadKey, entry: &Arc<Entry>) -> u64 {
        entry.weight(key)
    }
}

/// What one entry is assumed to take when the map is laid out.
const TYPICAL_ENTRY_BYTES: u64 = 1 << 10;

impl NearCache {
    /// An empty cache of at most `capacity_bytes`.
    pub(super) fn new(capacity_bytes: u64) -> Self {
        let items = usize::try_from(capacity_bytes / TYPICAL_ENTRY_BYTES).unwrap_or(usize::MAX);
        Self {
            entries: Cache::with_weighter(items, capacity_bytes, ByBytes),
        }
    }

    pub(super) fn get(&self, key: &ReadKey) -> Option<Arc<Entry>> {
        self.entries.get(key)
    }

    pub(super) fn insert(&self, key: ReadKey, entry: Arc<Entry>) {
        self.entries.insert(key, entry);
    }

    /// How many entries there are, and how many bytes they take.
    pub(super) fn size(&self) -> (usize, u64) {
        (self.entries.len(), self.entries.weight())
    }
}
