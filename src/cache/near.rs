//! The near cache: entries in the memory of this replica, bounded by their bytes.
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use parking_lot::Mutex;
use quick_cache::{DefaultHashBuilder, Lifecycle, Weighter, sync::Cache};

use super::{
    CacheStats,
    entry::{CacheEntry, ReadKey},
};

/// The memory of this replica, bounded in bytes.
///
/// It keeps entries that are no longer valid until newer ones push them out:
/// they are what can be served when the database is gone.
pub(super) struct NearCache {
    entries: Cache<ReadKey, Arc<CacheEntry>, EntryBytes, DefaultHashBuilder, Evictions>,
    /// At most [`SAMPLE`] keys, to draw a random entry from.
    sample: Mutex<Vec<ReadKey>>,
}

/// How many keys a random draw can choose from.
const SAMPLE: usize = 1_024;

#[derive(Clone)]
struct EntryBytes;

impl Weighter<ReadKey, Arc<CacheEntry>> for EntryBytes {
    fn weight(&self, key: &ReadKey, entry: &Arc<CacheEntry>) -> u64 {
        entry.weight(key)
    }
}

/// Counts what is pushed out.
#[derive(Clone)]
struct Evictions(Arc<CacheStats>);

impl Lifecycle<ReadKey, Arc<CacheEntry>> for Evictions {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: ReadKey, _: Arc<CacheEntry>) {
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
        let entries = Cache::with(items, capacity_bytes, EntryBytes, hasher, Evictions(stats));
        Self {
            entries,
            sample: Mutex::default(),
        }
    }

    pub(super) fn get(&self, key: &ReadKey) -> Option<Arc<CacheEntry>> {
        self.entries.get(key)
    }

    pub(super) fn insert(&self, key: ReadKey, entry: Arc<CacheEntry>) {
        let is_known = self.entries.contains_key(&key);
        self.entries.insert(key.clone(), entry);
        let mut sample = self.sample.lock();
        if sample.len() < SAMPLE {
            if !is_known {
                sample.push(key);
            }
        } else if let Some(slot) = sample.get_mut(rand::random_range(0..SAMPLE)) {
            *slot = key;
        }
    }

    /// How many entries there are, and how many bytes they take.
    pub(super) fn size(&self) -> (usize, u64) {
        (self.entries.len(), self.entries.weight())
    }

    /// The most bytes that it holds.
    pub(super) fn capacity_bytes(&self) -> u64 {
        self.entries.capacity()
    }

    /// Drops all entries, and returns their number.
    pub(super) fn clear(&self) -> usize {
        let count = self.entries.len();
        self.entries.clear();
        let mut sample = self.sample.lock();
        sample.clear();
        count
    }

    /// Drops the entries of these keys, and returns their number.
    pub(super) fn remove(&self, is_meant: impl Fn(&ReadKey) -> bool) -> usize {
        let count = AtomicUsize::new(0);
        self.entries.retain(|key, _| {
            let stays = !is_meant(key);
            count.fetch_add(usize::from(!stays), Relaxed);
            stays
        });
        count.into_inner()
    }

    /// Every entry that is there, more or less, while others use the cache.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ReadKey, Arc<CacheEntry>)> + '_ {
        self.entries.iter()
    }

    /// A random entry that is wanted. It looks at a sample of a bounded size, from a random place on,
    /// so it takes no longer in a large cache than in a small one, and finds what the sample has.
    pub(super) fn draw(
        &self,
        is_wanted: impl Fn(&ReadKey, &CacheEntry) -> bool,
    ) -> Option<(ReadKey, Arc<CacheEntry>)> {
        let mut sample = self.sample.lock();
        let mut at = (!sample.is_empty()).then(|| rand::random_range(0..sample.len()))?;
        for _ in 0..sample.len() {
            let key = sample.get(at)?;
            match self.entries.peek(key) {
                Some(entry) if is_wanted(key, &entry) => return Some((key.clone(), entry)),
                Some(_) => at += 1,
                // It was pushed out: its place is free for the next key.
                None => drop(sample.swap_remove(at)),
            }
            if at >= sample.len() {
                at = 0;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, sync::atomic::AtomicU64, time::Duration};

    use tokio::time::Instant;
    use uuid::Uuid;

    use super::*;
    use crate::{
        cache::entry::Refresh,
        domain::{ChallengeId, Etag, Stamp, UnixMicros},
    };

    fn key(number: u128) -> ReadKey {
        ReadKey::Challenge(ChallengeId::from(Uuid::from_u128(number)))
    }

    fn entry(seq: u64) -> Arc<CacheEntry> {
        let ttl = Duration::from_mins(10);
        Arc::new(CacheEntry {
            body: None,
            deflated: None,
            json: None,
            etag: Etag::of(None),
            stamp: Stamp { timeline: 1, seq },
            era: 1,
            current_at: Instant::now(),
            expires: Instant::now() + ttl,
            expires_at: UnixMicros(0),
            refresh: Refresh::within(ttl),
            valid_in: AtomicU64::new(0),
        })
    }

    fn cache(capacity_bytes: u64) -> NearCache {
        NearCache::new(capacity_bytes, Arc::default())
    }

    #[test]
    fn the_one_entry_that_is_wanted_is_drawn_whatever_else_there_is() {
        let near = cache(1 << 24);
        for number in 0..900 {
            near.insert(key(number), entry(u64::from(number == 321)));
        }
        for _ in 0..100 {
            let (drawn, _) = near.draw(|_, entry| entry.stamp.seq == 1).unwrap();
            assert_eq!(drawn, key(321));
        }
        assert!(near.draw(|_, entry| entry.stamp.seq == 2).is_none());
    }

    #[test]
    fn every_entry_is_drawn_now_and_then() {
        let near = cache(1 << 24);
        for number in 0..20 {
            near.insert(key(number), entry(1));
        }
        let all = (0..2_000).filter_map(|_| near.draw(|_, _| true));
        let drawn: HashSet<_> = all.map(|(key, _)| key).collect();
        assert_eq!(drawn.len(), 20);
    }

    #[test]
    fn what_was_pushed_out_or_dropped_is_not_drawn_and_takes_no_place() {
        let near = cache(20_000);
        for number in 0..5_000 {
            near.insert(key(number), entry(1));
        }
        let (count, _) = near.size();
        assert!(count < 100, "{count}");
        let drawn = near.draw(|_, _| true);
        assert!(drawn.is_none_or(|(key, _)| near.get(&key).is_some()));
        near.draw(|_, _| false);
        assert!(near.sample.lock().len() <= count);
        near.clear();
        near.insert(key(1), entry(1));
        assert_eq!(near.draw(|_, _| true).map(|(key, _)| key), Some(key(1)));
    }

    #[test]
    fn a_key_that_is_filled_again_and_again_crowds_out_no_other() {
        let near = cache(1 << 24);
        near.insert(key(1), entry(1));
        for _ in 0..5_000 {
            near.insert(key(2), entry(2));
        }
        let (drawn, _) = near.draw(|_, entry| entry.stamp.seq == 1).unwrap();
        assert_eq!(drawn, key(1));
    }
}
