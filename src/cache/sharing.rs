//! What the loader gives to Redis, and what it takes from there.
use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tracing::Instrument;

use super::{
    entry::Entry,
    fault::{self, Fault},
    key::ReadKey,
    loader::Loader,
    packed::{Content, Packed},
    shared::Lease,
};
use crate::domain::DatabaseId;

impl Loader {
    /// Gives an entry and its time to live to the shared cache, where this replica has the lease to fill
    /// it, or gives the lease back. `era` is the one that the read began in.
    pub(super) fn share(
        &self,
        era: Option<(DatabaseId, u64)>,
        key: &ReadKey,
        lease: Option<Lease>,
        kept: Option<(&Entry, Duration)>,
    ) {
        let (Some(shared), Some(lease), Some((database, _))) = (&self.shared, lease, era) else {
            return;
        };
        let packed = kept.map(|(entry, ttl)| {
            let packed = Packed {
                stamp: entry.stamp,
                etag: entry.etag,
                life: ttl + shared.lease(),
                content: match &entry.body {
                    Some(body) if body.len() > Packed::MAX_BODY_BYTES => Content::TooLarge,
                    Some(body) => Content::Body(body.clone()),
                    None => Content::Nothing,
                },
            };
            (packed, ttl)
        });
        let (shared, key) = (Arc::clone(shared), key.in_redis(database));
        // Nobody waits for this; it is bounded by the time limit of its command.
        let put = async move {
            match packed {
                Some((packed, ttl)) => {
                    shared.put(&key, &lease, &packed, ttl).await;
                }
                None => shared.release(&key, &lease).await,
            }
        };
        self.tasks.spawn(put.in_current_span());
    }

    /// Whether Redis is to know that there is no such challenge. Ids that somebody makes up are asked for
    /// once, so the first answer stays in the near cache, unless another replica was asked too.
    pub(super) fn may_share_absence(&self, key: &ReadKey, others_asked: bool) -> bool {
        (others_asked || self.near.get(key).is_some()) && self.absent.admits()
    }

    /// `None` for an entry that Redis has no body of.
    pub(super) fn unpack(&self, packed: Packed, ttl: Duration, era: u64) -> Option<Arc<Entry>> {
        let body = match packed.content {
            Content::Body(body) => Some(body),
            Content::Nothing => None,
            Content::TooLarge => return None,
        };
        // Redis tells how long it still keeps it, by its own clock. It took it while the lease lasted
        // under which it was read, so that much more bounds its age.
        let ttl = ttl.min(packed.life);
        let age = packed.life.saturating_sub(ttl);
        let now = Instant::now();
        let current_at = now.checked_sub(age).unwrap_or(now);
        let stamp = if fault::is(Fault::TrustShared) {
            self.knowledge.version().stamp
        } else {
            packed.stamp
        };
        Some(self.entry((packed.etag, body), stamp, era, current_at, ttl))
    }
}
