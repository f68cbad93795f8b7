use std::sync::Arc;

use quick_cache::{DefaultHashBuilder, Lifecycle, Weighter, sync::Cache};

use super::{CacheStats, entry::Entry, key::ReadKey};

/// The memory of this replica, bounded in bytes.
///
/// It keeps entries that are no longer valid until newer ones push them out:
/// they are what can be served when the database is gone.
pub(super) struct NearCache {
    entries: Cache<ReadKey, Arc<Entry>, ByBytes, DefaultHashBuilder, Evictions>,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<ReadKey, Arc<Entry>> for ByBytes {
    fn weight(&self, key: &ReadKey, entry: &Arc<Entry>) -> u64 {
        entry.weight(key)
    }
}

/// Counts what is pushed out.
#[derive(Clone)]
struct Evictions(Arc<CacheStats>);

impl Lifecycle<ReadKey, Arc<Entry>> for Evictions {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: ReadKey, _: Arc<Entry>) {
        self.0.evictions.add(1);
    }
}

/// What one entry is assumed to take when the map is laid out.
const TYPICAL_ENTRY_BYTES: u64 = 1 << 10;

impl NearCache {
    /// An empty cache of at most `capacity_bytes`.
    pub(super) fn new(capacity_bytes: u64, stats: Arc<CacheStats>) -> Self {
        let items = usize::try_from(capacity_bytes / TYPICAL_ENTRY_BYTES).unwrap_or(usize::MAX);
        let hasher = DefaultHashBuilder::default();
        let entries = Cache::with(items, capacity_bytes, ByBytes, hasher, Evictions(stats));
        Self { entries }
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

    /// The most bytes that it holds.
    pub(super) fn capacity_bytes(&self) -> u64 {
        self.entries.capacity()
    }

    /// Drops everything, and tells how many entries that were.
    pub(super) fn clear(&self) -> usize {
        let count = self.entries.len();
        self.entries.clear();
        count
    }

    /// Every entry that is there, more or less, while others use the cache.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ReadKey, Arc<Entry>)> + '_ {
        self.entries.iter()
    }

    /// Any entry.
    pub(super) fn random(&self) -> Option<(ReadKey, Arc<Entry>)> {
        let count = self.entries.len();
        let at = (count > 0).then(|| rand::random_range(0..count))?;
        self.entries.iter().nth(at)
    }
}
